"""Features: blind to the future, the same for one row and a year, true to their definitions."""

from dataclasses import replace

import numpy as np
import pytest

from builders import make_candles
from feature_checks import (
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
    find_names,
)
from ringside.core.hours import (
    LOOKBACK,
    WARM_UP,
    Hours,
)
from ringside.core.known_values import KnownValues

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


def _place_without_shift(hours: Hours) -> np.ndarray:
    """Where the hour to come will close in its range: no matter how high prices are."""
    place = (hours.close - hours.low) / (hours.high - hours.low)
    return hours.last(np.append(place[1:], np.nan))


def _joined_by_date(hours: Hours) -> np.ndarray:
    known = hours.auxiliary["ndx"]
    by_date = KnownValues(
        known.known_at.astype("datetime64[D]").astype("datetime64[s]"), known.value
    )
    return replace(hours, auxiliary={"ndx": by_date}).join("ndx").value


def _scaled_over_all_rows(hours: Hours) -> np.ndarray:
    column = hours.last(hours.log_return)
    return (column - np.nanmean(column)) / np.nanstd(column)


@pytest.mark.parametrize(
    "compute", [_without_shift, _place_without_shift, _joined_by_date, _scaled_over_all_rows]
)
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
