"""The rule of the title and the sentences that tell it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ringside.core.verdict_texts import render_verdict
from ringside.core.verdicts import (
    Evidence,
    Rule,
    ScoredHours,
    compute_p_value,
    decide_title,
)

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
RULE = Rule(min_gain_frac=0.01, max_p_value=0.01, ask_p_value=0.05, min_shared_hours=500)
BASELINES = frozenset({"persistence", "persistence_ewma"})


def make_hours(loss, *, start="2026-01-01", live=0):
    loss = np.asarray(loss, float)
    as_of = np.datetime64(start, "s") + np.arange(len(loss)) * np.timedelta64(1, "h")
    return ScoredHours(as_of, loss, np.arange(len(loss)) >= len(loss) - live)


def make_evidence(champion, scored, *, horizon=1):
    return Evidence("BTC/USDT", horizon, AS_OF, champion, scored, BASELINES)


def make_losses(gain_frac, *, noise=0.02, count=800, seed=0):
    """Losses of two contestants with a planted mean gain and independent noise on top."""
    rng = np.random.default_rng(seed)
    common = rng.gamma(4, 0.06, count)
    own = rng.normal(0, noise, count)
    other = common * (1 - gain_frac) + own - own.mean()
    return common, other


def decide(champion, losses, **options):
    scored = {name: make_hours(loss) for name, loss in losses.items()}
    return decide_title(make_evidence(champion, scored, **options), RULE)


@pytest.mark.parametrize(
    ("champion", "rival", "gain_frac", "noise", "outcome", "reason"),
    [
        ("persistence", "xgboost", 0.05, 0.02, "promote_challenger", "proven"),
        ("persistence", "persistence_ewma", 0.05, 0.02, "promote_challenger", "proven"),
        ("xgboost", "persistence", 0.05, 0.02, "fall_back_to_baseline", "proven"),
        ("persistence", "xgboost", 0.015, 0.12, "keep_champion", "unproven"),
        ("persistence", "xgboost", 0.005, 0.001, "keep_champion", "small_gain"),
        ("persistence", "xgboost", -0.05, 0.02, "keep_champion", "worse"),
        ("persistence", "xgboost", 0.02, 0.068, "ask_human", "borderline"),
    ],
)
def test_outcome_follows_the_rule(champion, rival, gain_frac, noise, outcome, reason):
    common, other = make_losses(gain_frac, noise=noise)
    verdict = decide(champion, {champion: common, rival: other})
    assert (verdict.outcome, verdict.challenger, verdict.deciding.reason) == (
        outcome,
        rival,
        reason,
    ), verdict.deciding


def test_gain_is_measured_on_the_shared_hours_only():
    """Hours of one alone would reverse the order if they counted."""
    champion = make_hours(np.full(1000, 0.25), start="2026-01-01")
    rival = make_hours(np.r_[np.full(600, 0.24), np.full(400, 9.0)], start="2026-01-17T16:00")
    finding = decide_title(
        make_evidence("persistence", {"persistence": champion, "xgboost": rival}), RULE
    ).deciding
    shared = [hour for hour in champion.as_of if hour in set(rival.as_of)]
    assert finding.shared_hours == len(shared) == 600
    assert finding.gain_frac == pytest.approx(1 - 0.24 / 0.25)
    assert finding.first_as_of == "2026-01-17T16:00:00+00:00"


def test_too_few_hours_keep_the_champion_however_large_the_gain():
    verdict = decide("persistence", {"persistence": np.ones(499), "xgboost": np.zeros(499)})
    assert (verdict.outcome, verdict.deciding.reason) == ("keep_champion", "too_few_hours")
    assert "at least 500 shared hours" in render_verdict(verdict, {})[0]


def test_long_horizons_need_several_targets_that_do_not_overlap():
    losses = {"persistence": np.ones(600), "xgboost": np.zeros(600)}
    assert decide("persistence", losses, horizon=75).outcome == "promote_challenger"
    assert decide("persistence", losses, horizon=76).outcome == "keep_champion"


def test_every_rival_counts_against_the_p_value():
    """Bonferroni: the same two series, with a bystander in the ring."""
    common, other = make_losses(0.02, noise=0.06)
    alone = decide("persistence", {"persistence": common, "xgboost": other})
    crowded = decide(
        "persistence", {"persistence": common, "xgboost": other, "persistence_ewma": common}
    )
    assert crowded.deciding.p_value == pytest.approx(2 * alone.deciding.p_value)
    assert f"p {crowded.deciding.p_value:.2g}" in render_verdict(crowded, {})[0]


def test_of_two_winners_the_larger_gain_takes_the_title():
    common, _ = make_losses(0)
    verdict = decide(
        "persistence",
        {"persistence": common, "xgboost": common * 0.96, "persistence_ewma": common * 0.95},
    )
    assert [finding.rival for finding in verdict.findings] == ["persistence_ewma", "xgboost"]
    assert verdict.challenger == "persistence_ewma"


def test_a_smaller_proven_gain_goes_before_a_larger_unproven_one():
    rng = np.random.default_rng(3)
    common, _ = make_losses(0)
    wild = common * 0.9 + rng.normal(0, 3, len(common))
    wild += 0.9 * common.mean() - wild.mean()
    verdict = decide(
        "persistence", {"persistence": common, "xgboost": wild, "persistence_ewma": common * 0.97}
    )
    assert (verdict.outcome, verdict.challenger) == ("promote_challenger", "persistence_ewma")


@pytest.mark.parametrize("rivals", [{}, {"xgboost": np.array([])}])
def test_nobody_to_compare_with_keeps_the_champion(rivals):
    verdict = decide("persistence", {"persistence": np.ones(600), **rivals})
    assert verdict.outcome == "keep_champion"
    english, korean = render_verdict(verdict, {"persistence": 1})
    assert "persistence (version 1) keeps the title" in english
    assert "아직 없습니다" in korean


def test_champion_without_any_hour_is_kept():
    verdict = decide_title(make_evidence("gone", {"xgboost": make_hours(np.ones(600))}), RULE)
    assert (verdict.outcome, verdict.deciding.shared_hours) == ("keep_champion", 0)


def test_a_champion_without_loss_cannot_be_beaten():
    """A market that stands still: every loss is zero, nothing divides by it."""
    zeros = np.zeros(600)
    assert decide("persistence", {"persistence": zeros, "xgboost": zeros}).outcome == (
        "keep_champion"
    )


@pytest.mark.parametrize("horizon", [1, 6, 24])
def test_p_value_agrees_with_the_textbook_loop(horizon):
    """Diebold-Mariano with Bartlett weights and the HLN factor, term by term."""
    from scipy import stats

    rng = np.random.default_rng(horizon)
    count = 300
    shocks = rng.normal(0.08, 1, count + horizon)
    champion = np.array([2 + shocks[i : i + horizon].mean() for i in range(count)])
    rival = np.full(count, 2.0)

    saved = champion - rival
    lags = max(3 * horizon, 24)
    centred = saved - saved.mean()
    variance = sum(x * x for x in centred) / count
    for lag in range(1, lags + 1):
        covariance = sum(centred[i] * centred[i - lag] for i in range(lag, count)) / count
        variance += 2 * (1 - lag / (lags + 1)) * covariance
    factor = (count + 1 - 2 * horizon + horizon * (horizon - 1) / count) / count
    statistic = saved.mean() / np.sqrt(variance / count) * np.sqrt(factor)
    expected = stats.t.sf(statistic, df=count - 1)

    assert compute_p_value(champion, rival, horizon=horizon) == pytest.approx(expected, rel=1e-6)
    assert compute_p_value(rival, champion, horizon=horizon) == pytest.approx(1 - expected)


def test_equal_contestants_rarely_get_a_small_p_value():
    """Overlapping 6-hour losses of two equals: about 1 % below 0.01, never many times that."""
    rng = np.random.default_rng(1)
    small = 0
    for _ in range(300):
        shocks = rng.standard_t(4, 605)
        saved = np.convolve(shocks, np.ones(6), "valid")
        small += compute_p_value(saved, np.zeros(600), horizon=6) < 0.01
    assert small <= 12


def test_sentences_name_who_rows_amount_and_reason():
    common, other = make_losses(0.05)
    scored = {
        "persistence": make_hours(common, live=20),
        "xgboost": make_hours(other, live=30),
        "persistence_ewma": make_hours(common * 1.02),
    }
    verdict = decide_title(make_evidence("persistence", scored), RULE)
    versions = {"persistence": 1, "xgboost": 3}
    gain = f"{verdict.deciding.gain_frac:.1%}"
    last_day = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=799)).date()
    english, korean = render_verdict(verdict, versions)
    for part in (
        "BTC/USDT, 1 hour ahead: the title changes hands",
        "xgboost (version 3) beats the champion persistence (version 1)",
        f"800 hours that both forecast without knowing the outcome (2026-01-01 ~ {last_day} UTC",
        "20 issued live",
        f"{gain} lower",
        "at least 1% lower with p at most 0.01, counting 2 rivals",
        "persistence_ewma: 2.0% higher on 800 hours.",
    ):
        assert part in english
    for part in (
        "BTC/USDT 1시간 뒤 예측: 챔피언이 바뀝니다.",
        "xgboost(버전 3) 모델이 기존 챔피언 persistence(버전 1) 모델보다 정확했습니다.",
        f"800시간(2026-01-01 ~ {last_day} UTC, 실시간 20시간, 나머지는 과거 시점 재현)",
        f"손실이 {gain} 낮습니다",
        "손실 1% 이상 감소, p값 0.01 이하, 경쟁 모델 2개 보정",
        "persistence_ewma 모델은 800시간 동안 챔피언보다 손실이 2.0% 높습니다.",
    ):
        assert part in korean


def test_large_numbers_of_hours_are_grouped_in_both_languages():
    losses = {"persistence": np.ones(1344), "xgboost": np.ones(1344)}
    for text in render_verdict(decide("persistence", losses), {}):
        assert "1,344" in text
        assert "0.0%" not in text


@pytest.mark.parametrize(
    ("live", "english", "korean"),
    [
        (0, "all replayed in as-of order", "모두 과거 시점 재현"),
        (800, "all issued live", "모두 실시간"),
    ],
)
def test_sentences_say_what_was_replayed(live, english, korean):
    hours = make_hours(np.ones(800), live=live)
    verdict = decide_title(make_evidence("persistence", {"persistence": hours, "b": hours}), RULE)
    for text, part in zip(render_verdict(verdict, {}), (english, korean), strict=True):
        assert part in text


def test_tiny_p_values_and_rivals_without_hours_are_told_shortly():
    common, _ = make_losses(0)
    losses = {"persistence": common, "xgboost": common * 0.9, "newcomer": np.array([])}
    english, korean = render_verdict(decide("persistence", losses), {})
    assert "10.0% lower, p < 0.0001." in english
    assert english.endswith("newcomer: no shared hour yet.")
    assert "손실이 10.0% 낮습니다(p값 0.0001 미만)." in korean
    assert korean.endswith("newcomer 모델은 함께 예측한 시간이 아직 없습니다.")
