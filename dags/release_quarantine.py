"""Publish candles or auxiliary values that the audit refused and a person has looked at.

**When.** By hand only: press *Trigger* with the batch named on the audit page, its rows, and why.

**What.** Publishes the rows as they are and records who let them through, when and why. They stay
in quarantine as evidence. The same row, fetched again, is warned about and no longer refused.

**A re-run** changes nothing: a row is released once, and the first reason stays on record.

**When it fails:** docs/runbooks/audit-failed.md.
"""

from airflow.sdk import Param, dag

from ringside_airflow import data_tasks
from ringside_airflow.defaults import AS_OF_PARAM, HOUSE, Tag, required_param


@dag(
    schedule=None,
    tags=[Tag.DATA],
    doc_md=__doc__,
    params={
        "batch_id": required_param("Batch whose rows wait in quarantine; its audit page names it."),
        "rows": Param(
            [],
            type="array",
            items={"type": "integer"},
            description="Row numbers of the audit page. Empty: all rows of the batch.",
        ),
        "reason": required_param("Why these rows are true."),
        "as_of": AS_OF_PARAM,
    },
    **HOUSE,
)
def release_quarantine() -> None:
    data_tasks.release()


release_quarantine()
