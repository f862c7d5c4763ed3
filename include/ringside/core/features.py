"""What a model sees at a closed candle, and sigma, the volatility that can be known then.

Every number is a fixed sum over a bounded number of past hours, done in the same order for a year
of rows and for the last row alone, so that training and serving agree to the last bit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import HOUR, Candles, Floats, Times

DAY = 24
WEEK = 7 * DAY
MONTH = 30 * DAY
LOOKBACK = MONTH + 1
"""Candles that one row may look at, its own included: 30 days of returns need one close more."""

MIN_SHARE = 0.2
"""Share of a window's weight that must be there. Missing hours hand theirs to those present."""

WARM_UP = WEEK + 1
"""Candles after which a row is usable: by then every window has its share."""

_ROWS_AT_ONCE = 512


def ewma_weights(half_life: int) -> Floats:
    """Compute weights that halve every `half_life` hours, cut off after eight of these.

    Returns:
        Weights, newest first, summing to one, shape (8 * half_life,), `MONTH` at most.
    """
    ages = np.arange(min(8 * half_life, MONTH))
    return _share_out(0.5 ** (ages / half_life))


def mean_weights(length: int) -> Floats:
    """Compute equal weights of the last `length` hours, shape (length,), summing to one."""
    return np.full(length, 1 / length)


def season_weights(ahead: int) -> Floats:
    """Compute weights of the hours of day that the next `ahead` hours cover, over past days.

    Returns:
        Weights, newest first, shape (MONTH,), summing to one; zero at other hours of day.
    """
    lag = np.arange(MONTH)
    steps = np.arange(1, ahead + 1)
    return _share_out(((lag[:, None] + steps) % DAY == 0).sum(axis=1).astype(np.float64))


def _share_out(weights: Floats) -> Floats:
    shares: Floats = weights / weights.sum()
    return shares


@dataclass(frozen=True)
class Hours:
    """Candles on a gap-free hourly grid, shape (n,); an hour without a candle holds NaN.

    Features are computed for the last `rows` hours only.
    """

    open_time: Times
    close: Floats
    high: Floats
    low: Floats
    volume: Floats
    rows: int

    @cached_property
    def log_return(self) -> Floats:
        """Log return of each hour (unitless), shape (n,); NaN beside a gap."""
        return np.diff(np.log(self.close), prepend=np.nan)

    @cached_property
    def log_range(self) -> Floats:
        """Log of high over low of each hour (unitless), shape (n,)."""
        wide: Floats = np.log(self.high / self.low)
        return wide

    def weigh(self, values: Floats, weights: Floats) -> Floats:
        """Average `values` over the past by `weights`, newest first; missing hours are left out.

        Returns:
            Shape (rows,); NaN where the hours present carry less than `MIN_SHARE` of the weight.
        """
        length = len(weights)
        here = np.isfinite(values)
        padding = np.zeros(length - 1)
        padded = np.concatenate([padding, np.where(here, values, 0.0)])
        present = np.concatenate([padding, here.astype(np.float64)])
        average = np.empty(self.rows)
        for start in range(0, self.rows, _ROWS_AT_ONCE):
            stop = min(start + _ROWS_AT_ONCE, self.rows)
            window = slice(len(values) - self.rows + start, len(values) - self.rows + stop)
            total = _sum_windows(padded, weights, window)
            share = _sum_windows(present, weights, window)
            enough = share >= MIN_SHARE
            average[start:stop] = np.where(enough, total / np.where(enough, share, 1.0), np.nan)
        return average

    def last(self, values: NDArray[np.generic]) -> Floats:
        """Take the computed rows of a column of shape (n,)."""
        rows: Floats = values[len(values) - self.rows :].astype(np.float64)
        return rows

    def variance(self, half_life: int) -> Floats:
        """Average squared returns exponentially, shape (rows,)."""
        return self.weigh(self.log_return**2, ewma_weights(half_life))

    @cached_property
    def sigma(self) -> Floats:
        """Predictable volatility of one hour (unitless), shape (rows,); NaN where unknown."""
        mixed = 0.5 * self.variance(8) + 0.3 * self.variance(48) + 0.2 * self.variance(MONTH)
        return np.where(mixed > 0, np.sqrt(mixed), np.nan)


def _sum_windows(padded: Floats, weights: Floats, window: slice) -> Floats:
    """Sum weighted windows ending at each row; each row is added up in the same order."""
    reach = padded[window.start : window.stop + len(weights) - 1]
    windows = np.lib.stride_tricks.sliding_window_view(reach, len(weights))
    total: Floats = (windows * weights[::-1]).sum(axis=1)
    return total


@dataclass(frozen=True)
class Feature:
    """One column: its name, the candles it looks at (its own included), and its function."""

    name: str
    look_back: int
    compute: Callable[[Hours], Floats]


def _past_return(length: int) -> Feature:
    def compute(hours: Hours) -> Floats:
        total = hours.weigh(hours.log_return, mean_weights(length)) * length
        scaled: Floats = total / (hours.sigma * np.sqrt(length))
        return scaled

    return Feature(f"return_{length}h", LOOKBACK, compute)


def _volatility(half_life: int) -> Feature:
    def compute(hours: Hours) -> Floats:
        return np.sqrt(hours.variance(half_life)) / hours.sigma

    return Feature(f"volatility_{half_life}h", LOOKBACK, compute)


