"""Back-fill of years of one series, chunk by chunk; what is there already is not asked for.

Each chunk is fetched, audited and published in transactions of its own, so a kill costs one chunk:
the next try finds by itself what is still missing.
"""

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ringside.adapters.candle_store import CandleStore
from ringside.adapters.database import make_engine
from ringside.core.candles import floor_hour
from ringside.core.windows import Span, cut_span
from ringside.errors import SettingsError
from ringside.jobs.ingestion import audit_batches, fetch_window, publish_batches
from ringside.jobs.windows import CHUNK_HOURS, make_window, require_bounds, require_named_venues
from ringside.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BackfillFacts:
    """What a back-fill did; hours that were there already count as `skipped_hours`."""

    symbol: str
    start: str
    end: str
    batch_ids: tuple[str, ...]
    published: int
    revised: int
    quarantined: int
    skipped_hours: int


def backfill_candles(
    settings: Settings,
    symbol: str,
    *,
    as_of: datetime,
    start: datetime,
    end: datetime | None = None,
    chunk_hours: int = CHUNK_HOURS,
) -> BackfillFacts:
    """Load [start, end) of one series, newest chunk first, and log the progress of each.

    A chunk whose every hour has a candle, or was asked for in vain lately, is skipped: that is
    how a run that was killed goes on where it was, with the same final rows. `end` defaults to
    the hour of `as_of`; all times are aware, and `chunk_hours` is in hours.

    Raises:
        SettingsError: The symbol is none of the series, a time is naive, or the window is empty
            or ends in the future.
        SourceUnavailableError: The source did not answer; the chunks before are published.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    span = _require_window(settings, symbol, start=start, end=end, as_of=as_of)
    require_named_venues(settings, symbol)
    # Newest first: the history never has a hole that the hourly run would rush to fill.
    chunks = cut_span(span, chunk_hours=chunk_hours)[::-1]
    _log.info(
        "back-filling symbol=%s start=%s end=%s chunks=%s as_of=%s",
        symbol, span[0], span[1], len(chunks), as_of,
    )  # fmt: skip
    tally = _Tally()
    for number, chunk in enumerate(chunks, start=1):
        _load_chunk(settings, symbol, chunk, as_of=as_of, tally=tally)
        _log.info(
            "chunk %s/%s (%s%%) from %s: %s",
            number, len(chunks), 100 * number // len(chunks), chunk[0], tally,
        )  # fmt: skip
    facts = tally.to_facts(symbol, span)
    _log.info("back-filled %s", facts)
    return facts


@dataclass
class _Tally:
    """What a back-fill has done so far."""

    batch_ids: list[str] = field(default_factory=list)
    published: int = 0
    revised: int = 0
    quarantined: int = 0
    skipped_hours: int = 0

    def __str__(self) -> str:
        return (
            f"published={self.published} quarantined={self.quarantined} "
            f"skipped_hours={self.skipped_hours} so far"
        )

    def to_facts(self, symbol: str, span: Span) -> BackfillFacts:
        """Close the tally."""
        counts = {name: value for name, value in vars(self).items() if name != "batch_ids"}
        start, end = (instant.isoformat() for instant in span)
        return BackfillFacts(symbol, start, end, tuple(self.batch_ids), **counts)


def _load_chunk(
    settings: Settings, symbol: str, chunk: Span, *, as_of: datetime, tally: _Tally
) -> None:
    """Fetch, audit and publish one chunk in a transaction of its own, unless it is there."""
    store = CandleStore(make_engine(settings))
    if store.count_settled_hours(symbol, chunk, as_of=as_of) == _count_hours(chunk):
        tally.skipped_hours += _count_hours(chunk)
        return
    window = make_window(symbol, *chunk, "back-fill")
    batch_id = fetch_window(settings, window, as_of=as_of).batch_id
    audit_batches(settings, [batch_id], as_of=as_of)
    for series in publish_batches(settings, [batch_id], as_of=as_of).series:
        tally.published += series.published
        tally.revised += series.revised
        tally.quarantined += series.quarantined
    tally.batch_ids.append(batch_id)


def _require_window(
    settings: Settings,
    symbol: str,
    *,
    start: datetime,
    end: datetime | None,
    as_of: datetime,
) -> Span:
    """Check what was asked for before anything is written."""
    if symbol not in settings.series:
        known = ", ".join(settings.series)
        raise SettingsError(f"{symbol!r} is none of the series of the settings: {known}")
    for name, instant in (("start", start), ("end", end), ("as_of", as_of)):
        if instant is not None and instant.tzinfo is None:
            raise SettingsError(f"{name} {instant.isoformat()} has no time zone")
    if end is not None and floor_hour(end.astimezone(UTC)) > floor_hour(as_of.astimezone(UTC)):
        raise SettingsError(
            f"the window ends in the future: {end.isoformat()} is after {as_of.isoformat()}"
        )
    return require_bounds(start, end, as_of=as_of)


def _count_hours(span: Span) -> int:
    return (span[1] - span[0]) // timedelta(hours=1)
