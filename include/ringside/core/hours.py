"""Candles on a gap-free hourly grid, averages over their past, and sigma.

Every number is a fixed sum over a bounded number of past hours, done in the same order for a year
of rows and for the last row alone, on whatever processor, so that training and serving agree to the
last bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ringside.core.averages import MONTH, WEEK, Weights, ewma_weights, mean_weights
from ringside.core.candles import HOUR, Candles, Floats, Times
from ringside.core.known_values import AUXILIARY, JoinedValues, KnownValues, join_known
from ringside.core.logarithms import compute_log

LOOKBACK = MONTH + 1
"""Candles that one row may look at, its own included: 30 days of returns need one close more."""

MIN_SHARE = 0.2
"""Share of a window's weight that must be there. Missing hours hand theirs to those present."""

WARM_UP = WEEK + 1
"""Candles after which a row is usable: by then every window has its share."""


class _Column(NamedTuple):
    """A column as averages take it: missing hours as zeros, and which hours these are."""

    values: Floats
    filled: Floats
    is_there: NDArray[np.bool_]
    last_hole: int


@dataclass(frozen=True)
class Hours:
    """Candles on a gap-free hourly grid, shape (n,); an hour without a sound candle holds NaN.

    Features are computed for the last `rows` hours only. `auxiliary` holds the values of the
    series that were given, by name.
    """

    open_time: Times
    close: Floats
    high: Floats
    low: Floats
    volume: Floats
    rows: int
    auxiliary: Mapping[str, KnownValues]

    @cached_property
    def closed(self) -> Times:
        """When the candle of each computed row closes, shape (rows,): what is known by then."""
        closes: Times = self.open_time[len(self.open_time) - self.rows :] + HOUR
        return closes

    @cached_property
    def log_return(self) -> Floats:
        """Log return of each hour (unitless), shape (n,); NaN beside a gap."""
        return np.diff(compute_log(self.close), prepend=np.nan)

    @cached_property
    def squared_return(self) -> Floats:
        """Square of `log_return`, shape (n,)."""
        return self.log_return**2

    @cached_property
    def log_range(self) -> Floats:
        """Log of high over low of each hour (unitless), shape (n,)."""
        return compute_log(self.high / self.low)

    def weigh(self, values: Floats, weights: Weights) -> Floats:
        """Average `values` over the past by `weights`; missing hours are left out.

        Returns:
            Shape (rows,); NaN where the hours present carry less than `MIN_SHARE` of the weight.
        """
        column = self._prepare(values)
        average = weights.average(column.filled, self.rows)
        if column.last_hole <= len(values) - self.rows - weights.reach:
            return average  # no row of these misses an hour: every share is one
        share = 1.0 - self._find_missing_share(column.is_there, weights.shares)
        enough = share >= MIN_SHARE
        return np.where(enough, average / np.where(enough, share, 1.0), np.nan)

    def _prepare(self, values: Floats) -> _Column:
        """Find what is missing in a column, once for all the averages of it."""
        known = self._columns.get(id(values))
        if known is None:
            is_there = np.isfinite(values)
            holes = np.flatnonzero(~is_there)
            # every hour before the first is missing too
            last_hole = int(holes[-1]) if len(holes) else -1
            known = _Column(values, np.where(is_there, values, 0.0), is_there, last_hole)
            self._columns[id(values)] = known
        return known

    @cached_property
    def _columns(self) -> dict[int, _Column]:
        return {}

    def _find_missing_share(self, here: NDArray[np.bool_], shares: Floats) -> Floats:
        """Sum the weight that falls on missing hours and before the first, shape (rows,).

        Holes are few, so that adding them one by one costs less than a second sum over all hours.
        """
        first, length = len(here) - self.rows, len(shares)
        missing = np.zeros(self.rows)
        before = shares[::-1].cumsum()[::-1][first + 1 : first + 1 + self.rows]
        missing[: len(before)] = before
        for hole in np.flatnonzero(~here).tolist():
            start, stop = max(hole, first), min(hole + length, len(here))
            if start < stop:
                missing[start - first : stop - first] += shares[start - hole : stop - hole]
        return missing

    def last(self, values: NDArray[np.generic]) -> Floats:
        """Take the computed rows of a column of shape (n,)."""
        rows: Floats = values[len(values) - self.rows :].astype(np.float64)
        return rows

    def variance(self, half_life: int) -> Floats:
        """Average squared returns exponentially, shape (rows,)."""
        if half_life not in self._variances:
            found = self.weigh(self.squared_return, ewma_weights(half_life))
            self._variances[half_life] = found
        return self._variances[half_life]

    @cached_property
    def _variances(self) -> dict[int, Floats]:
        return {}

    @cached_property
    def month_square(self) -> Floats:
        """Mean squared return of the last month, shape (rows,)."""
        return self.weigh(self.squared_return, mean_weights(MONTH))

    @cached_property
    def month_range(self) -> Floats:
        """Mean log range of the last month, shape (rows,)."""
        return self.weigh(self.log_range, mean_weights(MONTH))

    @cached_property
    def week_volume(self) -> Floats:
        """Mean volume of the last week, shape (rows,)."""
        return self.weigh(self.volume, mean_weights(WEEK))

    @cached_property
    def sigma(self) -> Floats:
        """Predictable volatility of one hour (unitless), shape (rows,); NaN where unknown."""
        mixed = 0.5 * self.variance(8) + 0.3 * self.variance(48) + 0.2 * self.variance(MONTH)
        return np.where(mixed > 0, np.sqrt(mixed), np.nan)

    def join(self, series: str, *, hours_ago: int = 0) -> JoinedValues:
        """Find the value of an auxiliary series known at each row, or some hours before it.

        Returns:
            Shape (rows,); NaN where none was known or it was older than the series allows.
        """
        asked = series, hours_ago
        if asked not in self._joined:
            at = self.closed - hours_ago * HOUR
            max_age_hours = AUXILIARY[series].max_age_hours
            found = join_known(self.auxiliary[series], at, max_age_hours=max_age_hours)
            self._joined[asked] = found
        return self._joined[asked]

    @cached_property
    def _joined(self) -> dict[tuple[str, int], JoinedValues]:
        return {}


