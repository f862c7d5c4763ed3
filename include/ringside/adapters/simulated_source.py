"""The source `simulated`: a seeded market of our own, labelled so wherever it shows."""

from datetime import datetime
from functools import lru_cache

from ringside.core.candles import Candles
from ringside.core.market_simulation import LAST_CLOSE, simulate_market

# Drawing a market takes a tenth of a second; a task asks for several windows of it.
_draw_market = lru_cache(maxsize=16)(simulate_market)


class SimulatedSource:
    """Candles of the simulated market of one seed; it trades any symbol."""

    venue = "simulated"

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def fetch(self, symbol: str, start: datetime, end: datetime, as_of: datetime) -> Candles:
        """Answer as a venue would at `as_of`; the forming candle comes last."""
        return _draw_market(self._seed, symbol).show(start, end, as_of)

    def last_known(self, symbol: str) -> datetime | None:
        """Give the end of the simulated span, the same for every symbol."""
        return LAST_CLOSE

    def describe(self) -> str:
        """Name the market by its seed."""
        return f"simulated market, seed {self._seed}"
