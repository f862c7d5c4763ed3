"""Features: blind to the future, the same for one row and a year, true to their definitions."""

from dataclasses import replace

import numpy as np
import pytest

from builders import make_candles
from feature_checks import (
    COUNT,
    INSTANTS,
    Auxiliary,
    is_blind,
    keeps_its_look_back,
    make_auxiliary,
    make_market,
)
from ringside.core.candles import HOUR, Candles
from ringside.core.features import (
    FEATURE_NAMES,
    FEATURES,
    Feature,
    compute_features,
    explain_unusable,
    find_look_back,
    find_names,
)
from ringside.core.hours import (
    LOOKBACK,
    MIN_SHARE,
    WARM_UP,
    Hours,
    ewma_weights,
    put_on_grid,
    season_weights,
)
from ringside.core.known_values import KnownValues
from ringside.core.targets import forward_log_return

every_feature = pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)


@pytest.fixture(scope="module")
def candles() -> Candles:
    return make_market()


@pytest.fixture(scope="module")
def auxiliary(candles) -> Auxiliary:
    return make_auxiliary(candles)


@every_feature
def test_feature_is_blind_to_the_future(feature, candles, auxiliary):
    assert is_blind(feature, candles, auxiliary)


@every_feature
def test_feature_needs_no_more_than_its_look_back(feature, candles, auxiliary):
    assert feature.look_back <= LOOKBACK
    assert keeps_its_look_back(feature, candles, auxiliary)


@every_feature
def test_feature_says_something_at_the_hours_of_these_tests(feature, candles, auxiliary):
    """Two columns of nothing but NaN would be equal as well."""
    values = compute_features(candles, auxiliary=auxiliary, names=[feature.name]).values[:, 0]
    assert np.isfinite(values[list(INSTANTS)]).all()
    assert len(np.unique(values[INSTANTS[0] :])) > 1


def _without_shift(hours: Hours) -> np.ndarray:
    """The hour to come instead of the one that closed."""
    return hours.last(np.append(hours.log_return[1:], np.nan))


def _joined_by_date(hours: Hours) -> np.ndarray:
    known = hours.auxiliary["ndx"]
    by_date = KnownValues(
        known.known_at.astype("datetime64[D]").astype("datetime64[s]"), known.value
    )
    return replace(hours, auxiliary={"ndx": by_date}).join("ndx").value


def _scaled_over_all_rows(hours: Hours) -> np.ndarray:
    column = hours.last(hours.log_return)
    return (column - np.nanmean(column)) / np.nanstd(column)


@pytest.mark.parametrize("compute", [_without_shift, _joined_by_date, _scaled_over_all_rows])
def test_sabotaged_feature_is_caught_looking_ahead(compute, candles, auxiliary):
    assert not is_blind(Feature("planted", LOOKBACK, compute), candles, auxiliary)


def test_registered_feature_whose_average_runs_an_hour_ahead_is_caught(
    candles, auxiliary, monkeypatch
):
    honest = Hours.weigh

    def ahead(hours: Hours, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return honest(hours, np.append(values[1:], np.nan), weights)

    monkeypatch.setattr(Hours, "weigh", ahead)
    leaky = [feature.name for feature in FEATURES if not is_blind(feature, candles, auxiliary)]
    assert {"return_1h", "volatility_24h", "range_1h", "season_1h", "downside_48h"} <= set(leaky)


def test_feature_that_looks_further_back_than_it_says_is_caught(candles, auxiliary):
    for feature in FEATURES:
        if feature.look_back == LOOKBACK:
            short = replace(feature, look_back=WARM_UP)
            assert not keeps_its_look_back(short, candles, auxiliary), feature.name


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
        "range_season_6h": np.mean(
            [ranges[-24 * day + step] for day in range(1, 31) for step in range(6)]
        )
        / ranges[-720:].mean(),
        "week_season_1h": ranges[-168::-168][:4].mean() / ranges[-720:].mean(),
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


def test_auxiliary_columns_come_with_their_series_only(candles, auxiliary):
    assert compute_features(candles, rows=1).names == FEATURE_NAMES
    only_vix = compute_features(candles, rows=1, auxiliary={"vix": auxiliary["vix"]}).names
    assert only_vix == find_names(["vix"])
    assert set(only_vix) - set(FEATURE_NAMES) == {
        "vix_level",
        "vix_change_24h",
        "vix_change_120h",
        "vix_age_h",
    }


def test_auxiliary_columns_mean_what_they_are_called(candles, auxiliary):
    table = compute_features(candles, rows=1, auxiliary=auxiliary)
    value = dict(zip(table.names, table.values[0], strict=True))
    as_of, known = candles.close_time[-1], auxiliary["vix"]

    def newest(at):
        return max(i for i in range(len(known.value)) if known.known_at[i] <= at)

    now, before = newest(as_of), newest(as_of - 24 * HOUR)
    assert value["vix_level"] == pytest.approx(np.log(known.value[now]))
    assert value["vix_change_24h"] == pytest.approx(np.log(known.value[now] / known.value[before]))
    assert value["vix_age_h"] == (as_of - known.known_at[now]) / np.timedelta64(1, "h")


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


def test_short_average_of_few_rows_is_that_of_all(candles):
    """More rows are asked for than there are candles: the past is padded, not wrapped."""
    few = candles.take(slice(0, 3))
    hours = put_on_grid(few, rows=3, auxiliary={})
    mean = hours.weigh(few.close, np.full(4, 0.25))
    np.testing.assert_allclose(mean, [few.close[0], few.close[:2].mean(), few.close.mean()])


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


@pytest.mark.parametrize("rows", [1, 40, 60])
def test_average_over_holes_is_that_of_a_loop(rows):
    rng = np.random.default_rng(6)
    made = make_candles(60)
    candles = made.take(np.sort(rng.choice(np.arange(1, 59), 40, replace=False)))
    hours = put_on_grid(candles, rows=rows, auxiliary={})
    weights = ewma_weights(3)
    expected = []
    for row in range(len(hours.close) - hours.rows, len(hours.close)):
        total = share = 0.0
        for lag, weight in enumerate(weights):
            if row >= lag and np.isfinite(hours.close[row - lag]):
                total += weight * hours.close[row - lag]
                share += weight
        expected.append(total / share if share >= MIN_SHARE else np.nan)
    np.testing.assert_allclose(hours.weigh(hours.close, weights), expected, rtol=1e-12)
