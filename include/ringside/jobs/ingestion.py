"""Candles from their source to the published table: fetch, audit, publish.

All facts are plain values (times as ISO 8601 text), so that they pass between tasks as JSON.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ringside.adapters.candle_store import CandleStore, RawBatch
from ringside.adapters.database import make_engine
from ringside.adapters.publishing import Asked
from ringside.adapters.release_store import ReleaseStore
from ringside.core.audits import BatchAudit
from ringside.core.candles import Candles, keep_closed, to_datetime
from ringside.core.own_history import HISTORY_HOURS
from ringside.errors import (
    AuditFailedError,
    RetryableError,
    SourceUnavailableError,
    VenueBlockedError,
)
from ringside.jobs.windows import Window
from ringside.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FetchFacts:
    """What one fetch brought; `rows` counts closed candles only."""

    batch_id: str
    symbol: str
    start: str
    end: str
    rows: int
    venue: str


@dataclass(frozen=True)
class BatchFacts:
    """What the audit says about one batch; `page` is the path of its page."""

    batch_id: str
    symbol: str
    rows: int
    refused_rows: int
    warnings: int
    is_refused: bool
    page: str


@dataclass(frozen=True)
class AuditFacts:
    """What the audit of a run says, batch by batch; `page` is None where nothing was audited."""

    as_of: str
    batches: tuple[BatchFacts, ...]
    page: str | None


@dataclass(frozen=True)
class SeriesFacts:
    """What publishing did to one batch of one series, in candles."""

    batch_id: str
    symbol: str
    published: int
    revised: int
    unchanged: int
    quarantined: int
    last_open_time: str | None


@dataclass(frozen=True)
class PublishFacts:
    """What publishing a run did, batch by batch."""

    as_of: str
    series: tuple[SeriesFacts, ...]


def fetch_window(settings: Settings, window: Window, *, as_of: datetime) -> FetchFacts:
    """Fetch one window and write it raw, without candles that were still forming at `as_of`.

    The same window at the same `as_of` is the same batch; fetching again replaces it.

    Raises:
        SourceUnavailableError: The source did not answer.
        CandleDataError: What it answered cannot be read as candles.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    start, end = datetime.fromisoformat(window.start), datetime.fromisoformat(window.end)
    _log.info(
        "fetching symbol=%s start=%s end=%s as_of=%s",
        window.symbol, window.start, window.end, as_of,
    )  # fmt: skip
    venue, answer = _ask_sources(settings, window.symbol, (start, end), as_of)
    candles = keep_closed(answer, as_of)
    batch_id = make_batch_id(window, as_of=as_of)
    asked = Asked(start, end, as_of, settings.venues_of(window.symbol))
    CandleStore(make_engine(settings)).write_batch(RawBatch(batch_id, venue, candles), asked)
    level = logging.INFO if len(candles) else logging.WARNING
    _log.log(
        level,
        "fetched rows=%s symbol=%s venue=%s batch=%s",
        len(candles),
        window.symbol,
        venue,
        batch_id,
    )
    return FetchFacts(batch_id, window.symbol, window.start, window.end, len(candles), venue)


