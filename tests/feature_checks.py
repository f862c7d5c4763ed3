"""The checker of features: what it takes to call one blind to the future, and true to its reach."""

from dataclasses import fields, replace

import numpy as np

from builders import make_candles
from ringside.core.candles import HOUR, Candles
from ringside.core.features import Feature
from ringside.core.hours import LOOKBACK, put_on_grid
from ringside.core.known_values import AUXILIARY, KnownValues, close_of_session

Auxiliary = dict[str, KnownValues]

COUNT = LOOKBACK + 400
INSTANTS = tuple(LOOKBACK + back for back in (203, 190, 76, 1))
"""Rows to look at: at 13, 0 and 22 o'clock UTC and another, so before and after sessions close."""


def make_market(count: int = COUNT, seed: int = 11) -> Candles:
    """Random candles with an outage and a flat hour without volume."""
    made = make_candles(count, seed=seed)
    quiet = count - 250
    flat = {name: getattr(made, name).copy() for name in ("open", "high", "low", "volume")}
    for name in ("open", "high", "low"):
        flat[name][quiet] = made.close[quiet]
    flat["volume"][quiet] = 0.0
    keep = np.ones(count, dtype=bool)
    keep[count - 330 : count - 325] = False
    return replace(made, **flat).take(keep)


def make_auxiliary(candles: Candles, seed: int = 5) -> Auxiliary:
    """Every auxiliary series over the span of the candles: weekdays, and gold with hours off."""
    rng = np.random.default_rng(seed)
    hours = np.arange(candles.open_time[0], candles.open_time[-1] + 48 * HOUR, HOUR)
    days = np.unique(hours.astype("datetime64[D]"))
    found = {}
    for name, series in AUXILIARY.items():
        if series.close is None:
            known_at = hours[hours.astype("datetime64[h]").astype(int) % 24 != 21] + HOUR
        else:
            sessions = [day.item() for day in days if np.is_busday(day)]
            closes = [close_of_session(day, series.close) for day in sessions]
            known_at = np.array([c.replace(tzinfo=None) for c in closes], dtype="datetime64[s]")
        value = 20 * np.exp(np.cumsum(rng.normal(0, 0.02, len(known_at))))
        found[name] = KnownValues(known_at.astype("datetime64[s]"), value)
    return found


def is_blind(feature: Feature, candles: Candles, auxiliary: Auxiliary) -> bool:
    """Tell whether no number of the feature changes when all that comes later does."""
    for row in INSTANTS:
        as_of = candles.open_time[0] + (row + 1) * HOUR
        later = _change_candles(candles, candles.close_time > as_of)
        other = {
            name: _change_values(known, known.known_at > as_of) for name, known in auxiliary.items()
        }
        before = _compute(feature, candles, auxiliary)[: row + 1]
        if not np.array_equal(before, _compute(feature, later, other)[: row + 1], equal_nan=True):
            return False
    return True


def keeps_its_look_back(feature: Feature, candles: Candles, auxiliary: Auxiliary) -> bool:
    """Tell whether its look-back alone gives the feature's number to the last bit."""
    for row in INSTANTS:
        as_of = candles.open_time[0] + (row + 1) * HOUR
        oldest = as_of - feature.look_back * HOUR
        near = candles.take((candles.open_time >= oldest) & (candles.close_time <= as_of))
        known = {
            name: KnownValues(values.known_at[keep], values.value[keep])
            for name, values in auxiliary.items()
            for keep in [(values.known_at >= oldest) & (values.known_at <= as_of)]
        }
        served = _compute(feature, near, known, rows=1)[-1]
        if not np.array_equal(served, _compute(feature, candles, auxiliary)[row], equal_nan=True):
            return False
    return True


def _compute(
    feature: Feature, candles: Candles, auxiliary: Auxiliary, rows: int | None = None
) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return feature.compute(put_on_grid(candles, rows=rows, auxiliary=auxiliary))


def _change_candles(candles: Candles, rows: np.ndarray) -> Candles:
    """Make every number of the rows another one, and every ratio of two of them."""
    rng = np.random.default_rng(12)
    numbers = [f.name for f in fields(candles) if f.name not in ("symbol", "open_time")]
    columns = {name: getattr(candles, name).copy() for name in numbers}
    for column in columns.values():
        column[rows] = column[rows] * rng.uniform(2, 9, rows.sum()) + 1
    return replace(candles, **columns)


def _change_values(known: KnownValues, rows: np.ndarray) -> KnownValues:
    value = known.value.copy()
    value[rows] *= np.linspace(2, 9, rows.sum())
    return KnownValues(known.known_at, value)
