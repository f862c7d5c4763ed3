"""Candles from their source to the published table: find windows, fetch, audit, publish.

All facts are plain values (times as ISO 8601 text), so that they pass between tasks as JSON.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ringside.adapters.candle_store import CandleStore, RawBatch
from ringside.adapters.database import make_engine
from ringside.core.candles import floor_hour, keep_closed
from ringside.errors import AuditFailedError, SettingsError
from ringside.settings import Settings

GAP_DAYS = 30
HOUR = timedelta(hours=1)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Window:
    """Hours of one series to ask the source for: `open_time` in [start, end)."""

    symbol: str
    start: str
    end: str
    reason: str


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
    """What the audit of a run says, batch by batch."""

    as_of: str
    batches: tuple[BatchFacts, ...]


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


def find_windows(
    settings: Settings,
    *,
    as_of: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[Window]:
    """Find what each series has to be asked for; a series with nothing to ask for has no window.

    With `start` every series gets [start, end), cut to full hours and to what has closed at
    `as_of`. Without it, one window per series that always ends at the hour of `as_of`:

    - A series without candles at `as_of` starts `history_days` before it.
    - Any other starts at its last `revision_hours` published hours, so that late corrections are
      seen, or earlier, at the candle before the first missing hour of the last 30 days. A missing
      hour counts until the source has answered without it a day or more after it closed: what a
      venue never had is not asked for for ever.

    Raises:
        SettingsError: `end` without `start`, or not after it.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    _log.info("finding windows as_of=%s start=%s end=%s", as_of, start, end)
    if start is not None or end is not None:
        bounds = _require_bounds(start, end, as_of=as_of)
        windows = [_make_window(symbol, *bounds, "asked for") for symbol in settings.series]
    else:
        store = CandleStore(make_engine(settings))
        found = [_find_window(settings, store, symbol, as_of) for symbol in settings.series]
        windows = [window for window in found if window is not None]
    for window in windows:
        _log.info(
            "window symbol=%s start=%s end=%s reason=%s",
            window.symbol, window.start, window.end, window.reason,
        )  # fmt: skip
    return windows


def fetch_window(settings: Settings, window: Window, *, as_of: datetime) -> FetchFacts:
    """Fetch one window and write it raw, without candles that were still forming at `as_of`.

    The same window at the same `as_of` is the same batch; fetching again replaces it.

    Raises:
        SourceUnavailableError: The source did not answer.
        CandleDataError: What it answered cannot be read as candles.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    from ringside.adapters.sources import make_source

    source = make_source(settings)
    start, end = datetime.fromisoformat(window.start), datetime.fromisoformat(window.end)
    _log.info(
        "fetching symbol=%s start=%s end=%s venue=%s as_of=%s",
        window.symbol, window.start, window.end, source.venue, as_of,
    )  # fmt: skip
    candles = keep_closed(source.fetch(window.symbol, start, end, as_of), as_of)
    batch_id = make_batch_id(window, as_of=as_of)
    CandleStore(make_engine(settings)).write_batch(RawBatch(batch_id, source.venue, candles))
    level = logging.INFO if len(candles) else logging.WARNING
    _log.log(level, "fetched rows=%s symbol=%s batch=%s", len(candles), window.symbol, batch_id)
    return FetchFacts(batch_id, window.symbol, window.start, window.end, len(candles), source.venue)


def audit_batches(settings: Settings, batch_ids: Sequence[str], *, as_of: datetime) -> AuditFacts:
    """Audit fetched batches in one call, store what was found, and write a page for each.

    A batch without rows has nothing to audit and is left out of the facts.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    from ringside.adapters.audit_pages import write_audit
    from ringside.adapters.data_checks import CHECKS, audit_rows

    _log.info("auditing batches=%s as_of=%s", len(batch_ids), as_of)
    store = CandleStore(make_engine(settings))
    batches, read_at = store.read_batches(batch_ids)
    symbols = {batch.candles.symbol for batch in batches}
    newest = {symbol: store.read_last_open_time(symbol, as_of=as_of) for symbol in symbols}
    audits = audit_rows(batches, as_of=as_of, newest=newest)
    store.write_audits(audits, as_of=as_of, audited_at=read_at)
    facts = []
    names = [check.name for check in CHECKS]
    for audit in audits:
        page = write_audit(settings.audits_dir, audit, as_of=as_of, checks=names)
        facts.append(
            BatchFacts(
                batch_id=audit.batch_id,
                symbol=audit.symbol,
                rows=audit.rows,
                refused_rows=audit.refused_rows,
                warnings=len(audit.warnings),
                is_refused=audit.is_refused,
                page=str(page),
            )
        )
        _log.info(
            "audited symbol=%s rows=%s refused=%s warnings=%s page=%s",
            audit.symbol, audit.rows, audit.refused_rows, len(audit.warnings), page,
        )  # fmt: skip
    return AuditFacts(as_of.isoformat(), tuple(facts))


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
    series = []
    for batch in store.publish(batch_ids):
        last = store.read_last_open_time(batch.symbol, as_of=as_of)
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


def _find_window(
    settings: Settings, store: CandleStore, symbol: str, as_of: datetime
) -> Window | None:
    end = floor_hour(as_of.astimezone(UTC))
    last = store.read_last_open_time(symbol, as_of=as_of)
    if last is None:
        start = end - timedelta(days=settings.history_days)
        return _make_window(symbol, start, end, "first run")
    recent = last + HOUR - timedelta(hours=settings.revision_hours)
    missing = store.find_missing_hours(symbol, start=end - timedelta(days=GAP_DAYS), as_of=as_of)
    if missing and missing[0] < recent:
        # With the candle before the gap, the answer shows that the source spans the gap.
        before = store.read_last_open_time(symbol, as_of=missing[0]) or missing[0]
        return _make_window(symbol, before, end, f"{len(missing)} missing hours")
    return _make_window(symbol, recent, end, "new hours") if recent < end else None


def _require_bounds(
    start: datetime | None, end: datetime | None, *, as_of: datetime
) -> tuple[datetime, datetime]:
    """Cut the bounds that were asked for to full hours in UTC, none of them after `as_of`."""
    if start is None:
        raise SettingsError("an end without a start names no window; give both")
    first = floor_hour(start.astimezone(UTC))
    last = min(floor_hour((end or as_of).astimezone(UTC)), floor_hour(as_of.astimezone(UTC)))
    if first >= last:
        raise SettingsError(
            f"the window is empty: start {first.isoformat()} is not before {last.isoformat()},"
            " the end that was given or the last full hour",
        )
    return first, last


def _make_window(symbol: str, start: datetime, end: datetime, reason: str) -> Window:
    return Window(symbol, start.isoformat(), end.isoformat(), reason)
