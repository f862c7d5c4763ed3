"""Put every contestant's forecasts on the record, score those whose hour has passed.

**When.** As soon as `ingest_candles` has published candles; the asset's event says up to when.

**What.** Every contestant that holds an alias forecasts every series and horizon from the last
closed candle, a hundred series at once in one transaction, calibrated by the outcomes on the
record. A forecast is withheld where that candle or too many before it are missing, or its model is
refused; the reason goes on the record (`withheld_forecasts`). One issued too late is marked as late
and never scored. By hand with `replay`, hours long past are marked as replayed.
`score` follows: it scores what has come true, scores anew where a candle was revised, and brings
the history of skill up to date.
A champion that was promoted lately is held against the one before it, which goes on forecasting
(`watch_probation`); if it has lost more than its budget, the title goes back by itself
(`give_title_back`).

**A re-run** adds nothing: a forecast is recorded once and never changed.

**When it fails:** docs/runbooks/candle-gap.md, docs/runbooks/registry-unavailable.md.
"""

from airflow.sdk import Param, dag

from ringside_airflow import tasks
from ringside_airflow.assets import CANDLES
from ringside_airflow.defaults import AS_OF_PARAM, HOUSE, Tag, as_of_from


@dag(
    schedule=[CANDLES],
    tags=[Tag.FORECASTS],
    doc_md=__doc__,
    params={
        "as_of": AS_OF_PARAM,
        "replay": Param(
            False,
            type="boolean",
            description="Mark the forecasts as replayed: for hours long past, on purpose.",
        ),
    },
    **HOUSE,
)
def issue_forecasts() -> None:
    as_of = as_of_from("issue")
    watched = tasks.watch_probation(as_of)
    tasks.issue() >> tasks.score(as_of) >> watched
    tasks.give_title_back(watched, as_of)


issue_forecasts()
