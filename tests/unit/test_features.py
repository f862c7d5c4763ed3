"""Features: blind to the future, the same for one row and a year, true to their definitions."""

from dataclasses import fields, replace

import numpy as np
import pytest

from builders import make_candles
from ringside.core.candles import Candles
from ringside.core.features import (
    FEATURE_NAMES,
    FEATURES,
    LOOKBACK,
    WARM_UP,
    compute_features,
    season_weights,
)
from ringside.core.targets import forward_log_return

COUNT = LOOKBACK + 400
ROW = LOOKBACK + 200


@pytest.fixture(scope="module")
def candles() -> Candles:
    """Random candles with an outage and a flat hour without volume."""
    made = make_candles(COUNT, seed=11)
    flat = {name: getattr(made, name).copy() for name in ("open", "high", "low", "volume")}
    for name in ("open", "high", "low"):
        flat[name][ROW - 50] = made.close[ROW - 50]
    flat["volume"][ROW - 50] = 0.0
    keep = np.ones(COUNT, dtype=bool)
    keep[ROW - 130 : ROW - 125] = False
    return replace(made, **flat).take(keep)


def change(candles: Candles, rows: np.ndarray) -> Candles:
    """Make every number of the rows another one."""
    numbers = [f.name for f in fields(candles) if f.name not in ("symbol", "open_time")]
    columns = {name: getattr(candles, name).copy() for name in numbers}
    for column in columns.values():
        column[rows] = column[rows] * np.linspace(2, 9, rows.sum()) + 1
    return replace(candles, **columns)


@pytest.mark.parametrize("name", FEATURE_NAMES)
def test_feature_is_blind_to_the_future(candles, name):
    as_of = candles.open_time[0] + ROW * np.timedelta64(1, "h")
    tampered = change(candles, candles.open_time > as_of)
    column = FEATURE_NAMES.index(name)
    original, changed = (compute_features(c).values[: ROW + 1, column] for c in (candles, tampered))
    np.testing.assert_array_equal(original, changed)


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_feature_looks_no_further_back_than_it_declares(candles, feature):
    as_of = candles.open_time[0] + ROW * np.timedelta64(1, "h")
    oldest = as_of - (feature.look_back - 1) * np.timedelta64(1, "h")
    tampered = change(candles, candles.open_time < oldest)
    column = FEATURE_NAMES.index(feature.name)
    assert feature.look_back <= LOOKBACK
    assert (
        compute_features(candles).values[ROW, column]
        == (compute_features(tampered).values[ROW, column])
    )


@pytest.mark.parametrize("back", [0, 1, 70, 124])
def test_one_row_from_the_look_back_equals_the_row_of_all_hours_to_the_last_bit(candles, back):
    end = ROW - back + 1
    whole = compute_features(candles)
    until = candles.take(candles.open_time < candles.open_time[0] + end * np.timedelta64(1, "h"))
    served = compute_features(until.take(slice(-LOOKBACK, None)), rows=1)

    np.testing.assert_array_equal(served.values[0], whole.values[end - 1])
    assert served.sigma[0] == whole.sigma[end - 1]
    assert (served.open_time[0], served.close[0]) == (
        whole.open_time[end - 1],
        whole.close[end - 1],
    )


def test_sigma_is_the_weighted_mean_of_three_averages():
    """Half-lives of 8 h, 48 h and 30 days, each cut at eight of its own and at 30 days."""
    candles = make_candles(LOOKBACK + 5, seed=2)
    squares = np.diff(np.log(candles.close)) ** 2
    variance = 0.0
    for share, half_life in ((0.5, 8), (0.3, 48), (0.2, 720)):
        total = weight_sum = 0.0
        for age in range(min(8 * half_life, 720)):
            weight = 2 ** (-age / half_life)
            total += weight * squares[-1 - age]
            weight_sum += weight
        variance += share * total / weight_sum
    table = compute_features(candles, rows=1)
    assert table.sigma[0] == pytest.approx(np.sqrt(variance), rel=1e-12)


def test_features_mean_what_they_are_called():
    candles = make_candles(LOOKBACK + 5, seed=2)
    table = compute_features(candles, rows=1)
    value = dict(zip(FEATURE_NAMES, table.values[0], strict=True))
    sigma = table.sigma[0]
    log_close = np.log(candles.close)
    returns = np.diff(log_close)
    ranges = np.log(candles.high / candles.low)
    usual_volume = candles.volume[-168:].mean()
    closed = candles.close_time[-1].item()

    expected = {
        "return_4h": (log_close[-1] - log_close[-5]) / (sigma * 2),
        "range_24h": ranges[-24:].mean() / sigma,
        "volume_4h": np.log1p(candles.volume[-4:].mean() / usual_volume),
        "season_1h": np.sqrt((returns[-24::-24][:30] ** 2).mean() / (returns[-720:] ** 2).mean()),
        "close_place": (candles.close[-1] - candles.low[-1]) / (candles.high[-1] - candles.low[-1]),
        "hour_of_day": closed.hour,
        "day_of_week": closed.weekday(),
    }
    assert {name: value[name] for name in expected} == pytest.approx(expected, rel=1e-9)


def test_season_looks_at_the_hours_of_day_that_come_next():
    lags = np.flatnonzero(season_weights(6))
    assert set((-lags) % 24) == {1, 2, 3, 4, 5, 6}
    assert season_weights(6).sum() == pytest.approx(1)


def test_hours_beside_a_gap_are_unusable_and_heal(candles):
    usable = compute_features(candles).is_usable
    gap = slice(ROW - 130, ROW - 125)
    assert not usable[gap].any()
    assert not usable[ROW - 125]
    assert usable[ROW - 115 :].all()


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


@pytest.mark.parametrize("horizon", [1, 6])
def test_target_is_the_log_return_that_follows(horizon):
    close = make_candles(40).close
    target = forward_log_return(close, horizon)
    expected = [np.log(close[i + horizon] / close[i]) for i in range(40 - horizon)]
    np.testing.assert_allclose(target[:-horizon], expected, rtol=1e-9, atol=1e-12)
    assert np.isnan(target[-horizon:]).all()


def test_horizon_must_lie_ahead():
    with pytest.raises(ValueError, match="at least 1"):
        forward_log_return(np.ones(3), 0)
