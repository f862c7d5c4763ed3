"""Sets the market clock on the first run and translates real time into market time."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from ringside.adapters.database import make_engine
from ringside.adapters.market_clock import MarketClock
from ringside.adapters.sources import CandleSource, make_source
from ringside.core.candles import floor_hour
from ringside.errors import HistoryTooShortError
from ringside.settings import Settings

KEPT_AHEAD = timedelta(days=30)
"""What is left to live through when the data ends: market time starts this long before the end."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClockFacts:
    """Where candles come from and what time it is there."""

    source: str
    source_detail: str
    offset_hours: int
    market_time: datetime

    def __str__(self) -> str:
        """Tell it in one line."""
        return f"{self.source_detail}, market time {self.market_time:%Y-%m-%d %H:%M} UTC"


def set_clock(settings: Settings, *, real_now: datetime) -> ClockFacts:
    """Set the market clock of the settings' source on first use; later only check it.

    With `file` and `simulated` market time starts `KEPT_AHEAD` before the first series ends and
    advances with real time; with `exchange` it is real time.

    Raises:
        SourceMismatchError: the stores were filled from another source, or from other data.
        SettingsError: the source does not know the first series.
        CandleDataError: its candles cannot be read.
        HistoryTooShortError: it holds no candle from before the clock would start.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    clock = MarketClock(make_engine(settings))
    source = make_source(settings)
    if clock.read() is None:
        offset_hours = _find_offset_hours(source, settings.series[0], real_now)
        clock.set_once(settings.source, source.describe(), offset_hours, set_at=real_now)
    setting = clock.require(settings.source, source.describe())
    market_time = setting.to_market(real_now)
    facts = ClockFacts(setting.source, setting.source_detail, setting.offset_hours, market_time)
    _log.info(
        "clock set source=%s offset_hours=%s market_time=%s",
        facts.source, facts.offset_hours, facts.market_time.isoformat(),
    )  # fmt: skip
    return facts


def read_market_time(settings: Settings, *, real_time: datetime) -> datetime:
    """Translate an aware real instant into market time.

    Raises:
        SourceMismatchError: the stores were filled from another source, or from other data.
        SettingsError: the clock is not set yet.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    setting = MarketClock(make_engine(settings)).require(
        settings.source, make_source(settings).describe()
    )
    return setting.to_market(real_time)


def _find_offset_hours(source: CandleSource, symbol: str, real_now: datetime) -> int:
    """Find the whole hours from real time to the market time of a first run."""
    end = source.last_known(symbol)
    if end is None:
        return 0
    start = floor_hour(end - KEPT_AHEAD)
    if not len(source.fetch(symbol, start - timedelta(days=7), start, start)):
        raise HistoryTooShortError(
            f"the candles of {symbol} end at {end:%Y-%m-%d %H:%M} UTC and there are none in the "
            f"week before {start:%Y-%m-%d %H:%M}, where market time would start, "
            f"{KEPT_AHEAD.days} days before the end; give a longer series",
            symbol=symbol,
        )
    return (start - floor_hour(real_now)) // timedelta(hours=1)
