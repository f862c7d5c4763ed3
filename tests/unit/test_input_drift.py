"""Drift of inputs: planted moves are found, and ranked by what they do to the loss."""

import numpy as np
import pytest

from ringside.core.input_drift import RECENT_DAYS, compute_drift, find_distance

SPAN = RECENT_DAYS * 24


def plant(*, moved=1.0, hours=SPAN * 5, seed=0):
    """Three inputs: one the loss depends on, one that only moves, one that does neither."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (hours, 3))
    values[-SPAN:, :2] += moved
    loss = np.exp(0.3 * values[:, 0]) + rng.normal(0, 0.05, hours) + 0.3
    return values, loss


def test_input_that_moves_the_loss_comes_first_and_is_unusual():
    values, loss = plant()
    first, *others = compute_drift(("matters", "moves", "idle"), values, loss)
    assert (first.name, first.is_unusual) == ("matters", True)
    assert {one.name: one.is_unusual for one in others}["idle"] is False
    moved = {one.name: one.distance for one in others}["moves"]
    assert moved == pytest.approx(first.distance, abs=0.05)
    assert all(abs(one.effect_frac) < 0.1 * first.effect_frac for one in others)
    grown = loss[-SPAN:].mean() / loss[:-SPAN].mean() - 1
    assert first.effect_frac == pytest.approx(grown, rel=0.15)


def test_nothing_moves_nothing_is_unusual():
    names = tuple("abc")
    found = [compute_drift(names, *plant(moved=0.0, seed=seed))[0] for seed in range(10)]
    assert sum(one.is_unusual for one in found) <= 6  # the largest of three against four spans
    assert max(abs(one.effect_frac) for one in found) < 0.04


def test_missing_values_are_a_class_of_their_own():
    values, loss = plant(moved=0.0)
    values[-SPAN:, 2] = np.nan
    values[::50, 2] = np.nan
    found = {one.name: one for one in compute_drift(("a", "b", "c"), values, loss)}
    assert found["c"].distance > 0.9
    assert np.isfinite(found["c"].effect_frac)
    values[:, 2] = np.nan
    assert {one.name: one for one in compute_drift(("a", "b", "c"), values, loss)}[
        "c"
    ].effect_frac == pytest.approx(0)
    values[:-SPAN, 2] = np.nan
    values[-SPAN:, 2] = 1.0
    assert np.isfinite(compute_drift(("a", "b", "c"), values, loss)[0].effect_frac)


def test_short_record_names_no_drift_and_hardly_any_past_no_usual_size():
    values, loss = plant(hours=SPAN + 100)
    assert compute_drift(("a", "b", "c"), values, loss) == []
    values, loss = plant(hours=SPAN * 2)
    assert compute_drift(("a", "b", "c"), values, loss)[0].usual_frac is None


def test_distance_agrees_with_a_loop():
    rng = np.random.default_rng(3)
    past, recent = rng.normal(0, 1, 80), rng.normal(0.5, 1, 60)
    slow = max(abs((past <= x).mean() - (recent <= x).mean()) for x in [*past, *recent])
    assert find_distance(past, recent) == pytest.approx(slow)
