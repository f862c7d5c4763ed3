"""Evidence of a pair against a slow second way to it, its plausible range and its pace."""

import math

import numpy as np
import pytest

from gate_builders import START, make_rows
from ringside.core.gate.evidence import (
    GAINS,
    count_old_swaps,
    find_best,
    find_range,
    find_restarts,
    weigh_pair,
)
from ringside.core.gate.pairing import pair_streams
from ringside.core.gate.rules import GateRule
from ringside.core.gate.wealth import FRACTIONS, compute_patience
from ringside.core.quantiles import LEVELS

RULE = GateRule()
HOUR = np.timedelta64(1, "h")


def make_pair(champion, rival, *, days, horizon=1, stake="band"):
    known_at = np.datetime64(START.replace(tzinfo=None), "s") + (24 * days + horizon - 1) * HOUR
    return pair_streams(champion, rival, horizon=horizon, stake=stake, known_at=known_at)


def charge_slowly(stream, row):
    total = 0.0
    for level, quantile in zip(LEVELS, stream.quantiles[row], strict=True):
        miss = stream.realised[row] - quantile
        total += max(level * miss, (level - 1) * miss) / stream.sigma[row]
    return total / 5


def pair_slowly(champion, rival):
    """Per shared hour, counted from the champion's first: what was saved, and the mean gap."""
    theirs = {str(instant): row for row, instant in enumerate(rival.as_of)}
    saved, gaps = {}, {}
    for row, instant in enumerate(champion.as_of):
        other = theirs.get(str(instant))
        if other is not None:
            hour = int((instant - champion.as_of[0]) / HOUR)
            saved[hour] = charge_slowly(champion, row) - charge_slowly(rival, other)
            apart = np.abs(rival.quantiles[other] - champion.quantiles[row])
            gaps[hour] = float(apart.mean()) / champion.sigma[row]
    return saved, gaps


def sum_days_slowly(saved, gaps, days):
    sums, scales = [], []
    for day in range(days):
        scored = []
        for hour in range(24 * day, 24 * day + 24):
            past = [gaps[h] ** 2 for h in range(max(hour - 672, 0), hour) if h in gaps]
            if hour in saved and len(past) >= 24:
                scored.append((saved[hour], math.sqrt(sum(past) / len(past)) / 4))
        if len(scored) >= 20:
            sums.append(sum(x for x, _ in scored))
            scales.append(scored[0][1] * math.sqrt(24))
    return sums, scales


def weigh_slowly(champion, rival, days):
    """The evidence of the band at one hour, told hour by hour with plain numbers."""
    sums, scales = sum_days_slowly(*pair_slowly(champion, rival), days)
    variance, bets = scales[0] ** 2, []
    for x in sums:
        bets.append(max(-1.0, min(1.0, x / (2 * math.sqrt(variance)))))
        variance = 0.975 * variance + 0.025 * x * x
    patience = compute_patience(np.array(sums), 28)
    starts = [0, *range(28, len(bets), 28)]
    total = (26 - len(starts) + 1) / 52
    for start in starts:
        for fraction in FRACTIONS:
            wealth = 1.0
            for bet, slow in zip(bets[start:], patience[start:], strict=True):
                wealth *= (1 + fraction * bet) ** (1 / slow)
            total += wealth / 5 * (0.5 if start == 0 else 1 / 52)
    return total


def test_evidence_agrees_with_a_slow_walk_through_the_hours():
    champion = make_rows(70, width=1.25, noise=0.1)
    rival = make_rows(70, noise=0.1, seed=4).take(np.arange(1680) % 31 != 3)
    pair = make_pair(champion, rival, days=70)
    weighed = weigh_pair(pair, RULE, threshold=20.0)
    assert weighed.now == pytest.approx(weigh_slowly(champion, rival, 70))
    assert 2 < weighed.now < 1e6


def test_best_and_now_are_taken_from_the_same_path():
    pair = make_pair(make_rows(70, width=1.25), make_rows(70), days=70)
    weighed = weigh_pair(pair, RULE, threshold=20.0)
    assert find_best(pair, RULE) == pytest.approx(weighed.best)
    assert weighed.a_week_ago < weighed.now <= weighed.best


def test_the_plausible_range_holds_the_planted_gain():
    """The true gain of a band is that of endless rows; the range must hold it at every seed."""
    long = make_pair(make_rows(900, width=1.5), make_rows(900), days=900)
    truth = 1 - long.rival_loss.mean() / long.champion_loss.mean()
    for seed in range(5):
        champion = make_rows(80, width=1.5, noise=0.2, seed=seed)
        rival = make_rows(80, noise=0.2, seed=seed + 50)
        weighed = weigh_pair(make_pair(champion, rival, days=80), RULE, threshold=20.0)
        assert weighed.gain_low < truth < (weighed.gain_high or 1)


def test_the_range_is_what_neither_side_ever_rejected():
    """Rejected once is rejected for good, also when the evidence has gone since."""
    up, down = np.ones((2, len(GAINS), 3))
    up[GAINS <= -0.005, 1] = 40.0
    down[GAINS >= 0.02, 1] = 41.0
    assert find_range(up, down) == (pytest.approx(-0.005), pytest.approx(0.02))
    assert find_range(up, np.ones_like(down)) == (pytest.approx(-0.005), None)
    assert find_range(np.ones_like(up), down) == (None, pytest.approx(0.02))


def test_a_gain_that_reversed_leaves_no_range():
    """Far better for a season, far worse for the next: no constant gain fits both."""
    up, down = np.ones((2, len(GAINS), 3))
    up[GAINS <= 0.1, 1] = 50.0
    down[GAINS >= 0.0, 2] = 50.0
    assert find_range(up, down) == (None, None)


def test_z_is_the_weekly_mean_over_its_spread():
    pair = make_pair(make_rows(80, width=1.3), make_rows(80), days=80)
    weighed = weigh_pair(pair, RULE, threshold=1e30)
    daily = pair.blocks.saved
    assert weighed.z_week == pytest.approx(daily.mean() / daily.std() * math.sqrt(7))
    left = 2 * math.log(1e30 / weighed.now) / weighed.z_week**2
    assert weighed.weeks_more == pytest.approx(left)


def test_a_few_bets_have_no_pace():
    pair = make_pair(make_rows(7, width=1.3), make_rows(7), days=7)
    weighed = weigh_pair(pair, RULE, threshold=20.0)
    assert (len(pair.block_start), weighed.z_week, weighed.weeks_more) == (6, None, None)
    assert weighed.a_week_ago == 1.0


def test_restarts_come_every_28_days_also_where_days_are_missing():
    days = np.array([d for d in range(100) if not 25 <= d < 35])
    starts = np.datetime64("2026-01-05", "s") + days * np.timedelta64(1, "D")
    found = find_restarts(starts)
    assert [int(days[place]) for place in found] == [35, 56, 84]


def test_old_rule_agrees_with_a_walk_through_whole_weeks():
    champion, rival = make_rows(66, noise=0.1), make_rows(66, noise=0.1, seed=9)
    pair = make_pair(champion, rival, days=66)
    holder, swaps = "champion", 0
    for week in range(9):
        rows = slice(week * 168, (week + 1) * 168)
        saved = pair.champion_loss[rows].sum() - pair.rival_loss[rows].sum()
        better = "rival" if saved > 0 else "champion"
        swaps, holder = swaps + (better != holder), better
    assert count_old_swaps(pair) == swaps > 1
