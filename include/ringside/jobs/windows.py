"""What each series has to be asked for: new hours, gaps anywhere in its history, revisions."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ringside.adapters.candle_store import CandleStore
from ringside.adapters.database import make_engine
from ringside.adapters.venue_store import VenueStore
from ringside.core.candles import floor_hour
from ringside.core.windows import Span, cut_span, group_hours, join_spans, widen_spans
from ringside.errors import SettingsError
from ringside.settings import Settings

HOUR = timedelta(hours=1)
CHUNK_HOURS = 20_000  # of a gap or a back-fill, in one window: an audit costs the same for any
GAP_WINDOWS = 8
"""Gaps of a series asked for in one run; the others have their turn in the runs after it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Window:
    """Hours of one series to ask the source for: `open_time` in [start, end)."""

    symbol: str
    start: str
    end: str
    reason: str


def find_windows(
    settings: Settings,
    *,
    as_of: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[Window]:
    """Find what each series has to be asked for; a series with nothing to ask for has no window.

    With `start` every series gets [start, end), cut to full hours and to what has closed at
    `as_of`. Without it:

    - A series without candles at `as_of` starts `history_days` before it.
    - Any other asks for what is new, with its last `revision_hours` published hours, so that late
      corrections are seen, and in the first hour of a day with its last `revision_days`; and for
      each gap anywhere in its history, with an hour on both sides.
      An hour that the source has answered without is asked for ever more rarely. Hours that a
      fallback venue filled count as a gap until the authority has answered for them.

    Raises:
        SettingsError: `end` without `start`, or not after it; or a series holds candles of a venue
            that the settings do not name for it.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    _log.info("finding windows as_of=%s start=%s end=%s", as_of, start, end)
    is_asked_for = start is not None or end is not None
    bounds = require_bounds(start, end, as_of=as_of) if is_asked_for else None
    windows = []
    for symbol in settings.series:
        require_named_venues(settings, symbol)
        if bounds is not None:
            windows.append(make_window(symbol, *bounds, "asked for"))
        else:
            windows += _find_series_windows(settings, symbol, as_of)
    for window in windows:
        _log.info(
            "window symbol=%s start=%s end=%s reason=%s",
            window.symbol, window.start, window.end, window.reason,
        )  # fmt: skip
    return windows


def _find_series_windows(settings: Settings, symbol: str, as_of: datetime) -> list[Window]:
    store = CandleStore(make_engine(settings))
    end = floor_hour(as_of.astimezone(UTC))
    last = store.read_last_open_time(symbol, as_of=as_of)
    if last is None:
        start = end - timedelta(days=settings.history_days)
        return [make_window(symbol, start, end, "first run")]
    recent = last + HOUR - _find_look_back(settings, end)
    borrowed = VenueStore(make_engine(settings)).find_borrowed_hours(
        symbol, authority=settings.venues_of(symbol)[0], as_of=as_of
    )
    missing = sorted({*store.find_missing_hours(symbol, as_of=as_of), *borrowed})
    return plan_windows(symbol, missing, recent=(recent, end))


def plan_windows(
    symbol: str, missing: Sequence[datetime], *, recent: Span, reach: timedelta = HOUR
) -> list[Window]:
    """Plan what to ask for: the recent span, and missing hours with what is `reach` beside them."""
    recent_start, end = recent
    gaps = widen_spans(group_hours(missing), end=end, reach=reach)
    pieces = [piece for gap in gaps for piece in cut_span(gap, chunk_hours=CHUNK_HOURS)]
    spans = [*pieces[-GAP_WINDOWS:], *([recent] if recent_start < end else [])]
    if len(gaps) == len(pieces):
        spans = join_spans(spans)
    windows = []
    for start, stop in spans:
        lost = sum(start <= hour < stop for hour in missing)
        reason = f"{lost} missing hours" if lost else "new hours"
        windows.append(make_window(symbol, start, stop, reason))
    return windows


def _find_look_back(settings: Settings, end: datetime) -> timedelta:
    """Say how far back published hours are asked for again, in the run of the hour `end`."""
    look_back = timedelta(hours=settings.revision_hours)
    if end.hour == 0:
        return max(look_back, timedelta(days=settings.revision_days))
    return look_back


def require_named_venues(settings: Settings, symbol: str) -> None:
    """Refuse to go on with a series that holds candles of a venue the settings do not name.

    Raises:
        SettingsError: Another venue would be mixed in; the message says what to do.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    named = settings.venues_of(symbol)
    held = VenueStore(make_engine(settings)).read_venues(symbol)
    strangers = [venue for venue in held if venue not in named]
    if strangers:
        raise SettingsError(
            f"{symbol} holds candles of {', '.join(strangers)}, and the settings name only"
            f" {', '.join(named)}: two venues never mix by themselves. Name the other as a"
            f" fallback in RINGSIDE_SERIES_VENUES (`{symbol}={'>'.join([*named, *strangers])}`),"
            " or start anew with another state folder or `make clean`",
            symbol=symbol,
        )


def require_bounds(
    start: datetime | None, end: datetime | None, *, as_of: datetime
) -> tuple[datetime, datetime]:
    """Cut the bounds that were asked for to full hours in UTC, none of them after `as_of`.

    Raises:
        SettingsError: Something lacks its time zone, or no hour is left between the bounds.
    """
    if start is None:
        raise SettingsError("an end without a start names no window; give both")
    for name, instant in (("start", start), ("end", end), ("as_of", as_of)):
        if instant is not None and instant.tzinfo is None:
            raise SettingsError(f"{name} {instant.isoformat()} has no time zone")
    closed = floor_hour(as_of.astimezone(UTC))
    if floor_hour(start.astimezone(UTC)) >= closed:
        raise SettingsError(
            f"the window is in the future: nothing from {start.isoformat()} on has closed before"
            f" {closed.isoformat()}, the last full hour"
        )
    first = floor_hour(start.astimezone(UTC))
    last = min(floor_hour((end or as_of).astimezone(UTC)), closed)
    if first >= last:
        raise SettingsError(
            f"the window is empty: start {first.isoformat()} is not before its end,"
            f" {last.isoformat()}"
        )
    return first, last


def make_window(symbol: str, start: datetime, end: datetime, reason: str) -> Window:
    """Make a window with its times as text."""
    return Window(symbol, start.isoformat(), end.isoformat(), reason)