def _range(length: int) -> Feature:
    return Feature(
        f"range_{length}h",
        LOOKBACK,
        lambda hours: hours.weigh(hours.log_range, mean_weights(length)) / hours.sigma,
    )


def _volume(length: int) -> Feature:
    def compute(hours: Hours) -> Floats:
        usual = hours.weigh(hours.volume, mean_weights(WEEK))
        recent = hours.weigh(hours.volume, mean_weights(length))
        return np.log1p(np.divide(recent, usual, out=np.zeros_like(usual), where=usual > 0))

    return Feature(f"volume_{length}h", WEEK, compute)


def _season(ahead: int) -> Feature:
    def compute(hours: Hours) -> Floats:
        usual = hours.weigh(hours.log_return**2, season_weights(ahead))
        return np.sqrt(usual / hours.weigh(hours.log_return**2, mean_weights(MONTH)))

    return Feature(f"season_{ahead}h", LOOKBACK, compute)


def _downside(half_life: int) -> Feature:
    def compute(hours: Hours) -> Floats:
        falls = hours.weigh(np.minimum(hours.log_return, 0.0) ** 2, ewma_weights(half_life))
        return falls / hours.variance(half_life)

    return Feature(f"downside_{half_life}h", 8 * half_life + 1, compute)


def _close_place(hours: Hours) -> Floats:
    wide = hours.high - hours.low
    place = np.divide(hours.close - hours.low, wide, out=np.full_like(wide, 0.5), where=wide > 0)
    return hours.last(np.where(np.isnan(wide), np.nan, place))


def _hour_of_day(hours: Hours) -> Floats:
    return hours.last((hours.open_time + HOUR).astype("datetime64[h]").astype(np.int64) % DAY)


def _day_of_week(hours: Hours) -> Floats:
    # 1970-01-01 was a Thursday; Monday is 0
    return hours.last(((hours.open_time + HOUR).astype("datetime64[D]").astype(np.int64) + 3) % 7)


FEATURES: tuple[Feature, ...] = (
    *(_past_return(length) for length in (1, 4, DAY)),
    *(_volatility(span) for span in (4, DAY, WEEK, MONTH)),
    *(_range(length) for length in (1, 4, DAY)),
    *(_volume(length) for length in (1, 4, DAY)),
    *(_season(ahead) for ahead in (1, 6)),
    _downside(2 * DAY),
    Feature("close_place", 1, _close_place),
    Feature("hour_of_day", 1, _hour_of_day),
    Feature("day_of_week", 1, _day_of_week),
)

FEATURE_NAMES = tuple(feature.name for feature in FEATURES)


@dataclass(frozen=True)
class FeatureTable:
    """Features of consecutive hours, one row an hour, gap hours included.

    `values` (n, k) has the columns `names`; `sigma` (n,) is the volatility of one hour as a log
    return; `close` (n,) the anchor; `open_time` (n,) the candle that has just closed.
    """

    names: tuple[str, ...]
    values: Floats
    sigma: Floats
    close: Floats
    open_time: Times

    def take(self, rows: NDArray[np.intp]) -> "FeatureTable":
        """Keep the named rows, in the order given."""
        return FeatureTable(
            names=self.names,
            values=self.values[rows],
            sigma=self.sigma[rows],
            close=self.close[rows],
            open_time=self.open_time[rows],
        )

    @property
    def is_usable(self) -> NDArray[np.bool_]:
        """Rows that can be fitted on and forecast from, shape (n,): nothing in them is NaN."""
        usable: NDArray[np.bool_] = np.isfinite(self.sigma) & np.isfinite(self.values).all(axis=1)
        return usable


def compute_features(candles: Candles, *, rows: int | None = None) -> FeatureTable:
    """Compute every feature at every hour from the first to the last candle.

    Args:
        candles: Closed candles, sorted and unique; hours may be missing.
        rows: Compute the last rows only, for serving; all of them when None. The result is
            the same to the last bit as long as `LOOKBACK` candles before the row are given.

    Raises:
        ValueError: There are no candles, or they are not sorted, unique and on the hour.
    """
    hours = _put_on_grid(candles, rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = [feature.compute(hours) for feature in FEATURES]
        sigma = hours.sigma
    return FeatureTable(
        names=FEATURE_NAMES,
        values=np.column_stack(columns),
        sigma=sigma,
        close=hours.last(hours.close),
        open_time=hours.open_time[len(hours.open_time) - hours.rows :],
    )


def _put_on_grid(candles: Candles, rows: int | None) -> Hours:
    if len(candles) == 0:
        raise ValueError(f"no candles of {candles.symbol} to compute features of")
    steps = (candles.open_time - candles.open_time[0]) / HOUR
    place = steps.astype(np.intp)
    if np.any(np.diff(steps) <= 0) or np.any(place != steps):
        raise ValueError(f"candles of {candles.symbol} are not sorted, unique and on the hour")
    size = int(place[-1]) + 1

    def spread(column: Floats) -> Floats:
        grid = np.full(size, np.nan)
        grid[place] = column
        return grid

    return Hours(
        open_time=candles.open_time[0] + np.arange(size) * HOUR,
        close=spread(candles.close),
        high=spread(candles.high),
        low=spread(candles.low),
        volume=spread(candles.volume),
        rows=size if rows is None else min(rows, size),
    )
