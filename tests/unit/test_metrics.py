"""Losses against slow loops over their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ringside.core.metrics import (
    compute_pinball_loss,
    compute_skill,
    compute_winkler_score,
    is_inside,
)
from ringside.core.quantiles import LEVELS, are_sound, compute_band, sort_quantiles, to_prices

returns = st.floats(-0.5, 0.5)
rows_of_quantiles = arrays.arrays(float, (7, 5), elements=returns)
rows_of_returns = arrays.arrays(float, 7, elements=returns)


@given(rows_of_returns, rows_of_quantiles)
def test_pinball_loss_is_the_loop_over_levels(realised, quantiles):
    expected = []
    for outcome, row in zip(realised, quantiles, strict=True):
        total = 0.0
        for level, quantile in zip(LEVELS, row, strict=True):
            miss = outcome - quantile
            total += level * miss if miss >= 0 else (level - 1) * miss
        expected.append(total / len(LEVELS))
    np.testing.assert_allclose(compute_pinball_loss(realised, quantiles), expected, atol=1e-15)


@given(rows_of_returns, rows_of_quantiles)
def test_sorting_quantiles_never_raises_the_loss(realised, quantiles):
    before = compute_pinball_loss(realised, quantiles)
    after = compute_pinball_loss(realised, sort_quantiles(quantiles))
    assert np.all(after <= before + 1e-12)


def test_true_quantiles_lose_least_of_all_shifts():
    sample = np.random.default_rng(0).normal(size=4000)
    best = np.quantile(sample, LEVELS)
    losses = [
        compute_pinball_loss(sample, np.tile(best + shift, (4000, 1))).mean()
        for shift in (-0.1, 0.0, 0.1)
    ]
    assert min(losses) == losses[1]


@given(rows_of_returns, st.floats(0, 0.2), st.floats(0, 0.2))
def test_winkler_score_is_the_loop_over_its_three_cases(realised, below, above):
    low, high = np.full(7, -below), np.full(7, above)
    expected = []
    for outcome in realised:
        score = above + below
        if outcome < -below:
            score += 2 / 0.1 * (-below - outcome)
        elif outcome > above:
            score += 2 / 0.1 * (outcome - above)
        expected.append(score)
    score = compute_winkler_score(realised, low, high, level=0.9)
    np.testing.assert_allclose(score, expected, rtol=1e-9)


def test_edges_belong_to_the_band():
    realised = np.array([-1.0, -0.5, 0.5, 1.0])
    inside = is_inside(realised, np.full(4, -0.5), np.full(4, 0.5))
    assert inside.tolist() == [False, True, True, False]


def test_skill_is_the_share_of_loss_saved():
    assert compute_skill(np.array([1.0, 2.0]), np.array([2.0, 2.0])) == pytest.approx(0.25)
    assert compute_skill(np.array([3.0]), np.array([2.0])) == pytest.approx(-0.5)


def test_skill_refuses_rows_that_do_not_pair():
    with pytest.raises(ValueError, match="do not pair"):
        compute_skill(np.ones(3), np.ones(2))
    with pytest.raises(ValueError, match="lost nothing"):
        compute_skill(np.ones(2), np.zeros(2))


def test_band_has_a_zero_median_and_never_crosses_it():
    rising = np.linspace(0.01, 0.02, 100)
    assert compute_band(rising)[:3].tolist() == [0.0, 0.0, 0.0]
    assert compute_band(-rising)[2:].tolist() == [0.0, 0.0, 0.0]
    shares = compute_band(np.linspace(-1, 1, 2001))
    np.testing.assert_allclose(shares, [-0.9, -0.5, 0.0, 0.5, 0.9])


def test_prices_are_the_anchor_times_e_to_the_return():
    assert to_prices(200.0, np.log([[0.5, 1.0, 2.0]])).round(9).tolist() == [[100.0, 200.0, 400.0]]


@pytest.mark.parametrize(
    ("row", "sound"),
    [([1, 1, 2, 3, 4], True), ([1, 2, 1, 3, 4], False), ([1, 2, 3, 4, np.nan], False)],
)
def test_sound_quantiles_are_finite_and_ascend(row, sound):
    assert are_sound(np.array([row], float)) is sound
