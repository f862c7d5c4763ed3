"""What all DAGs share: house arguments, tags, the common parameter, pools."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param

from ringside_airflow.alerts import log_failure
from ringside_airflow.clock import AS_OF_KEY

FIRST_INTERVAL = datetime(2024, 1, 1, tzinfo=UTC)
"""Where a schedule of data intervals begins; it needs one, and runs only the newest at first."""

TRAINING_POOL = "training"


INSTANT = {"format": "date-time", "pattern": r"T.*(Z|[+-]\d\d:?\d\d)$"}
"""Schema of an ISO 8601 instant; Airflow does not enforce the format, and naive times are wrong."""

SYMBOL = {"pattern": "^[A-Z0-9]+/[A-Z0-9]+$"}
"""Schema of a series by its symbol."""


class Tag(StrEnum):
    """Every tag a DAG may carry."""

    DATA = "data"
    FORECASTS = "forecasts"
    TRAINING = "training"
    TITLE = "title"
    REPORTS = "reports"


HOUSE: dict[str, Any] = {
    "catchup": False,
    "max_active_runs": 1,
    "default_args": {
        "owner": "ringside",
        "retries": 2,
        "retry_delay": timedelta(seconds=20),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(minutes=10),
        "on_failure_callback": log_failure,
    },
}
"""Arguments of every `@dag`. A lost start costs a try, so no task has fewer than two retries.

No start date: with one, `cron_schedule` would run its last missed time at the very first start.
"""


def cron_schedule(expression: str) -> CronTriggerTimetable:
    """Make a schedule in UTC whose first run is in the future.

    Airflow would else run the last missed time when the platform is first started, before there
    is a candle to train on or a title to decide. A time that has just passed still counts, as
    Airflow may compute the schedule anew in the very moment that a run is due.
    """
    return CronTriggerTimetable(expression, timezone="UTC", run_immediately=timedelta(minutes=2))


def instant_param(description: str) -> Param:
    """Make an optional parameter that takes an ISO 8601 instant with its time zone."""
    return Param(None, type=["null", "string"], description=description, **INSTANT)


def required_param(description: str, **schema: str) -> Param:
    """Make a parameter of text that the form insists on."""
    return Param(type="string", minLength=1, description=description, **schema)


AS_OF_PARAM = instant_param(
    "Market time whose knowledge the run may use, with time zone. "
    "Empty: the time of the event or schedule that started it."
)


def as_of_from(task_id: str) -> str:
    """Template of the market time that the first task of the DAG found; makes no arrow."""
    return f"{{{{ ti.xcom_pull(task_ids='{task_id}', key='{AS_OF_KEY}') }}}}"
