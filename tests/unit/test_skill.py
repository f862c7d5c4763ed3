"""The history of skill and the scores it stands on, against loops over the definition."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from model_builders import make_forecast
from ringside.core.calibration import find_hits
from ringside.core.known_values import KnownValues, find_ages
from ringside.core.scores import MaturedForecast, score_forecasts, to_hits
from ringside.core.skill import SKILL_DAYS, DayScores, compute_skill_history

DAY = date(2025, 3, 1)
NOW = datetime(2025, 6, 1, tzinfo=UTC)
SCORED = DayScores(
    symbol="BTC/USDT",
    horizon=1,
    contestant="xgboost",
    day=DAY,
    hours=24,
    live_hours=3,
    loss=5.0,
    abs_error=0.1,
    inside_50=12,
    inside_90=22,
    shared_p=20,
    own_p=4.0,
    base_p=5.0,
    shared_e=0,
    own_e=0.0,
    base_e=0.0,
)


def test_one_day_is_its_own_means():
    (one,) = compute_skill_history([SCORED], start=DAY)
    assert (one.hours, one.live_hours, one.day) == (24, 3, DAY)
    assert one.scaled_loss == 5 / 24
    assert one.abs_error == 0.1 / 24
    assert one.skill_persistence == pytest.approx(0.2)
    assert one.skill_persistence_ewma is None
    assert (one.inside_50_frac, one.inside_90_frac) == (0.5, 22 / 24)


def test_window_ends_with_its_day_and_passes_over_days_without_scores():
    rng = np.random.default_rng(3)
    offsets = sorted(rng.choice(90, 40, replace=False).tolist())
    rows = [
        replace(SCORED, day=DAY + timedelta(days=offset), loss=float(loss), hours=int(hours))
        for offset, loss, hours in zip(
            offsets, rng.random(40), rng.integers(1, 24, 40), strict=True
        )
    ]
    start = DAY + timedelta(days=offsets[20])
    found = compute_skill_history(rows, start=start)

    assert [one.day for one in found] == [row.day for row in rows[20:]]
    for one in found:
        oldest = one.day - timedelta(days=SKILL_DAYS)
        inside = [row for row in rows if oldest < row.day <= one.day]
        assert one.hours == sum(row.hours for row in inside)
        assert one.scaled_loss == pytest.approx(sum(row.loss for row in inside) / one.hours)


def test_contestants_do_not_mix():
    rows = [SCORED, replace(SCORED, horizon=6, loss=9.0)]
    assert [one.scaled_loss for one in compute_skill_history(rows, start=DAY)] == [5 / 24, 9 / 24]


def test_ranks_tell_the_same_hits_as_the_quantiles():
    rng = np.random.default_rng(1)
    quantiles = np.sort(rng.normal(0, 1, (400, 5)).round(1), axis=1)
    realised = rng.normal(0, 1, 400).round(1)
    matured = [
        MaturedForecast(i, make_forecast(anchor_close=1.0, quantiles=tuple(row)), float(close))
        for i, (row, close) in enumerate(zip(quantiles.tolist(), np.exp(realised), strict=True))
    ]
    scored = score_forecasts(matured, scored_at=NOW)
    outcome = np.array([one.realised_return for one in scored])
    ranks = np.array([one.quantiles_below for one in scored])

    np.testing.assert_array_equal(to_hits(ranks), find_hits(quantiles, outcome))
    assert set(ranks) == set(range(6))
    assert score_forecasts([], scored_at=NOW) == []


def test_ages_count_from_when_a_value_was_known():
    at = np.array(["2025-01-01T00", "2025-01-02T06", "2025-01-04T00"], "datetime64[s]")
    known = {
        "vix": KnownValues(at[1:2] - np.timedelta64(90, "m"), np.array([15.0])),
        "gold": KnownValues(at[:0], np.array([])),
    }
    assert find_ages(known, at) == [
        {"gold": None, "vix": None},
        {"gold": None, "vix": 1.5},
        {"gold": None, "vix": 43.5},
    ]
    assert find_ages({}, at[:1]) == [{}]
