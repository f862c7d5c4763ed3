"""Back-fill of years of one series, chunk by chunk; what is there already is not asked for.

Each chunk is fetched and written raw by itself, some years of them are audited and published
together: an audit costs the same for one chunk as for all. A kill costs the chunks under way; the
next try finds by itself what is published and what is only fetched.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ringside.adapters.candle_store import CandleStore
from ringside.adapters.database import make_engine
from ringside.core.candles import floor_hour
from ringside.core.windows import Span, cut_span
from ringside.errors import SettingsError
from ringside.jobs.ingestion import (
    audit_batches,
    fetch_window,
    make_batch_id,
    publish_batches,
)
from ringside.jobs.windows import CHUNK_HOURS, make_window, require_bounds, require_named_venues
from ringside.settings import Settings

CHUNKS_TOGETHER = 4
"""Audited and published together: some nine years. Memory is bounded by it, not by the span."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BackfillFacts:
    """What a back-fill did; hours that were there already count as `skipped_hours`.

    `page` is the path of its last audit's page; None where nothing was audited.
    """

    symbol: str
    start: str
    end: str
    batch_ids: tuple[str, ...]
    published: int
    revised: int
    quarantined: int
    skipped_hours: int
    page: str | None


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
        SourceUnavailableError: The source did not answer; the chunks before are kept.
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
    load = _Load(settings, symbol, as_of, len(chunks))
    for first in range(0, len(chunks), CHUNKS_TOGETHER):
        load.fetch_chunks(chunks[first : first + CHUNKS_TOGETHER])
        load.publish_fetched()
    facts = load.to_facts(span)
    _log.info("back-filled %s", facts)
    return facts


@dataclass
class _Load:
    """One back-fill under way, and what it has done so far."""

    settings: Settings
    symbol: str
    as_of: datetime
    chunks: int
    chunks_done: int = 0
    fetched_ids: list[str] = field(default_factory=list)
    batch_ids: list[str] = field(default_factory=list)
    published: int = 0
    revised: int = 0
    quarantined: int = 0
    skipped_hours: int = 0
    page: str | None = None

    def fetch_chunks(self, chunks: Sequence[Span]) -> None:
        """Fetch chunks, newest first, and log the progress; one is written as the next arrives."""
        with ThreadPoolExecutor(max_workers=2) as pool:
            for chunk, batch_id in zip(chunks, pool.map(self._fetch_chunk, chunks), strict=True):
                self.chunks_done += 1
                if batch_id is None:
                    self.skipped_hours += _count_hours(chunk)
                else:
                    self.fetched_ids.append(batch_id)
                _log.info(
                    "chunk %s/%s (%s%%) from %s: %s",
                    self.chunks_done, self.chunks, 100 * self.chunks_done // self.chunks, chunk[0],
                    "there already" if batch_id is None else "fetched",
                )  # fmt: skip

    def _fetch_chunk(self, chunk: Span) -> str | None:
        """Fetch a chunk and give its batch; None when each of its hours is settled."""
        store = CandleStore(make_engine(self.settings))
        settled = store.count_settled_hours(self.symbol, chunk, as_of=self.as_of)
        if settled == _count_hours(chunk):
            return None
        window = make_window(self.symbol, *chunk, "back-fill")
        batch_id = make_batch_id(window, as_of=self.as_of)
        if store.holds_batch(batch_id):
            return batch_id
        return fetch_window(self.settings, window, as_of=self.as_of).batch_id

    def publish_fetched(self) -> None:
        """Audit what was fetched in one call and publish it in one transaction."""
        if not self.fetched_ids:
            return
        audit = audit_batches(self.settings, self.fetched_ids, as_of=self.as_of)
        self.page = audit.page or self.page
        published = publish_batches(self.settings, self.fetched_ids, as_of=self.as_of)
        for series in published.series:
            self.published += series.published
            self.revised += series.revised
            self.quarantined += series.quarantined
        self.batch_ids += self.fetched_ids
        self.fetched_ids = []
        _log.info(
            "chunks %s/%s are audited and published: published=%s revised=%s quarantined=%s"
            " skipped_hours=%s so far",
            self.chunks_done, self.chunks, self.published, self.revised, self.quarantined,
            self.skipped_hours,
        )  # fmt: skip

    def to_facts(self, span: Span) -> BackfillFacts:
        """Close the tally."""
        start, end = (instant.isoformat() for instant in span)
        return BackfillFacts(
            symbol=self.symbol,
            start=start,
            end=end,
            batch_ids=tuple(self.batch_ids),
            published=self.published,
            revised=self.revised,
            quarantined=self.quarantined,
            skipped_hours=self.skipped_hours,
            page=self.page,
        )


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
    span = require_bounds(start, end, as_of=as_of)
    if end is not None and floor_hour(end.astimezone(UTC)) > floor_hour(as_of.astimezone(UTC)):
        raise SettingsError(
            f"the window ends in the future: {end.isoformat()} is after {as_of.isoformat()}"
        )
    return span


def _count_hours(span: Span) -> int:
    return (span[1] - span[0]) // timedelta(hours=1)
