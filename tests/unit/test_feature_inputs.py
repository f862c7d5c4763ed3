"""Features of candles and values that are missing, old or impossible."""

from dataclasses import replace

import numpy as np
import pytest

from builders import make_candles
from feature_checks import COUNT, Auxiliary, make_auxiliary, make_market
from ringside.core.candles import HOUR, Candles
from ringside.core.features import compute_features, explain_unusable, find_look_back
from ringside.core.hours import LOOKBACK, WARM_UP
from ringside.core.known_values import KnownValues


@pytest.fixture(scope="module")
def candles() -> Candles:
    return make_market()


@pytest.fixture(scope="module")
def auxiliary(candles) -> Auxiliary:
    return make_auxiliary(candles)


def test_hours_beside_a_gap_are_unusable_and_heal(candles):
    usable = compute_features(candles).is_usable
    gap = slice(COUNT - 330, COUNT - 325)
    assert not usable[gap].any()
    assert not usable[COUNT - 325]
    assert usable[COUNT - 315 :].all()


def test_rows_are_usable_once_warm():
    usable = compute_features(make_candles(WARM_UP + 50)).is_usable
    assert usable[WARM_UP - 1 :].all()
    assert not usable[:120].any()


def test_market_that_never_moves_has_no_usable_row():
    made = make_candles(300)
    still = np.full(300, 100.0)
    flat = replace(made, open=still, high=still, low=still, close=still)
    assert not compute_features(flat).is_usable.any()


@pytest.mark.parametrize(
    "rows",
    [np.array([1, 0]), np.array([0, 0, 1])],
    ids=["unsorted", "repeated"],
)
def test_unsorted_or_repeated_candles_are_refused(rows):
    with pytest.raises(ValueError, match="not sorted, unique and on the hour"):
        compute_features(make_candles(3).take(rows))


def test_no_candles_are_refused():
    with pytest.raises(ValueError, match="no candles of BTC/USDT"):
        compute_features(make_candles(3).take(slice(0, 0)))


def test_old_auxiliary_value_is_nan_and_leaves_the_row_usable(candles, auxiliary):
    vix = auxiliary["vix"]
    keep = vix.known_at < candles.close_time[-1] - 111 * HOUR
    old = KnownValues(vix.known_at[keep], vix.value[keep])
    table = compute_features(candles, rows=1, auxiliary={"vix": old})
    assert np.isnan(table.values[0, [name.startswith("vix") for name in table.names]]).all()
    assert table.is_usable.all()


def test_unknown_column_and_absent_series_are_refused(candles):
    with pytest.raises(ValueError, match="no such feature: crystal_ball"):
        compute_features(candles, names=["crystal_ball"])
    with pytest.raises(ValueError, match="no such feature"):
        find_look_back(["crystal_ball"])
    with pytest.raises(ValueError, match="columns of gold, vix are asked for"):
        compute_features(candles, names=["vix_level", "gold_age_h", "return_1h"])


@pytest.mark.parametrize("column", ["high", "low", "close", "volume"])
@pytest.mark.parametrize("number", [np.nan, np.inf, -1.0])
def test_candle_with_an_impossible_number_counts_as_missing(column, number):
    made = make_candles(LOOKBACK)
    broken = getattr(made, column).copy()
    broken[-30] = number
    table = compute_features(replace(made, **{column: broken}))
    without = compute_features(made.take(np.arange(LOOKBACK) != LOOKBACK - 30))
    np.testing.assert_array_equal(table.values, without.values)
    assert not table.is_usable[-30]
    assert table.is_usable[-1]


def _break_last(candles: Candles) -> Candles:
    close = candles.close.copy()
    close[-1] = np.inf
    return replace(candles, close=close)


def _freeze(candles: Candles) -> Candles:
    still = np.full(len(candles), 100.0)
    return replace(candles, open=still, high=still, low=still, close=still)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda made: made, ""),
        (lambda made: made.take(slice(0, 0)), "BTC/USDT has no closed candle"),
        (lambda made: made.take(slice(-50, None)), "50 candles are too little history"),
        (_break_last, "the last candle holds a number that is not finite"),
        (_freeze, "the price has not moved in 721 hours"),
        (
            lambda made: made.take(np.arange(LOOKBACK) % (LOOKBACK - 1) % 700 < 2),
            "of the last 721 hours have no sound candle",
        ),
    ],
)
def test_reason_why_nothing_can_be_forecast_is_named(spoil, reason):
    found = explain_unusable(spoil(make_candles(LOOKBACK)))
    assert reason in found
    assert bool(found) == bool(reason)
