"""The gamblers: bets, patience and wealth against slow loops, and Ville's bound."""

import math
from itertools import product

import numpy as np
import pytest

from ringside.core.gate.rules import GateRule, find_block_hours
from ringside.core.gate.stakes import stake_band, stake_point, sum_blocks, trail_rms
from ringside.core.gate.wealth import (
    FRACTIONS,
    compute_bets,
    compute_evidence,
    compute_patience,
)


def draw(shape, seed=0):
    return np.random.default_rng(seed).standard_t(4, shape)


def bet_slowly(saved, scale):
    variance, bets = 0.0, []
    for now, start in zip(saved, scale, strict=True):
        if variance == 0:
            variance = start**2
        if variance == 0:
            bets.append(0.0)
            continue
        bets.append(max(-1.0, min(1.0, now / (2 * math.sqrt(variance)))))
        variance = 0.975 * variance + 0.025 * now**2
    return bets


def hold_slowly(bets, restarts, patience, given_up_before):
    """Every gambler's wealth by itself, multiplied bet by bet."""
    path = []
    for end in range(1, len(bets) + 1):
        total = 0.0
        for number, start in enumerate([0, *restarts]):
            for fraction in FRACTIONS:
                wealth = 1.0
                for block in range(start, end):
                    if block == given_up_before:
                        wealth = min(wealth, 1.0)
                    wealth *= (1 + fraction * bets[block]) ** (1 / patience[block])
                total += wealth / len(FRACTIONS) * (1 / 2 if number == 0 else 1 / 52)
        total += (26 - len(restarts)) / 52
        path.append(total)
    return path


def test_bets_agree_with_a_loop_in_every_history():
    saved = draw((3, 40))
    scale = np.abs(draw((3, 40), seed=1))
    scale[1, :4] = 0.0
    bets = compute_bets(saved, scale)
    for history in range(3):
        assert bets[history] == pytest.approx(bet_slowly(saved[history], scale[history]))
    assert np.abs(bets).max() == 1.0


@pytest.mark.parametrize("given_up_before", [0, 7, 12])
def test_wealth_agrees_with_gamblers_one_by_one(given_up_before):
    bets = np.clip(draw(30) / 3, -1, 1)
    patience = 1 + np.abs(draw(30, seed=2))
    found = compute_evidence(bets, [9, 18], patience=patience, given_up_before=given_up_before)
    slow = hold_slowly(bets, [9, 18], patience, given_up_before or -1)
    assert found == pytest.approx(slow)


def test_given_up_gains_never_leave_more_than_was_there():
    bets = np.clip(draw((50, 60)) / 2, -1, 1)
    kept = compute_evidence(bets, [20])
    given_up = compute_evidence(bets, [20], given_up_before=30)
    assert (given_up <= kept + 1e-9).all()
    assert (given_up[:, :30] == kept[:, :30]).all()
    assert (given_up[:, 30:] < kept[:, 30:] - 1e-9).any()


def test_patience_agrees_with_the_textbook_loop():
    saved, lags = draw(25), 4
    found = compute_patience(saved, lags)
    assert found[0] == 2.0
    for block in range(1, 25):
        past = saved[:block]
        mean = past.mean()
        variance = max((past**2).mean() - mean**2, 0)
        excess = 0.0
        for lag in range(1, lags + 1):
            pairs = [past[i] * past[i - lag] for i in range(lag, block)]
            shared = sum(pairs) / block - mean**2 * max(block - lag, 0) / block
            excess += 2 * (1 - lag / (lags + 1)) * shared
        ratio = max(1 + excess / variance, 1) if variance > 1e-12 else 1.0
        assert found[block] == pytest.approx((lags * 2 + block * ratio) / (lags + block))


def test_patience_grows_where_days_resemble_each_other():
    shocks = draw(400)
    alike = np.convolve(shocks, np.ones(10), "valid")
    assert compute_patience(alike, 28)[-1] > 4 > 1.5 > compute_patience(shocks, 28)[-1]


def test_a_fair_coin_reaches_twenty_in_at_most_one_of_twenty_histories():
    """Ville's bound, exactly: all 65,536 ways that 16 fair coins can fall."""
    coins = np.array(list(product((-1.0, 1.0), repeat=16)))
    highest = compute_evidence(coins, [5, 10]).max(axis=1)
    assert 0.0 < (highest >= 20).mean() <= 0.05
    for threshold in (2, 5, 40):
        assert (highest >= threshold).mean() <= 1 / threshold
    patient = compute_evidence(coins, [5, 10], patience=1.5).max(axis=1)
    assert (patient >= 2).mean() <= 1 / 2


