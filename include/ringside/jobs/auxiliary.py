"""Auxiliary series from their source to `observations`, and joined to candles by what was known."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ringside.adapters.audit_pages import write_audit
from ringside.adapters.database import make_engine
from ringside.adapters.observation_store import Observation, ObservationStore
from ringside.core.candles import Times, to_datetime
from ringside.core.known_values import AUXILIARY, AuxiliarySeries, JoinedValues, join_known
from ringside.errors import AuditFailedError
from ringside.settings import Settings

LOOK_BACK = timedelta(days=7)
"""Asked for again in each run: late corrections, and values of days that were missed."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AuxiliaryFacts:
    """What a run did to one series; `page` is the path of its audit page."""

    series: str
    rows: int
    changed: int
    refused_rows: int
    page: str


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
    from ringside.adapters.observation_checks import (
        DAILY_CHECKS,
        HOURLY_CHECKS,
        audit_observations,
    )

    series = AUXILIARY[name]
    source = make_auxiliary_source(settings)
    store = ObservationStore(make_engine(settings))
    last = store.read_last_time(name, as_of=as_of)
    known = as_of.astimezone(UTC)
    start = known - timedelta(days=settings.history_days) if last is None else last - LOOK_BACK
    _log.info("fetching series=%s start=%s as_of=%s", name, start, as_of)
    bars = source.fetch(series, start, known)
    rows = _keep_known(series, bars.time, bars.value.tolist(), as_of=known)
    batch_id = f"{name}_{start:%Y%m%dT%H}_at_{known:%Y%m%dT%H%M%S}"
    audit = audit_observations(batch_id, series, rows, as_of=known, venue=bars.venue)
    checks = [check.name for check in (DAILY_CHECKS if series.is_daily else HOURLY_CHECKS)]
    page = write_audit(settings.audits_dir, audit, as_of=known, checks=checks)
    changed = store.publish(audit, rows)
    facts = AuxiliaryFacts(name, len(rows), changed, audit.refused_rows, str(page))
    _log.info("ingested %s", facts)
    return facts


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
