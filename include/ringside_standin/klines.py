"""Candles in the form Binance gives them, and which of them one request gets."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from ringside.core.candles import Candles

STEPS_MS = {
    "1m": 60_000,
    "5m": 300_000,
    "1h": 3_600_000,
    "1d": 86_400_000,
}
"""Intervals that can be asked for, with the length of a candle in ms."""

MAX_ROWS = 1_000
DEFAULT_ROWS = 500
# What no candle file holds: plausible figures, so that every field has its real form.
_TRADES_PER_UNIT = 40
_TAKER_SHARE = 0.5


class Kline(NamedTuple):
    """One row as Binance sends it: times in ms since 1970, prices and volumes as text."""

    open_time: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    close_time: int
    quote_volume: str
    trades: int
    taker_base: str
    taker_quote: str
    unused: str = "0"


class Book:
    """All klines of one symbol and interval, also those that lie ahead of the venue's clock."""

    def __init__(self, klines: Iterable[Kline], step_ms: int) -> None:
        self._klines = sorted(klines, key=lambda kline: kline.open_time)
        self._opens = [kline.open_time for kline in self._klines]
        self._step_ms = step_ms

    def page(self, *, start: int | None, end: int | None, limit: int, now_ms: int) -> list[Kline]:
        """Give the rows of one request, oldest first; the one forming at `now_ms` comes last.

        Args:
            start: First open time, included; None asks for the newest rows.
            end: Last open time, included; None asks for all there are.
            limit: Rows at most, counted from `start` where it is given, else from the end.
            now_ms: The venue's time.
        """
        first = 0 if start is None else bisect_left(self._opens, start)
        last = bisect_right(self._opens, now_ms if end is None else min(end, now_ms))
        first, last = (
            (max(first, last - limit), last) if start is None else (first, min(last, first + limit))
        )
        rows = self._klines[first:last]
        if rows and rows[-1].open_time + self._step_ms > now_ms:
            passed = (now_ms - rows[-1].open_time) / self._step_ms
            rows[-1] = draw_forming(rows[-1], passed)
        return rows


def make_book(candles: Candles, *, shift: timedelta = timedelta(0)) -> Book:
    """Make the hourly book of one symbol from candles, moved in time by `shift`."""
    step_ms = STEPS_MS["1h"]
    moved_ms = shift // timedelta(milliseconds=1)
    opens = (candles.open_time.astype("datetime64[ms]").astype("int64") + moved_ms).tolist()
    prices = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    rows = zip(opens, *(column.tolist() for column in prices), strict=True)
    return Book((_make_kline(opened, *values) for opened, *values in rows), step_ms)


def _make_kline(opened: int, *values: float) -> Kline:
    """Make a row from open, high, low, close and volume."""
    open_, high, low, close, volume = values
    quote = volume * (open_ + high + low + close) / 4
    return Kline(
        open_time=opened,
        open=f"{open_:.8f}",
        high=f"{high:.8f}",
        low=f"{low:.8f}",
        close=f"{close:.8f}",
        volume=f"{volume:.8f}",
        close_time=opened + STEPS_MS["1h"] - 1,
        quote_volume=f"{quote:.8f}",
        trades=int(volume * _TRADES_PER_UNIT),
        taker_base=f"{volume * _TAKER_SHARE:.8f}",
        taker_quote=f"{quote * _TAKER_SHARE:.8f}",
    )


def draw_forming(kline: Kline, passed: float) -> Kline:
    """Show a kline as it stood when the share `passed` (0 to 1) of its time was over.

    The path in between is not known: it is drawn straight to the close, with the extremes growing.
    """
    open_, high, low, close = (float(text) for text in kline[1:5])
    now = round(open_ + (close - open_) * passed, 2)
    top = max(round(open_ + (high - open_) * passed, 2), open_, now)
    bottom = min(round(open_ + (low - open_) * passed, 2), open_, now)
    return kline._replace(
        high=f"{top:.8f}",
        low=f"{bottom:.8f}",
        close=f"{now:.8f}",
        volume=_part(kline.volume, passed),
        quote_volume=_part(kline.quote_volume, passed),
        trades=int(kline.trades * passed),
        taker_base=_part(kline.taker_base, passed),
        taker_quote=_part(kline.taker_quote, passed),
    )


def _part(amount: str, passed: float) -> str:
    return f"{round(float(amount) * passed, 5):.8f}"


def spoil_rows(rows: Sequence[Kline], manner: str) -> list[Kline]:
    """Send the rows wrong: `duplicate` repeats every tenth, `unsorted` turns the order round."""
    if manner == "unsorted":
        return list(reversed(rows))
    return [row for number, row in enumerate(rows) for _ in range(2 if number % 10 == 0 else 1)]