def audit_batches(settings: Settings, batch_ids: Sequence[str], *, as_of: datetime) -> AuditFacts:
    """Audit fetched batches in one call, store what was found, and write a page for each.

    A batch without rows has nothing to audit and is left out of the facts.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    from ringside.adapters.audit_pages import write_audit, write_run_page
    from ringside.adapters.audit_suites import CANDLE_CHECKS
    from ringside.adapters.data_checks import audit_rows

    _log.info("auditing batches=%s as_of=%s", len(batch_ids), as_of)
    store = CandleStore(make_engine(settings))
    batches, read_at = store.read_batches(batch_ids)
    symbols = {batch.candles.symbol for batch in batches}
    audits = audit_rows(
        batches,
        as_of=as_of,
        newest={symbol: store.read_last_open_time(symbol, as_of=as_of) for symbol in symbols},
        histories={batch.batch_id: _read_history(store, batch) for batch in batches},
        venues={symbol: settings.venues_of(symbol) for symbol in symbols},
    )
    audits = ReleaseStore(make_engine(settings)).excuse_released(audits)
    store.write_audits(audits, as_of=as_of, audited_at=read_at)
    names = [check.name for check in CANDLE_CHECKS]
    facts = [
        _describe_audit(audit, write_audit(settings.audits_dir, audit, as_of=as_of, checks=names))
        for audit in audits
    ]
    run_page = None
    if audits:
        run_page = str(write_run_page(settings.audits_dir, audits, as_of=as_of))
    return AuditFacts(as_of.isoformat(), tuple(facts), run_page)


def _describe_audit(audit: BatchAudit, page: Path) -> BatchFacts:
    """Log one audit and turn it into the facts that tasks hand on."""
    _log.info(
        "audited symbol=%s rows=%s refused=%s warnings=%s page=%s",
        audit.symbol, audit.rows, audit.refused_rows, len(audit.warnings), page,
    )  # fmt: skip
    return BatchFacts(
        batch_id=audit.batch_id,
        symbol=audit.symbol,
        rows=audit.rows,
        refused_rows=audit.refused_rows,
        warnings=len(audit.warnings),
        is_refused=audit.is_refused,
        page=str(page),
    )


def publish_batches(
    settings: Settings, batch_ids: Sequence[str], *, as_of: datetime
) -> PublishFacts:
    """Publish what the audit let through and quarantine the rest, all batches or none.

    Raises:
        AuditFailedError: A batch was not audited since it was last fetched.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    _log.info("publishing batches=%s as_of=%s", len(batch_ids), as_of)
    store = CandleStore(make_engine(settings))
    published = store.publish(batch_ids)
    newest = {
        symbol: store.read_last_open_time(symbol, as_of=as_of)
        for symbol in sorted({batch.symbol for batch in published})
    }
    series = []
    for batch in published:
        last = newest[batch.symbol]
        facts = SeriesFacts(
            batch_id=batch.batch_id,
            symbol=batch.symbol,
            published=batch.published,
            revised=batch.revised,
            unchanged=batch.unchanged,
            quarantined=batch.quarantined,
            last_open_time=None if last is None else last.isoformat(),
        )
        series.append(facts)
        _log.info(
            "published symbol=%s published=%s revised=%s unchanged=%s quarantined=%s last=%s",
            facts.symbol, facts.published, facts.revised, facts.unchanged, facts.quarantined,
            facts.last_open_time,
        )  # fmt: skip
    return PublishFacts(as_of.isoformat(), tuple(series))


def require_clean(settings: Settings, batch_ids: Sequence[str]) -> None:
    """Fail loudly when the audit refused any row of these batches.

    Raises:
        AuditFailedError: Rows are in quarantine; the message names the first and the page.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    failures = CandleStore(make_engine(settings)).read_failures(batch_ids)
    if not failures:
        _log.info("clean batches=%s", len(batch_ids))
        return
    sentences = []
    for batch_id, (symbol, findings) in failures.items():
        # Whatever refused a whole batch says more than any of its rows.
        first = min(findings, key=lambda finding: finding.row_number is not None)
        where = f" at {first.open_time}" if first.open_time else ""
        page = settings.audits_dir / f"{batch_id}.html"
        sentences.append(f"{symbol}{where}: {first.reason} ({len(findings)} findings in {page})")
    raise AuditFailedError(
        "the audit refused candles, they wait in quarantine; "
        + "; ".join(sentences)
        + "; see docs/runbooks/audit-failed.md",
        batch_ids=list(failures),
    )


def make_batch_id(window: Window, *, as_of: datetime) -> str:
    """Name the batch of a window at `as_of`; it is also the name of its files."""
    start, end = (datetime.fromisoformat(text) for text in (window.start, window.end))
    symbol = "".join(c if c.isalnum() else "-" for c in window.symbol)
    known = as_of.astimezone(UTC)
    return f"{symbol}_{start:%Y%m%dT%H}_{end:%Y%m%dT%H}_at_{known:%Y%m%dT%H%M%S}"


def _ask_sources(
    settings: Settings, symbol: str, span: tuple[datetime, datetime], as_of: datetime
) -> tuple[str, Candles]:
    """Ask the authoritative venue, and where it is out of reach the fallbacks the settings name."""
    from ringside.adapters.sources import make_sources

    faults: list[SourceUnavailableError | VenueBlockedError] = []
    for source in make_sources(settings, symbol):
        try:
            return source.venue, source.fetch(symbol, *span, as_of)
        except (SourceUnavailableError, VenueBlockedError) as error:
            _log.warning("out of reach symbol=%s venue=%s: %s", symbol, source.venue, error)
            faults.append(error)
    # Another try helps as soon as one of them may answer it.
    raise next((fault for fault in faults if isinstance(fault, RetryableError)), faults[0])


def _read_history(store: CandleStore, batch: RawBatch) -> Candles:
    """Read the published month before a batch: what is usual, and the last published close."""
    first = to_datetime(batch.candles.open_time.min())
    return store.read_candles(batch.candles.symbol, as_of=first, count=HISTORY_HOURS)
