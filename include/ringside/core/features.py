"""What a model sees at a closed candle: the registry of features and the table made of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from ringside.core.averages import (
    DAY,
    MONTH,
    WEEK,
    ewma_weights,
    mean_weights,
    season_weights,
)
from ringside.core.candles import HOUR, Candles, Floats, Times
from ringside.core.hours import LOOKBACK as LOOKBACK  # offered here too: a table's own limits
from ringside.core.hours import WARM_UP as WARM_UP
from ringside.core.hours import Hours, find_sound, put_on_grid
from ringside.core.known_values import AUXILIARY, KnownValues
from ringside.core.logarithms import compute_log

CHANGES = (DAY, 5 * DAY)
"""Hours over which the change of an auxiliary series is taken: a session, and a week of them."""


@dataclass(frozen=True)
class Feature:
    """One column: its name, the hours it looks at (its own included), and its function.

    `series` names the auxiliary series it is made of; empty for one made of candles. Only the
    former may be NaN in a usable row.
    """

    name: str
    look_back: int
    compute: Callable[[Hours], Floats]
    series: str = ""


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
        usual = hours.week_volume
        recent = hours.weigh(hours.volume, mean_weights(length))
        return compute_log(1 + np.divide(recent, usual, out=np.zeros_like(usual), where=usual > 0))

    return Feature(f"volume_{length}h", WEEK, compute)


def _season(ahead: int) -> Feature:
    def compute(hours: Hours) -> Floats:
        usual = hours.weigh(hours.squared_return, season_weights(ahead))
        return np.sqrt(usual / hours.month_square)

    return Feature(f"season_{ahead}h", LOOKBACK, compute)


def _range_season(ahead: int, period: int, name: str) -> Feature:
    def compute(hours: Hours) -> Floats:
        usual = hours.weigh(hours.log_range, season_weights(ahead, period=period))
        wide: Floats = usual / hours.month_range
        return wide

    return Feature(f"{name}_{ahead}h", MONTH, compute)


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
    of_day: Floats = (hours.closed.astype("datetime64[h]").astype(np.int64) % DAY).astype(
        np.float64
    )
    return of_day


def _day_of_week(hours: Hours) -> Floats:
    # 1970-01-01 was a Thursday; Monday is 0
    days = (hours.closed.astype("datetime64[D]").astype(np.int64) + 3) % 7
    of_week: Floats = days.astype(np.float64)
    return of_week


def _level(series: str) -> Feature:
    def compute(hours: Hours) -> Floats:
        return compute_log(hours.join(series).value)

    return Feature(f"{series}_level", AUXILIARY[series].max_age_hours, compute, series)


def _change(series: str, length: int) -> Feature:
    def compute(hours: Hours) -> Floats:
        before = hours.join(series, hours_ago=length).value
        return compute_log(hours.join(series).value / before)

    reach = length + AUXILIARY[series].max_age_hours
    return Feature(f"{series}_change_{length}h", reach, compute, series)


def _age(series: str) -> Feature:
    reach = AUXILIARY[series].max_age_hours
    return Feature(f"{series}_age_h", reach, lambda hours: hours.join(series).age_hours, series)


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
    *(_range_season(ahead, DAY, "range_season") for ahead in (1, 6)),
    *(_range_season(ahead, WEEK, "week_season") for ahead in (1, 6, DAY)),
    _level("vix"),
    *(_change(series, length) for series in AUXILIARY for length in CHANGES),
    *(_age(series) for series in AUXILIARY),
)
"""Every feature there is, in the order of the columns."""

_BY_NAME = {feature.name: feature for feature in FEATURES}

FEATURE_NAMES = tuple(feature.name for feature in FEATURES if not feature.series)
"""The columns made of candles alone: those of a table without auxiliary series."""

_AUXILIARY_NAMES = frozenset(_BY_NAME) - frozenset(FEATURE_NAMES)


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

    @cached_property
    def is_usable(self) -> NDArray[np.bool_]:
        """Rows that can be fitted on and forecast from, shape (n,).

        Sigma, the close and what is made of candles must be finite; an auxiliary value may be NaN.
        """
        usable: NDArray[np.bool_] = (
            np.isfinite(self.sigma)
            & np.isfinite(self.close)
            & (np.isfinite(self.values) | _are_auxiliary(self.names)).all(axis=1)
        )
        return usable


@cache
def _are_auxiliary(names: tuple[str, ...]) -> NDArray[np.bool_]:
    """Tell which columns are made of auxiliary series, shape (k,)."""
    return np.array([name in _AUXILIARY_NAMES for name in names], dtype=np.bool_)


def find_names(auxiliary: Sequence[str] = ()) -> tuple[str, ...]:
    """Name the columns of a table that is given these auxiliary series, in order."""
    return tuple(f.name for f in FEATURES if not f.series or f.series in auxiliary)


def find_look_back(names: Sequence[str]) -> int:
    """Find the candles that one row with these columns needs, its own included.

    Sigma alone needs `LOOKBACK`. The values of auxiliary series are needed over the same hours.

    Raises:
        ValueError: A name is not that of a registered feature.
    """
    return max([LOOKBACK, *(feature.look_back for feature in _find_features(names))])


def compute_features(
    candles: Candles,
    *,
    rows: int | None = None,
    auxiliary: Mapping[str, KnownValues] | None = None,
    names: Sequence[str] | None = None,
) -> FeatureTable:
    """Compute features at every hour from the first to the last candle.

    Args:
        candles: Closed candles, sorted and unique; hours may be missing. A candle with a number
            that is not finite, or a price of zero or less, counts as missing.
        rows: Compute the last rows only, for serving; all of them when None. The result is the
            same to the last bit as long as `find_look_back` candles before the row are given, and
            the auxiliary values of the same hours.
        auxiliary: Values by series; each counts from when it was known. Missing and too old ones
            are NaN.
        names: Columns, in order; by default all that the given series allow.

    Raises:
        ValueError: There are no candles, they are not sorted, unique and on the hour, a name is
            unknown, or the series that a column needs was not given.
    """
    given = {} if auxiliary is None else auxiliary
    features = _find_features(find_names(tuple(given)) if names is None else names)
    absent = sorted({feature.series for feature in features if feature.series} - given.keys())
    if absent:
        raise ValueError(f"columns of {', '.join(absent)} are asked for, but no values were given")
    hours = put_on_grid(candles, rows=rows, auxiliary=given)
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = [feature.compute(hours) for feature in features]
        sigma = hours.sigma
    return FeatureTable(
        names=tuple(feature.name for feature in features),
        values=np.column_stack(columns),
        sigma=sigma,
        close=hours.last(hours.close),
        open_time=hours.closed - HOUR,
    )


def explain_unusable(candles: Candles) -> str:
    """Say why no forecast can be made from the last of these candles; empty where one can.

    Args:
        candles: What is known, sorted and unique, at most a look-back of it.
    """
    if len(candles) == 0:
        return f"{candles.symbol} has no closed candle"
    if compute_features(candles, rows=1).is_usable[0]:
        return ""
    window = candles.take(candles.open_time > candles.open_time[-1] - LOOKBACK * HOUR)
    is_sound = find_sound(window)
    sound = window.take(is_sound)
    if not is_sound[-1]:
        return "the last candle holds a number that is not finite, or a price of zero or less"
    hours = int((window.open_time[-1] - window.open_time[0]) / HOUR) + 1
    if hours < WARM_UP:
        return f"{len(sound)} candles are too little history: it takes {WARM_UP} in a row"
    if np.ptp(sound.close) == 0:
        return f"the price has not moved in {hours} hours, so there is no volatility to scale by"
    return (
        f"{hours - len(sound)} of the last {hours} hours have no sound candle: the gap is too near"
    )


def _find_features(names: Sequence[str]) -> list[Feature]:
    unknown = [name for name in names if name not in _BY_NAME]
    if unknown:
        raise ValueError(f"no such feature: {', '.join(unknown)}")
    return [_BY_NAME[name] for name in names]
