"""What a candle is: columns of one symbol, the hourly grid, and when a candle is closed."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.datetime64]
Floats = NDArray[np.float64]

HOUR = np.timedelta64(1, "h")


@dataclass(frozen=True)
class Candles:
    """Hourly candles of one symbol as columns of equal length, shape (n,).

    `open_time` is `datetime64[s]` in UTC. Prices are in the quote currency, `volume` in the base
    currency; NaN stands for a value the source did not send. Order and uniqueness are not
    promised for rows as fetched; rows read from `candles` are sorted and unique.
    """

    symbol: str
    open_time: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.open_time)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp] | slice) -> "Candles":
        """Keep the named rows, in the order given."""
        columns = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "symbol"}
        return Candles(self.symbol, **columns)

    @property
    def close_time(self) -> Times:
        """The instant each candle closes, `datetime64[s]`, shape (n,)."""
        closes: Times = self.open_time + HOUR
        return closes


def keep_closed(candles: Candles, as_of: datetime) -> Candles:
    """Drop the candles that were still forming at `as_of`; one closing at `as_of` is closed."""
    return candles.take(candles.close_time <= to_datetime64(as_of))


def to_datetime64(instant: datetime) -> np.datetime64:
    """Turn an aware datetime into `datetime64[s]` in UTC.

    Raises:
        ValueError: `instant` is naive.
    """
    if instant.tzinfo is None:
        raise ValueError(f"a time zone is needed, got the naive datetime {instant.isoformat()}")
    return np.datetime64(instant.astimezone(UTC).replace(tzinfo=None), "s")


def to_datetime(instant: np.datetime64) -> datetime:
    """Turn a `datetime64` in UTC into an aware datetime."""
    moment: datetime = instant.astype("datetime64[s]").item()
    return moment.replace(tzinfo=UTC)


def floor_hour(instant: datetime) -> datetime:
    """Cut minutes and seconds off; the last candle closed at `instant` closed at this time."""
    return instant.replace(minute=0, second=0, microsecond=0)
