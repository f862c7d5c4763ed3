"""Put every contestant's forecasts on the record, then score those whose hour has passed.

**When.** As soon as `ingest_candles` has published candles; the asset's event says up to when.

**What.** Every contestant that holds an alias forecasts every series and horizon from the last
closed candle. A forecast is withheld, with the reason, where that candle or one it looks back to
is missing. One issued too late is marked as late and never scored.

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
    tasks.issue() >> tasks.score(as_of_from("issue"))


issue_forecasts()
