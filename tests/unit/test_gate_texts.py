"""The sentences of a verdict, in English and Korean, for every state a rival can be in."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ringside.core.gate.rules import GateRule
from ringside.core.gate.texts import render_verdict
from ringside.core.gate.verdict import Finding, GateVerdict, Guard

GUARDS = (
    Guard("G1", True, 30.0, 13.3),
    Guard("G2", True, 0.99, 1.0),
    Guard("G3", True, 0.1, 20.0),
    Guard("G4", True, 1.0, 0.95),
    Guard("G4", True, 1.1, 3.0),
    Guard("G5", True, 4.0, 0.0),
)
FINDING = Finding(
    rival="xgboost",
    state="open",
    threshold=20.0,
    evidence=3.4,
    evidence_a_week_ago=1.2,
    best_evidence=3.4,
    evidence_not_worse=None,
    evidence_against=0.3,
    shared_hours=1176,
    live_hours=1176,
    dropped_hours=4,
    blocks=48,
    skipped_blocks=1,
    gain_frac=0.006,
    gain_low=-0.004,
    gain_high=0.016,
    champion_loss=0.25,
    rival_loss=0.2485,
    distance=0.03,
    z_week=0.6,
    weeks_more=9.2,
    old_rule_swaps=4,
    mover_version=7,
    guards=GUARDS,
    first_as_of="2026-01-05T00:00:00+00:00",
    last_as_of="2026-02-22T23:00:00+00:00",
)


def tell(*findings, outcome="keep_champion", horizon=1):
    verdict = GateVerdict(
        symbol="BTC/USDT",
        horizon=horizon,
        as_of=datetime(2026, 4, 11, tzinfo=UTC),
        outcome=outcome,
        champion="persistence",
        champion_version=3,
        held_from=datetime(2026, 1, 5, tzinfo=UTC),
        refresh_from=datetime(2026, 4, 6, tzinfo=UTC),
        challenger=findings[0].rival if findings else None,
        challenger_version=findings[0].mover_version if findings else None,
        findings=findings,
        rule=GateRule(),
    )
    return render_verdict(verdict)


def test_an_open_verdict_reads_as_whole_sentences():
    english, korean = tell(FINDING)
    assert english == (
        "BTC/USDT, 1 hour ahead: persistence (version 3) keeps the title. "
        "No proof yet for xgboost. Evidence 3.4 of 20 (a week ago 1.2). "
        "At this pace about 9 more weeks. "
        "Over 1,176 shared hours (2026-01-05 to 2026-02-22 UTC; all issued live) xgboost is 0.6% "
        "better, plausibly -0.4% to +1.6%. The old rule, lower loss last week, would have swapped "
        "4 times."
    )
    assert korean == (
        "BTC/USDT 1시간 뒤 예측: persistence(버전 3) 모델이 챔피언 자리를 지킵니다. "
        "xgboost 모델이 낫다는 증거가 아직 부족합니다. 증거 3.4, 기준 20(일주일 전 1.2). "
        "이 속도라면 약 9주가 더 걸립니다. 함께 예측한 1,176시간(2026-01-05 ~ 2026-02-22 UTC, "
        "모두 실시간) 동안 xgboost 모델의 손실은 챔피언보다 0.6% 낮습니다"
        "(절감률의 타당한 범위 -0.4% ~ +1.6%). 지난주 손실이 낮은 쪽을 고르는 옛 규칙이라면 "
        "4번 교체했을 것입니다."
    )


PROVEN = replace(FINDING, state="proven", best_evidence=23.4)
BROKEN = {
    "G1": Guard("G1", False, 6.0, 13.3),
    "G2": Guard("G2", False, 1.004, 1.0),
    "G3": Guard("G3", False, 31.0, 20.0),
    "G4": Guard("G4", False, None, 3.0),
    "G6": Guard("G6", False, 3.4, 20.0),
}


@pytest.mark.parametrize(
    ("finding", "outcome", "english", "korean"),
    [
        (PROVEN, "promote_challenger", "has come to 23. If it were no better, 20 is", "23까지"),
        (PROVEN, "fall_back_to_baseline", "back to a baseline", "기준 모델인 xgboost"),
        (
            replace(PROVEN, state="contested", guards=(BROKEN["G2"],)),
            "ask_human",
            "its loss is 0.4% higher than the champion's (guard G2)",
            "0.4% 높아(G2)",
        ),
        (
            replace(FINDING, state="refresh", evidence_not_worse=25.0),
            "refresh_champion",
            "not to be more than 1% worse (evidence 25 of 20); the champion has served 96 days",
            "96일 동안 재임",
        ),
        (
            replace(FINDING, state="worse", evidence_against=31.0, gain_frac=-0.008),
            "keep_champion",
            "Evidence for the champion against xgboost: 31.",
            "증거가 31입니다",
        ),
        (
            replace(FINDING, state="tie"),
            "keep_champion",
            "differ by 0.03 sigma, less than any test can separate within a year. A refresh is "
            "possible from 2026-04-06.",
            "2026-04-06부터",
        ),
        (replace(FINDING, state="too_few_hours"), "keep_champion", "Too early", "이릅니다"),
        *(
            (
                replace(PROVEN, state="blocked", guards=(guard,)),
                "keep_champion",
                f"Evidence 23 of 20 is there, but guard {name} objects",
                f"안전 조건에 걸렸습니다: {name}",
            )
            for name, guard in BROKEN.items()
        ),
        (
            replace(FINDING, state="blocked", guards=(BROKEN["G1"],)),
            "keep_champion",
            "A refresh is due, but guard G1 objects",
            "교체할 때가 되었지만",
        ),
    ],
)
def test_every_state_says_its_number(finding, outcome, english, korean):
    told = tell(finding, outcome=outcome)
    assert english in told[0]
    assert korean in told[1]


@pytest.mark.parametrize(
    ("change", "english", "korean"),
    [
        ({"live_hours": 0}, "all replayed in as-of order", "모두 과거 시점 재현"),
        ({"live_hours": 200}, "200 issued live, the others replayed", "실시간 200시간, 나머지는"),
        ({"gain_low": None}, "plausibly +1.6% or less", "범위 ~ +1.6%"),
        ({"gain_high": None}, "plausibly -0.4% or more", "범위 -0.4% ~)"),
        ({"gain_low": None, "gain_high": None}, "0.6% better. The", "0.6% 낮습니다. 지난주"),
        ({"gain_frac": -0.006}, "0.6% worse", "0.6% 높습니다"),
        ({"weeks_more": 0.2}, "about 1 more week.", "약 1주"),
        ({"weeks_more": None}, "(a week ago 1.2). Over", "1.2). 함께"),
        ({"old_rule_swaps": 1}, "swapped 1 time.", "1번 교체"),
        ({"evidence": 2e6, "threshold": 8e6}, "over a million of", "백만 이상"),
        ({"gain_frac": None}, "They share no scored hour yet.", "시간이 아직 없습니다."),
        ({"mover_version": None}, "xgboost", "xgboost"),
    ],
)
def test_details_are_told_as_they_are(change, english, korean):
    told = tell(replace(FINDING, **change))
    assert english in told[0]
    assert korean in told[1]


def test_the_version_that_moves_in_is_named():
    english, korean = tell(PROVEN, outcome="promote_challenger", horizon=24)
    assert (
        "24 hours ahead: the title changes hands, from persistence (version 3) to xgboost (ver"
        in (english)
    )
    assert "xgboost(버전 7) 모델로 바뀝니다" in korean


def test_the_other_rivals_follow_in_short():
    other = replace(FINDING, rival="persistence_ewma", gain_frac=None)
    english, korean = tell(FINDING, replace(FINDING, rival="garch"), other)
    assert "garch: 0.6% better on 1,176 hours, evidence 3.4 of 20." in english
    assert "persistence_ewma: no shared hour yet." in english
    assert "garch 모델은 1,176시간 동안 손실이 0.6% 낮습니다(증거 3.4, 기준 20)." in korean


def test_nobody_to_compare_with_is_said():
    english, korean = tell()
    assert "No other forecast of this title has been scored yet." in english
    assert "다른 모델의 예측이 아직 없습니다" in korean
