"""Load years of hourly candles of one series, by hand.

**When.** By hand only: press *Trigger*, choose the series and the first hour.

**What.** Cuts the window into chunks of 20,000 hours, newest first. Each chunk that is not complete
is fetched and written raw; four of them are audited with Great Expectations in one call and
published in one transaction. The task's log shows the progress. Then the run fails loudly if any
row was refused.

**A re-run**, or a retry after a kill, goes on where it was: chunks that are published are skipped,
those that are only fetched are not asked for again, and the final table is the same. Hours the
venue never had are recorded, and left alone for long.

**When it fails:** docs/runbooks/audit-failed.md, docs/runbooks/source-unavailable.md.
"""

from airflow.sdk import dag

from ringside_airflow import data_tasks, tasks
from ringside_airflow.defaults import (
    AS_OF_PARAM,
    HOUSE,
    INSTANT,
    SYMBOL,
    Tag,
    instant_param,
    required_param,
)


@dag(
    schedule=None,
    tags=[Tag.DATA],
    doc_md=__doc__,
    params={
        "symbol": required_param("A series of the settings, for example BTC/USDT.", **SYMBOL),
        "start": required_param("First open time to load, with time zone.", **INSTANT),
        "end": instant_param("Load candles that open before this. Empty: up to the run's time."),
        "as_of": AS_OF_PARAM,
    },
    **HOUSE,
)
def backfill_candles() -> None:
    tasks.require_clean_audit(data_tasks.backfill())


backfill_candles()
