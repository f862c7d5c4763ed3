"""What people may ask of a title, in words; and what a challenger's forecasts may look like."""

from datetime import UTC, datetime

import numpy as np
import pytest

from ringside.core.examination import find_fault
from ringside.core.intervention_texts import (
    render_frozen,
    render_intervention,
    render_roll_back,
    render_spent_budget,
)
from ringside.core.titles import list_ring_aliases
from ringside.core.verdicts import Intervention, Reign

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
GATE = ("BTC/USDT: x keeps the title.", "x 모델이 챔피언 자리를 지킵니다.")


@pytest.mark.parametrize(
    ("action", "english", "korean"),
    [
        ("force", "ada gives the title to y (version 2), whatever the evidence: why not?", "정했"),
        ("hold", "ada holds the title where it is in this run: why not?", "그대로"),
        ("freeze", "ada freezes the title until it is unfrozen: why not?", "중지했습니다"),
        ("unfreeze", "ada unfreezes the title: why not?", "해제했습니다"),
    ],
)
def test_action_is_told_with_who_and_why_before_the_gate_s_own_finding(action, english, korean):
    asked = Intervention(action, "why not?", "ada")
    text_en, text_ko = render_intervention(asked, "y (version 2)", GATE)
    assert text_en == f"{english} The gate's own finding: {GATE[0]}"
    assert korean in text_ko
    assert text_ko.endswith(f"자동 판정 결과: {GATE[1]}")
    assert "ada" in text_ko
    assert "why not?" in text_ko


def test_frozen_title_says_since_when():
    text_en, text_ko = render_frozen("ada", "a holiday", AT, GATE)
    assert text_en.startswith("The title is frozen since 2026-03-01 12:00 UTC by ada: a holiday. ")
    assert "중지되어 있습니다" in text_ko


@pytest.mark.parametrize(("horizon", "ahead"), [(1, "1 hour ahead"), (6, "6 hours ahead")])
def test_step_back_names_both_versions(horizon, ahead):
    now, back = (
        Reign("BTC/USDT", horizon, name, version, AT, AT, "t", "t")
        for name, version in (("xgboost", 9), ("persistence", 1))
    )
    text_en, text_ko = render_roll_back(now, back, "ada", "it looks odd")
    assert ahead in text_en
    assert "from xgboost (version 9) to persistence (version 1). Asked by ada: it looks odd." in (
        text_en
    )
    assert "xgboost(버전 9)" in text_ko


def test_spent_budget_names_the_numbers():
    text_en, text_ko = render_spent_budget(30.04, 24.0, 300, "2026-03-01T12:00:00")
    assert "lost 30.0 hours' worth" in text_en
    assert "over 300 live hours; 24 are allowed" in text_en
    assert "300시간" in text_ko


BAND = np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]])


@pytest.mark.parametrize(
    ("quantiles", "fault"),
    [
        (BAND * 0.01, ""),
        (BAND * np.nan, "not finite"),
        (BAND[:, ::-1] * 0.01, "cross"),
        (BAND * 0.06, "24.0 typical moves is absurd"),
        (BAND * 0.0001, "0.0 typical moves is absurd"),
        (BAND * 0.01 + 0.06, "a median 6.0 typical moves away"),
    ],
)
def test_only_sane_forecasts_pass(quantiles, fault):
    found = find_fault(quantiles, np.array([0.01]), 1)
    assert (found == "") if fault == "" else (fault in found)


def test_fault_in_any_hour_counts_and_long_horizons_move_more():
    both = np.vstack([BAND * 0.01, BAND * 0.06])
    sigma = np.array([0.01, 0.01])
    assert "absurd" in find_fault(both, sigma, 1)
    assert find_fault(both, sigma, 24) == ""


def test_aliases_of_a_recipe_are_four_and_the_newest_is_plain():
    assert list_ring_aliases("xgboost") == ("xgboost", "xgboost-2", "xgboost-3", "xgboost-4")