def put_on_grid(
    candles: Candles, *, rows: int | None, auxiliary: Mapping[str, KnownValues]
) -> Hours:
    """Lay candles on the grid; one with a number that is not finite, or no price, is missing.

    Raises:
        ValueError: There are no candles, or they are not sorted, unique and on the hour.
    """
    if len(candles) == 0:
        raise ValueError(f"no candles of {candles.symbol} to compute features of")
    steps = (candles.open_time - candles.open_time[0]) / HOUR
    place = steps.astype(np.intp)
    if np.any(np.diff(steps) <= 0) or np.any(place != steps):
        raise ValueError(f"candles of {candles.symbol} are not sorted, unique and on the hour")
    size = int(place[-1]) + 1
    is_sound = find_sound(candles)

    def spread(column: Floats) -> Floats:
        grid = np.full(size, np.nan)
        grid[place[is_sound]] = column[is_sound]
        return grid

    return Hours(
        open_time=candles.open_time[0] + np.arange(size) * HOUR,
        close=spread(candles.close),
        high=spread(candles.high),
        low=spread(candles.low),
        volume=spread(candles.volume),
        rows=size if rows is None else min(rows, size),
        auxiliary=auxiliary,
    )


def find_sound(candles: Candles) -> NDArray[np.bool_]:
    """Tell the candles that can be computed with: finite, prices above zero, volume not below."""
    columns = np.stack([candles.high, candles.low, candles.close, candles.volume])
    sound: NDArray[np.bool_] = (
        np.isfinite(columns).all(axis=0) & (columns[:3] > 0).all(axis=0) & (columns[3] >= 0)
    )
    return sound
