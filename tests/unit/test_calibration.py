"""Calibration: shifts that follow from the record alone and bring coverage to its level."""

import numpy as np
import pytest

from ringside.core.calibration import (
    FEEDBACK_ROWS,
    RATES,
    apply_shifts,
    find_hits,
    find_shifts,
    replay,
)
from ringside.core.candles import HOUR
from ringside.core.quantiles import LEVELS, MEDIAN, are_sound

COUNT = 4_000


def make_record(horizon=1, *, width=1.0, offset=0.0, count=COUNT, seed=3):
    """Normal outcomes over `horizon` hours, and a band that is `width` times as wide as is due."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 1, count + horizon)
    path = np.concatenate([[0.0], np.cumsum(steps)])
    sigma = rng.uniform(0.003, 0.009, count)
    realised = (path[horizon : count + horizon] - path[:count]) * sigma
    normal = np.array([-1.6449, -0.6745, 0.0, 0.6745, 1.6449])
    quantiles = np.outer(sigma * np.sqrt(horizon), width * normal + offset)
    closed = np.datetime64("2025-01-01T00", "s") + np.arange(count) * HOUR
    return {"sigma": sigma, "realised": realised, "closed": closed}, quantiles


def share_inside(quantiles, realised):
    return np.mean((quantiles[:, 0] <= realised) & (realised <= quantiles[:, 4]))


def find_error(quantiles, record):
    late = slice(-COUNT, None)
    return abs(share_inside(quantiles[late], record["realised"][late]) - 0.9)


@pytest.mark.parametrize(
    ("horizon", "width", "left"),
    [(1, 0.7, 0.5), (6, 0.7, 0.6), (24, 0.7, 0.8), (1, 1.5, 0.8), (6, 1.5, 0.9), (24, 1.5, 0.95)],
)
def test_wrong_band_comes_nearer_to_what_it_says(horizon, width, left):
    """The less so the longer the horizon, whose outcomes overlap, and where misses are rare."""
    record, quantiles = make_record(horizon, width=width)
    issued, _ = replay(quantiles, horizon=horizon, **record)
    assert find_error(issued, record) < left * find_error(quantiles, record)
    assert are_sound(issued)
    np.testing.assert_array_equal(issued[:, MEDIAN], quantiles[:, MEDIAN])


@pytest.mark.parametrize("horizon", [1, 6, 24])
def test_right_band_stays_right(horizon):
    record, quantiles = make_record(horizon)
    assert find_error(replay(quantiles, horizon=horizon, **record)[0], record) < 0.02


def test_band_beside_its_place_is_moved_back():
    record, quantiles = make_record(offset=0.4)
    issued, _ = replay(quantiles, horizon=1, **record)
    outer = [0, 1, 3, 4]
    before, after = (
        np.abs(find_hits(q, record["realised"]).mean(axis=0) - LEVELS)[outer]
        for q in (quantiles, issued)
    )
    assert (after < 0.7 * before).all()


@pytest.mark.parametrize("horizon", [1, 24])
def test_replay_issues_what_the_record_known_then_calls_for(horizon):
    """The slow way: at each hour, look up every forecast whose target had closed."""
    record, quantiles = make_record(horizon, width=0.8, count=200)
    record["realised"][50:60] = np.nan
    record["closed"][120:] += 5 * HOUR
    issued, moved = replay(quantiles, horizon=horizon, **record)
    for row in (0, 1, 49, 75, 121, 199):
        known = record["closed"] + horizon * HOUR <= record["closed"][row]
        known &= np.isfinite(record["realised"])
        hits = find_hits(issued[known], record["realised"][known])
        shifts = find_shifts(hits, horizon=horizon)
        one = slice(row, row + 1)
        expected = apply_shifts(
            quantiles[one], record["sigma"][one], horizon=horizon, shifts=shifts
        )
        np.testing.assert_array_equal(issued[one], expected)
        np.testing.assert_array_equal(moved[row], shifts)


def test_outcome_not_yet_known_changes_nothing_issued_before():
    record, quantiles = make_record(24, width=0.5, count=400)
    issued, _ = replay(quantiles, horizon=24, **record)
    record["realised"][200:] *= -50
    again, _ = replay(quantiles, horizon=24, **record)
    np.testing.assert_array_equal(issued[:224], again[:224])
    assert not np.array_equal(issued[224:], again[224:])


def test_shifts_are_zero_before_anything_matured_and_at_the_median_always():
    np.testing.assert_array_equal(find_shifts(np.zeros((0, 5), dtype=bool), horizon=6), np.zeros(5))
    shifts = find_shifts(np.zeros((100, 5), dtype=bool), horizon=6)
    assert shifts[MEDIAN] == 0
    np.testing.assert_allclose(
        shifts, 100 * np.array(LEVELS) * np.array(RATES) / np.sqrt(6), rtol=1e-12
    )


def test_only_the_newest_outcomes_count_whatever_their_order():
    hits = np.random.default_rng(1).random((FEEDBACK_ROWS + 500, 5)) < 0.4
    newest = hits[500:]
    shifts = find_shifts(newest, horizon=24)
    np.testing.assert_array_equal(shifts, find_shifts(hits, horizon=24))
    np.testing.assert_array_equal(shifts, find_shifts(newest[::-1], horizon=24))


def test_quantiles_never_cross_however_far_they_are_shifted():
    _, quantiles = make_record(count=50)
    shifts = np.array([5.0, 3.0, 0.0, -3.0, -5.0])
    moved = apply_shifts(quantiles, np.full(50, 0.004), horizon=24, shifts=shifts)
    assert are_sound(moved)


def test_outcome_on_the_quantile_is_held():
    assert find_hits(np.array([[-1.0, 0.0, 0.5, 1.0, 2.0]]), np.array([0.5])).tolist() == [
        [False, False, True, True, True]
    ]
