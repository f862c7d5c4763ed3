"""From an Airflow run to the market time it may know; nothing after the first task asks again."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airflow.sdk.types import DagRunProtocol, RuntimeTaskInstanceProtocol

from ringside.errors import SettingsError
from ringside.settings import Settings

_log = logging.getLogger(__name__)

AS_OF_KEY = "as_of"
"""Key of the XCom, and of an asset event's `extra`, that holds a market time as ISO 8601 text."""


@dataclass(frozen=True)
class RunInstant:
    """The instant a run stands for, in UTC; `is_market_time` says that no offset is missing."""

    time: datetime
    is_market_time: bool


def find_instant(params: Mapping[str, Any], dag_run: DagRunProtocol) -> RunInstant:
    """Find the instant of a run: as asked by hand, of its newest event, of its schedule.

    Runs started by an asset or by hand have no logical date and no data interval in Airflow 3:
    an event carries its market time, a run by hand stands for the moment it was started.

    Raises:
        SettingsError: the parameter `as_of` has no time zone.
    """
    if params.get("as_of"):
        return RunInstant(parse_instant(params["as_of"]), is_market_time=True)
    stamps = [event.extra.get(AS_OF_KEY) for event in dag_run.consumed_asset_events]
    known = [parse_instant(stamp) for stamp in stamps if stamp]
    if known:
        return RunInstant(max(known), is_market_time=True)
    real_time = dag_run.data_interval_end or dag_run.run_after
    return RunInstant(real_time.astimezone(UTC), is_market_time=False)


def parse_instant(text: str) -> datetime:
    """Read an ISO 8601 instant as aware UTC.

    Raises:
        SettingsError: it is no instant, or has no time zone.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"{text!r} is not an ISO 8601 instant") from error
    if instant.tzinfo is None:
        raise SettingsError(f"{text!r} has no time zone; write for example {text}+00:00")
    return instant.astimezone(UTC)


def to_market_time(settings: Settings, instant: RunInstant) -> datetime:
    """Translate real time to market time, unless it is market time already."""
    if instant.is_market_time:
        return instant.time
    from ringside.jobs import clock

    return clock.read_market_time(settings, real_time=instant.time)


def begin_run(
    settings: Settings,
    *,
    params: Mapping[str, Any],
    dag_run: DagRunProtocol,
    ti: RuntimeTaskInstanceProtocol,
) -> datetime:
    """Find the market time of the run and leave it for the tasks to come."""
    as_of = to_market_time(settings, find_instant(params, dag_run))
    ti.xcom_push(key=AS_OF_KEY, value=as_of.isoformat())
    _log.info("run begun dag=%s run=%s as_of=%s", dag_run.dag_id, dag_run.run_id, as_of.isoformat())
    return as_of


def read_market_now(settings: Settings) -> datetime:
    """Tell the market time of this very moment: only for stamping what is done now."""
    now = datetime.now(tz=UTC)
    return to_market_time(settings, RunInstant(now, is_market_time=False))
