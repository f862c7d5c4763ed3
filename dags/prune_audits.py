"""Remove the pages and results of old audits.

**When.** Daily at 03:40 UTC.

**What.** Removes files of audits older than `RINGSIDE_AUDIT_DAYS` days. The newest audit of each
series stays, and so do those of batches with rows in quarantine. What was found stays in the table
`audits`; no candle and no row of quarantine is touched.

**A re-run** finds nothing more to remove.

**When it fails:** docs/runbooks/store-unavailable.md.
"""

from airflow.sdk import dag

from ringside_airflow import data_tasks
from ringside_airflow.defaults import AS_OF_PARAM, HOUSE, Tag, cron_schedule


@dag(
    schedule=cron_schedule("40 3 * * *"),
    tags=[Tag.DATA],
    doc_md=__doc__,
    params={"as_of": AS_OF_PARAM},
    **HOUSE,
)
def prune_audits() -> None:
    data_tasks.prune()


prune_audits()
