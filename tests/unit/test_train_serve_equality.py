"""What serving computes from a look-back of candles is what training saw, to the last bit."""

import numpy as np
import pytest

from feature_checks import Auxiliary, make_auxiliary, make_market
from ringside.core.candles import HOUR, Candles
from ringside.core.contestants import CONTESTANTS
from ringside.core.features import FeatureTable, compute_features, find_look_back
from ringside.core.hours import LOOKBACK
from ringside.core.known_values import KnownValues
from ringside.core.splits import make_sample

COUNT = LOOKBACK + 1500
HOURS = 500


def take_known(candles: Candles, auxiliary: Auxiliary, as_of, look_back) -> tuple:
    """Take the look-back that serving reads at an instant: candles and auxiliary values."""
    oldest = as_of - look_back * HOUR
    near = candles.take((candles.close_time <= as_of) & (candles.open_time >= oldest))
    known = {}
    for name, values in auxiliary.items():
        keep = (values.known_at <= as_of) & (values.known_at >= oldest)
        known[name] = KnownValues(values.known_at[keep], values.value[keep])
    return near, known


@pytest.fixture(scope="module")
def market() -> tuple[Candles, Auxiliary]:
    candles = make_market(COUNT)
    return candles, make_auxiliary(candles)


@pytest.fixture(scope="module")
def whole(market) -> FeatureTable:
    """The training path: all hours at once."""
    return compute_features(market[0], auxiliary=market[1])


@pytest.fixture(scope="module")
def hours(whole) -> np.ndarray:
    """500 random usable hours, none of them in the first look-back."""
    usable = np.flatnonzero(whole.is_usable)
    rng = np.random.default_rng(8)
    return rng.choice(usable[usable >= LOOKBACK], HOURS, replace=False)


@pytest.fixture(scope="module")
def served(market, whole, hours) -> FeatureTable:
    """The serving path: each hour alone, from its look-back."""
    look_back = find_look_back(whole.names)
    rows = []
    for hour in hours:
        near, known = take_known(*market, whole.open_time[hour] + HOUR, look_back)
        rows.append(compute_features(near, rows=1, auxiliary=known, names=whole.names))
    columns = ("values", "sigma", "close", "open_time")
    return FeatureTable(
        whole.names, **{name: np.concatenate([getattr(r, name) for r in rows]) for name in columns}
    )


def test_features_of_500_random_hours_are_equal(whole, hours, served):
    for name in ("values", "sigma", "close", "open_time"):
        np.testing.assert_array_equal(getattr(served, name), getattr(whole, name)[hours])


@pytest.mark.parametrize("horizon", [1, 24])
@pytest.mark.parametrize("name", CONTESTANTS)
def test_forecasts_of_500_random_hours_are_equal(whole, hours, served, name, horizon):
    as_of = whole.open_time[-1] + HOUR
    fitted = CONTESTANTS[name]()
    fitted.fit(make_sample(whole, horizon=horizon, as_of=as_of, train_days=90), seed=1)
    loaded = CONTESTANTS[name].load(fitted.save())
    trained = fitted.forecast(whole.values, whole.sigma)[hours]
    one_by_one = [
        loaded.forecast(served.values[i : i + 1], served.sigma[i : i + 1]) for i in range(HOURS)
    ]
    np.testing.assert_array_equal(np.concatenate(one_by_one), trained)


def test_fewer_columns_are_served_alike(market, whole, hours):
    names = ("vix_age_h", "return_4h", "gold_change_24h")
    columns = [whole.names.index(name) for name in names]
    for hour in hours[:20]:
        near, known = take_known(*market, whole.open_time[hour] + HOUR, find_look_back(names))
        row = compute_features(near, rows=1, auxiliary=known, names=names)
        assert row.names == names
        np.testing.assert_array_equal(row.values[0], whole.values[hour, columns])
