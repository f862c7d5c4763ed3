"""Builders of test data: small, explicit, seeded."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ringside.core.candles import Candles, to_datetime64

START = datetime(2025, 1, 1, tzinfo=UTC)


def make_candles(
    count: int = 24,
    *,
    symbol: str = "BTC/USDT",
    start: datetime = START,
    returns: np.ndarray | None = None,
    first_price: float = 50_000.0,
    seed: int = 0,
) -> Candles:
    """Make `count` sound candles; without `returns` a random walk of 0.5 % an hour."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 0.005, count) if returns is None else np.asarray(returns, float)
    close = first_price * np.exp(np.cumsum(steps))
    open_ = np.concatenate([[first_price], close[:-1]])
    wick = np.abs(rng.normal(0, 0.001, (2, count)))
    return Candles(
        symbol=symbol,
        open_time=to_datetime64(start) + np.arange(count) * np.timedelta64(1, "h"),
        open=open_.round(2),
        high=(np.maximum(open_, close) * (1 + wick[0])).round(2),
        low=(np.minimum(open_, close) * (1 - wick[1])).round(2),
        close=close.round(2),
        volume=rng.uniform(10, 100, count).round(4),
    )


def make_predictable_returns(count: int, *, seed: int = 0) -> np.ndarray:
    """Returns with a planted pattern: the sign of one hour mostly repeats in the next."""
    rng = np.random.default_rng(seed)
    shocks = rng.normal(0, 0.004, count)
    returns = np.zeros(count)
    for i in range(1, count):
        returns[i] = 0.8 * returns[i - 1] + shocks[i]
    return returns


def write_candle_file(candles: Candles, folder: Path) -> Path:
    """Write candles as the source `file` expects them."""
    import pandas as pd

    frame = pd.DataFrame(
        {
            "open_time": pd.to_datetime(candles.open_time).tz_localize("UTC"),
            **{n: getattr(candles, n) for n in ("open", "high", "low", "close", "volume")},
        }
    )
    path = folder / f"{candles.symbol.replace('/', '').lower()}_1h.parquet"
    frame.to_parquet(path)
    return path
