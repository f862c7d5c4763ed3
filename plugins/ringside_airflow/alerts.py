"""What happens when a task has failed for good: one line for the operator, with the way out."""

import logging
from collections.abc import Mapping
from typing import Any

_log = logging.getLogger(__name__)

RUNBOOKS = {
    "backfill_candles": "docs/runbooks/audit-failed.md",
    "release_quarantine": "docs/runbooks/audit-failed.md",
    "ingest_candles": "docs/runbooks/audit-failed.md",
    "ingest_auxiliary": "docs/runbooks/audit-failed.md",
    "prune_audits": "docs/runbooks/store-unavailable.md",
    "issue_forecasts": "docs/runbooks/candle-gap.md",
    "train_challenger": "docs/runbooks/training-failed.md",
    "decide_title": "docs/runbooks/promotion-failed.md",
    "roll_back_champion": "docs/runbooks/promotion-failed.md",
    "publish_reports": "docs/runbooks/store-unavailable.md",
}
"""The page to open when a DAG's task has failed."""


def log_failure(context: Mapping[str, Any]) -> None:
    """Log which task failed, why, with the facts of our own errors, and the runbook."""
    instance = context["ti"]
    error = context.get("exception")
    cause = getattr(error, "__cause__", None) or error
    _log.error(
        "task failed for good dag=%s task=%s run=%s try=%s error=%s: %s facts=%s runbook=%s",
        instance.dag_id,
        instance.task_id,
        instance.run_id,
        instance.try_number,
        type(cause).__name__,
        cause,
        getattr(cause, "facts", {}),
        RUNBOOKS[instance.dag_id],
    )
