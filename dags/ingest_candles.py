"""Fetch, audit and publish the candles that have closed.

**When.** Hourly, for the hour that has just closed. By hand: press *Trigger*; `start` and `end`
load or repair a window.

**What.** Finds what each series lacks (new hours, gaps, a few published hours again for
revisions), fetches each window as a raw batch, audits all batches with Great Expectations,
publishes the good rows and quarantines the others with their reasons. Then the run fails loudly
if any row was refused. One series that cannot be fetched does not hold up the others.

**A re-run** leaves the same rows: a batch replaces itself, candles are upserted on symbol and
open time. Hours missed while nothing ran are found and fetched by the next run.

**When it fails:** docs/runbooks/audit-failed.md, docs/runbooks/source-unavailable.md.
"""

from airflow.sdk import CronDataIntervalTimetable, TriggerRule, dag

from ringside_airflow import tasks
from ringside_airflow.defaults import (
    AS_OF_PARAM,
    FIRST_INTERVAL,
    HOUSE,
    Tag,
    as_of_from,
    instant_param,
)


@dag(
    schedule=CronDataIntervalTimetable("@hourly", timezone="UTC"),
    start_date=FIRST_INTERVAL,
    tags=[Tag.DATA],
    doc_md=__doc__,
    params={
        "as_of": AS_OF_PARAM,
        "start": instant_param("First open time to fetch. Empty: whatever is missing."),
        "end": instant_param("Fetch candles that open before this. Empty: up to the run's time."),
    },
    **HOUSE,
)
def ingest_candles() -> None:
    as_of = as_of_from("find_windows")
    fetched = tasks.fetch.partial(as_of=as_of).expand(window=tasks.find_windows())
    audit = tasks.audit_candles.override(trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
    published = tasks.publish_candles(audit(fetched, as_of), as_of)
    # A failed fetch must fail the run although the audit went on without it.
    fetched >> tasks.require_clean_audit(published)


ingest_candles()
