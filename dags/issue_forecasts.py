"""Put every contestant's forecasts on the record, score those whose hour has passed.

**When.** As soon as `ingest_candles` has published candles; the asset's event says up to when.

**What.** Every contestant that holds an alias forecasts every series and horizon from the last
closed candle. A forecast is withheld, with the reason, where that candle or one it looks back to
is missing. One issued too late is marked as late and never scored. A champion that was promoted
lately is held against the one before it, which goes on forecasting (`watch_probation`); if it has
lost more than its budget, the title goes back by itself (`give_title_back`).

**A re-run** adds nothing: a forecast is recorded once and never changed.

**When it fails:** docs/runbooks/candle-gap.md, docs/runbooks/registry-unavailable.md.
"""

from airflow.sdk import dag

from ringside_airflow import tasks
from ringside_airflow.assets import CANDLES
from ringside_airflow.defaults import AS_OF_PARAM, HOUSE, Tag, as_of_from


@dag(
    schedule=[CANDLES],
    tags=[Tag.FORECASTS],
    doc_md=__doc__,
    params={"as_of": AS_OF_PARAM},
    **HOUSE,
)
def issue_forecasts() -> None:
    as_of = as_of_from("issue")
    watched = tasks.watch_probation(as_of)
    tasks.issue() >> tasks.score(as_of) >> watched
    tasks.give_title_back(watched, as_of)


issue_forecasts()
