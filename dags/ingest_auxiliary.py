"""Fetch, audit and publish the series beside the candles: VIX, NASDAQ-100, gold.

**When.** Hourly, five minutes past, where the setting `RINGSIDE_AUXILIARY` names any; else skipped.

**What.** Each series in a task of its own: what is new, the last week again for corrections, and
gaps anywhere in its history; what the source never had is asked for ever more rarely. Values are
kept as fetched; Great Expectations audits them with the suite of their kind. Refused values go to
quarantine and the task fails loudly. Every value carries the instant at which it was known: a
daily one when its session closed in New York, an hourly bar when it ended.

**A re-run** changes nothing.

**When it fails:** docs/runbooks/audit-failed.md, docs/runbooks/source-unavailable.md.
"""

from airflow.sdk import dag

from ringside_airflow import data_tasks
from ringside_airflow.defaults import AS_OF_PARAM, HOUSE, Tag, as_of_from, cron_schedule


@dag(
    schedule=cron_schedule("5 * * * *"),
    tags=[Tag.DATA],
    doc_md=__doc__,
    params={"as_of": AS_OF_PARAM},
    **HOUSE,
)
def ingest_auxiliary() -> None:
    as_of = as_of_from("list_auxiliary")
    data_tasks.ingest_values.partial(as_of=as_of).expand(name=data_tasks.list_auxiliary())


ingest_auxiliary()
