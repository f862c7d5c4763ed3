"""Auxiliary series from their source to `observations`, and joined to candles by what was known."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ringside.adapters.audit_pages import write_audit, write_run_page
from ringside.adapters.database import make_engine
from ringside.adapters.observation_store import Observation, ObservationStore, RawValues
from ringside.adapters.publishing import Asked
from ringside.adapters.release_store import ReleaseStore
from ringside.core.audits import BatchAudit
from ringside.core.candles import Times, floor_hour, to_datetime
from ringside.core.known_values import AUXILIARY, AuxiliarySeries, JoinedValues, join_known
from ringside.errors import AuditFailedError
from ringside.jobs.ingestion import make_batch_id
from ringside.jobs.windows import Window, make_window, plan_windows
from ringside.settings import Settings

if TYPE_CHECKING:
    from ringside.adapters.auxiliary_sources import AuxiliarySource

LOOK_BACK = timedelta(days=7)
"""Asked for again in each run: late corrections, and values of days that were missed."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AuxiliaryFacts:
    """What a run did to one series; `page` is the path of its audit page, None without rows."""

    series: str
    rows: int
    changed: int
    refused_rows: int
    page: str | None


def ingest_auxiliary(settings: Settings, name: str, *, as_of: datetime) -> AuxiliaryFacts:
    """Fetch, audit and publish what one auxiliary series lacks; known at `as_of` only.

    Running it again changes nothing. Of two at once the second finds the rows of the first.

    Raises:
        SettingsError: The source does not have the series.
        SourceUnavailableError: The source did not answer.
        CandleDataError: What it answered cannot be read.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    from ringside.adapters.auxiliary_sources import make_auxiliary_source

    series, known = AUXILIARY[name], as_of.astimezone(UTC)
    source = make_auxiliary_source(settings)
    windows = find_auxiliary_windows(
        settings, series, as_of=known, first=source.first_stamp(series, as_of=known)
    )
    audits: list[BatchAudit] = []
    changed = 0
    # The newest first: an old gap that cannot be asked for holds up nothing.
    for window in reversed(windows):
        _log.info("fetching %s as_of=%s", window, known)
        batch_id = _fetch(settings, source, series, window, as_of=known)
        audits += _audit(settings, series, batch_id, as_of=known)
        changed += ObservationStore(make_engine(settings)).publish(batch_id, series)
    facts = AuxiliaryFacts(
        series=name,
        rows=sum(audit.rows for audit in audits),
        changed=changed,
        refused_rows=sum(audit.refused_rows for audit in audits),
        page=str(write_run_page(settings.audits_dir, audits, as_of=known)) if audits else None,
    )
    _log.info("ingested %s", facts)
    return facts


def find_auxiliary_windows(
    settings: Settings, series: AuxiliarySeries, *, as_of: datetime, first: datetime | None
) -> list[Window]:
    """Find what a series has to be asked for: what is new, the last week again, and gaps anywhere.

    A stamp that the source has answered without is asked for ever more rarely. `first` is the
    oldest stamp that the source still has; None where it has no such limit.
    """
    store = ObservationStore(make_engine(settings))
    end = floor_hour(as_of)
    last = store.read_last_time(series.name, as_of=as_of)
    start = end - timedelta(days=settings.history_days) if last is None else last - LOOK_BACK
    start = start if first is None else max(start, first)
    start = start.replace(hour=0) if series.is_daily else start
    if last is None:
        return [make_window(series.name, start, end, "first run")]
    missing = store.find_missing_times(series, as_of=as_of, start=first)
    return plan_windows(series.name, missing, recent=(start, end), reach=series.reach)


def _fetch(
    settings: Settings,
    source: "AuxiliarySource",
    series: AuxiliarySeries,
    window: Window,
    *,
    as_of: datetime,
) -> str:
    """Fetch one window and write it raw, without values still forming; give the batch's id."""
    start, end = datetime.fromisoformat(window.start), datetime.fromisoformat(window.end)
    bars = source.fetch(series, start, end)
    rows = _keep_known(series, bars.time, bars.value.tolist(), as_of=as_of)
    batch = RawValues(make_batch_id(window, as_of=as_of), series.name, bars.venue, tuple(rows))
    asked = Asked(start, end, as_of, (bars.venue,))
    ObservationStore(make_engine(settings)).write_batch(batch, asked)
    return batch.batch_id


def _audit(
    settings: Settings, series: AuxiliarySeries, batch_id: str, *, as_of: datetime
) -> list[BatchAudit]:
    """Audit one batch, store what was found and write its page; nothing for one without rows."""
    from ringside.adapters.observation_checks import DAILY_CHECKS, HOURLY_CHECKS, audit_values

    store = ObservationStore(make_engine(settings))
    batch, read_at = store.read_batch(batch_id)
    if batch is None:
        return []
    last = store.read_last_time(series.name, as_of=as_of)
    newest = None if last is None else series.known_at(last)
    found = audit_values(batch, series, as_of=as_of, newest=newest)
    (audit,) = ReleaseStore(make_engine(settings)).excuse_released([found])
    store.write_audit(audit, as_of=as_of, audited_at=read_at)
    checks = [check.name for check in (DAILY_CHECKS if series.is_daily else HOURLY_CHECKS)]
    write_audit(settings.audits_dir, audit, as_of=as_of, checks=checks)
    return [audit]


def require_clean_values(facts: AuxiliaryFacts) -> None:
    """Fail loudly when values of a series were refused.

    Raises:
        AuditFailedError: Values are in quarantine; the message names the page.
    """
    if facts.refused_rows:
        raise AuditFailedError(
            f"the audit refused {facts.refused_rows} of {facts.rows} values of {facts.series},"
            f" see {facts.page}; see docs/runbooks/audit-failed.md"
        )


def read_joined(settings: Settings, name: str, at: Times, *, as_of: datetime) -> JoinedValues:
    """Give what was known of a series at each instant, with its age; too old is missing.

    Args:
        settings: Of the platform.
        name: The auxiliary series.
        at: Close times of candles, `datetime64[s]` in UTC, none after `as_of`.
        as_of: The instant whose knowledge is allowed; aware.
    """
    series = AUXILIARY[name]
    start = None
    if len(at):
        start = to_datetime(at.min()) - timedelta(hours=series.max_age_hours)
    known = ObservationStore(make_engine(settings)).read_known(name, as_of=as_of, start=start)
    return join_known(known, at, max_age_hours=series.max_age_hours)


def _keep_known(
    series: AuxiliarySeries, times: Times, values: list[float], *, as_of: datetime
) -> list[Observation]:
    """Give each row the instant at which it was known, and drop those still forming."""
    stamps = [to_datetime(stamp) for stamp in times]
    rows = [
        Observation(stamp, series.known_at(stamp), None if value != value else value)
        for stamp, value in zip(stamps, values, strict=True)
    ]
    return [row for row in rows if row.known_at <= as_of]
