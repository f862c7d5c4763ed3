"""Averages and logarithms: what a loop finds, and the same bits on every processor."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from builders import make_candles
from feature_checks import make_auxiliary, make_market
from ringside.core.averages import (
    DAY,
    MONTH,
    WEEK,
    Weights,
    ewma_weights,
    mean_weights,
    season_weights,
)
from ringside.core.features import compute_features
from ringside.core.hours import MIN_SHARE, put_on_grid
from ringside.core.logarithms import compute_log

EVERY = {
    "ewma 4": ewma_weights(4),
    "ewma 720": ewma_weights(MONTH),
    "mean 1": mean_weights(1),
    "mean 24": mean_weights(DAY),
    "mean 720": mean_weights(MONTH),
    "day 6": season_weights(6),
    "week 24": season_weights(DAY, period=WEEK),
}
every_weight = pytest.mark.parametrize("weights", EVERY.values(), ids=EVERY)

PROCESSORS = {
    "no wide registers": {
        "NPY_DISABLE_CPU_FEATURES": " ".join(
            name
            for name in np._core._multiarray_umath.__cpu_dispatch__
            if np._core._multiarray_umath.__cpu_features__[name]
        )
    },
    "old BLAS": {"OPENBLAS_CORETYPE": "Nehalem"},
    "new BLAS": {"OPENBLAS_CORETYPE": "Haswell"},
}


def add_one_by_one(weights: Weights, values: list[float]) -> float:
    """Add up the past of the last value with plain numbers, in the stated order: by doubling."""

    def add_run(depth: int, end: int) -> float:
        if depth < 0:
            return values[end]
        run = weights.runs[depth]

        def add_block(newest: int, count: int) -> float:
            if count == 1:
                return add_run(depth - 1, newest)
            half = count // 2
            older = add_block(newest - half * run.stride, half)
            return add_block(newest, half) + square(run.fade, half) * older

        total, taken, fade = None, 0, 1.0
        for bit in range(run.count.bit_length()):
            span = 1 << bit
            if run.count & span:
                block = add_block(end - taken * run.stride, span)
                total = block if total is None else total + fade * block
                taken, fade = taken + span, fade * square(run.fade, span)
        return total

    return add_run(len(weights.runs) - 1, len(values) - 1 - weights.skip)


def square(fade: float, span: int) -> float:
    """Raise to a power of two."""
    while span > 1:
        fade, span = fade * fade, span // 2
    return fade


@every_weight
def test_average_is_that_of_a_loop_to_the_last_bit(weights):
    values = np.random.default_rng(3).normal(size=2 * MONTH)
    total = add_one_by_one(weights, [1.0] * weights.reach)
    expected = [
        add_one_by_one(weights, values[: len(values) - back].tolist()) / total
        for back in range(19, -1, -1)
    ]
    assert weights.average(values, 20).tolist() == expected
    assert weights.average(values[-weights.reach :], 1).tolist() == expected[-1:]


@every_weight
def test_shares_sum_to_one_and_weigh_as_they_say(weights):
    values = np.random.default_rng(4).normal(size=MONTH)
    assert weights.shares.shape == (weights.reach,)
    assert weights.shares.sum() == pytest.approx(1, rel=1e-14)
    expected = (weights.shares * values[::-1][: weights.reach]).sum()
    assert weights.average(values, 1)[0] == pytest.approx(expected, rel=1e-9)


def test_ewma_halves_and_a_mean_does_not_fade():
    shares = ewma_weights(8).shares
    np.testing.assert_allclose(shares[8:], shares[:-8] / 2, rtol=1e-13)
    assert len(shares) == 64
    assert len(ewma_weights(MONTH).shares) == MONTH
    assert mean_weights(4).shares.tolist() == [0.25] * 4


@pytest.mark.parametrize(("ahead", "period"), [(1, DAY), (6, DAY), (24, DAY), (24, WEEK)])
def test_season_looks_at_the_hours_of_the_period_that_come_next(ahead, period):
    lags = np.flatnonzero(season_weights(ahead, period=period).shares)
    assert set((-lags) % period) == {step % period for step in range(1, ahead + 1)}
    assert len(lags) == ahead * (MONTH // period)


def test_season_of_more_than_its_period_is_refused():
    with pytest.raises(ValueError, match="from 1 to 24, got 25"):
        season_weights(25)


def test_short_average_of_few_rows_is_that_of_all():
    """More rows are asked for than there are candles: the past is padded, not wrapped."""
    few = make_market().take(slice(0, 3))
    hours = put_on_grid(few, rows=3, auxiliary={})
    mean = hours.weigh(few.close, mean_weights(4))
    np.testing.assert_allclose(mean, [few.close[0], few.close[:2].mean(), few.close.mean()])


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
        for lag, weight in enumerate(weights.shares):
            if row >= lag and np.isfinite(hours.close[row - lag]):
                total += weight * hours.close[row - lag]
                share += weight
        expected.append(total / share if share >= MIN_SHARE else np.nan)
    np.testing.assert_allclose(hours.weigh(hours.close, weights), expected, rtol=1e-12)


def test_logarithm_is_that_of_the_library_within_a_unit_in_the_last_place():
    rng = np.random.default_rng(5)
    values = np.concatenate(
        [
            np.exp(rng.normal(0, 9, 3000)),
            1 + rng.normal(0, 1e-3, 3000),
            1 + rng.normal(0, 1e-9, 500),
            [1.0, 2.0, 0.5, 5e-324, 1.7e308],
        ]
    )
    expected = np.array([math.log(value) for value in values])
    assert (np.abs(compute_log(values) - expected) <= np.spacing(np.abs(expected))).all()


def test_there_is_no_logarithm_of_what_is_no_positive_number():
    assert np.isnan(compute_log(np.array([0.0, -1.0, np.nan, np.inf, -np.inf]))).all()


def find_bits() -> str:
    """Hash every feature of a market, made without numpy's own exponentials."""
    made = make_market()
    prices = np.random.default_rng(2).integers(-40, 41, len(made)).cumsum() / 64 + 1e4
    candles = replace(made, open=prices, high=prices + 2, low=prices - 1, close=prices + 1 / 8)
    auxiliary = {
        name: replace(known, value=np.arange(1.0, 1.0 + len(known.value)))
        for name, known in make_auxiliary(candles).items()
    }
    table = compute_features(candles, auxiliary=auxiliary)
    return sha256(table.values.tobytes() + table.sigma.tobytes()).hexdigest()


@pytest.mark.parametrize("processor", PROCESSORS)
def test_features_have_the_same_bits_on_every_processor(processor):
    command = [sys.executable, "-c", "import test_averages; print(test_averages.find_bits())"]
    told = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | PROCESSORS[processor],
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout.strip() == find_bits()