def test_the_mean_wealth_of_fair_coins_is_one():
    coins = np.array(list(product((-1.0, 1.0), repeat=10)))
    assert compute_evidence(coins, [4])[:, -1].mean() == pytest.approx(1.0)


def test_even_perfect_days_need_eight_bets():
    path = compute_evidence(np.ones(10), [])
    assert np.flatnonzero(path >= 20)[0] + 1 == 8


def test_trailing_size_agrees_with_a_loop_and_knows_only_the_past():
    values = draw((2, 120))
    values[0, 50:60] = np.nan
    found = trail_rms(values, 48)
    for history, hour in product(range(2), range(120)):
        past = [v for v in values[history, max(hour - 48, 0) : hour] if np.isfinite(v)]
        if len(past) < 24:
            assert np.isnan(found[history, hour])
        else:
            assert found[history, hour] == pytest.approx(
                math.sqrt(sum(v * v for v in past) / len(past))
            )


def test_blocks_agree_with_a_loop_and_short_days_are_skipped():
    champion, rival = np.abs(draw((2, 120))), np.abs(draw((2, 120), seed=3))
    gap = np.abs(draw((2, 120), seed=4))
    champion[0, 30:35] = np.nan
    rival[1, 72:76] = np.nan
    stakes = stake_band(champion, rival, gap)
    blocks = sum_blocks(stakes, 24)
    assert blocks.is_scored.tolist() == [
        [False, False, True, True, True],
        [False, True, True, True, True],
    ]
    assert blocks.saved[1, 3] == pytest.approx(
        sum(champion[1, h] - rival[1, h] for h in range(76, 96))
    )
    assert blocks.cost[1, 3] == pytest.approx(sum(champion[1, h] for h in range(76, 96)))
    assert blocks.hours[1, 3] == 20
    assert blocks.scale[1, 3] == pytest.approx(math.sqrt(24) * stakes.reach[1, 76])
    assert blocks.saved[0, 1] == blocks.scale[0, 1] == 0.0


def test_point_stake_is_half_the_difference_of_squared_errors_without_clips():
    champion, rival = 0.1 * draw(100), 0.1 * draw(100, seed=5)
    realised = np.clip(draw(100, seed=6), -2, 2)
    stakes = stake_point(champion, rival, realised)
    plain = ((realised - champion) ** 2 - (realised - rival) ** 2) / 2
    gentle = np.isfinite(stakes.reach) & (np.abs(rival - champion) <= 3 * stakes.reach)
    assert gentle.sum() > 60
    assert stakes.saved[gentle] == pytest.approx(plain[gentle])


def test_point_stake_winsorises_outcome_and_gap():
    champion, rival = np.zeros(40), np.full(40, 0.1)
    rival[30], realised = 5.0, np.zeros(40)
    realised[30:32] = 100.0
    saved = stake_point(champion, rival, realised).saved
    assert saved[30] == pytest.approx(3 * 0.3)
    assert saved[31] > 0


@pytest.mark.parametrize(("horizon", "hours"), [(1, 24), (6, 24), (8, 24), (9, 48), (24, 72)])
def test_a_block_of_points_holds_three_targets(horizon, hours):
    assert find_block_hours(horizon, "point") == hours
    assert find_block_hours(horizon, "band") == 24


def test_thresholds_share_out_alpha_however_many_recipes_come():
    rule = GateRule()
    names = [f"recipe{n}" for n in range(500)]
    limits = rule.find_thresholds(["own", *names], "own", frozenset())
    assert sum(1 / limit for limit in limits.values()) <= 0.05
    assert (limits["own"], limits["recipe0"], limits["recipe1"]) == (40, 80, 240)


def test_baselines_that_take_the_title_back_have_an_alpha_of_their_own():
    rule, baselines = GateRule(), frozenset({"p", "q"})
    assert rule.find_thresholds(["own", "p", "q"], "own", baselines) == {
        "own": 20.0,
        "p": 40.0,
        "q": 40.0,
    }
    assert rule.find_thresholds(["p", "m", "q"], "p", baselines) == {"p": 40, "m": 80, "q": 240}
