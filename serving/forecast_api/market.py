"""What forecasts need from PostgreSQL, read within a time limit."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlowError
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol, TypeVar

from sqlalchemy import Engine, text

from forecast_api.hour_inputs import NO_INPUTS, HourInputs, StoredInputs
from ringside.adapters.candle_store import CandleStore
from ringside.adapters.database import transaction
from ringside.adapters.market_clock import ClockSetting, MarketClock
from ringside.core.candles import Candles, to_datetime
from ringside.errors import StoreUnavailableError

Answer = TypeVar("Answer")
Origin = Literal["database", "memory", "disk"]

READ_TIMEOUT_S = 2.0

LABELS = {
    "exchange": "live market",
    "file": "recorded market: past prices, replayed as if live",
    "simulated": "simulated market: these are not real prices",
}


@dataclass(frozen=True)
class MarketWindow:
    """Market time, the kind of source, and a symbol's last candles closed by then.

    `inputs` are those of the hour at which the last of the candles closed.

    `origin` says where the candles come from: PostgreSQL, or, while it does not answer, this
    worker's memory or the copy on disk.
    """

    market_time: datetime
    source: str
    candles: Candles
    origin: Origin = "database"
    inputs: HourInputs = NO_INPUTS


class Market(Protocol):
    """Where views read the market from."""

    def read_window(self, symbol: str, *, real_time: datetime) -> MarketWindow | None:
        """Read the window that a forecast made at `real_time` starts from.

        Returns:
            None while nothing was ever ingested: the market clock is not set.

        Raises:
            StoreUnavailableError: PostgreSQL did not answer in time, and there is no copy.
        """


class TimedReads:
    """Reads that give up after a time limit. Make it after the fork: it owns threads.

    The driver's own timeouts do not cover a server that accepts and then stays silent, so each
    read runs in a thread of its own and the request stops waiting for it after the time limit.
    """

    def __init__(self, *, threads: int) -> None:
        self._readers = ThreadPoolExecutor(threads, thread_name_prefix="read")

    def run(self, read: Callable[[], Answer]) -> Answer:
        """Run `read` and wait for it.

        Raises:
            StoreUnavailableError: it took too long.
        """
        reading = self._readers.submit(read)
        try:
            return reading.result(timeout=READ_TIMEOUT_S)
        except TooSlowError as error:
            reading.cancel()
            raise StoreUnavailableError(
                f"PostgreSQL did not answer within {READ_TIMEOUT_S:g} s"
            ) from error


class StoredMarket:
    """The market as PostgreSQL holds it; keeps the contract of `Market`."""

    def __init__(
        self, engine: Engine, reads: TimedReads, inputs: StoredInputs, *, look_back: int
    ) -> None:
        self._engine = engine
        self._store = CandleStore(engine)
        self._clock = MarketClock(engine)
        self._setting: ClockSetting | None = None  # read until it is set; it never changes then
        self._reads = reads
        self._inputs = inputs
        self._look_back = look_back

    def read_window(self, symbol: str, *, real_time: datetime) -> MarketWindow | None:
        """See `Market`."""
        return self._reads.run(lambda: self._read_window(symbol, real_time))

    def read_clock(self) -> ClockSetting | None:
        """Read the market clock; None while it is not set.

        Raises:
            StoreUnavailableError: PostgreSQL did not answer in time.
        """
        return self._reads.run(self._read_setting)

    def require_answer(self) -> None:
        """Ask PostgreSQL for a sign of life.

        Raises:
            StoreUnavailableError: it did not answer in time.
        """
        self._reads.run(self._ask)

    def _read_setting(self) -> ClockSetting | None:
        setting = self._setting = self._setting or self._clock.read()
        return setting

    def _read_window(self, symbol: str, real_time: datetime) -> MarketWindow | None:
        setting = self._read_setting()
        if setting is None:
            return None
        market_time = real_time + timedelta(hours=setting.offset_hours)
        candles = self._store.read_candles(symbol, as_of=market_time, count=self._look_back)
        if len(candles) == 0:
            return MarketWindow(market_time, setting.source, candles)
        inputs = self._inputs.read(symbol, as_of=to_datetime(candles.close_time[-1]))
        return MarketWindow(market_time, setting.source, candles, inputs=inputs)

    def _ask(self) -> None:
        with transaction(self._engine) as connection:
            connection.execute(text("SELECT 1"))
