"""Outcomes and guards of the gate, on rows whose truth is known."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from gate_builders import BASELINES, START, join_rows, make_record, make_rows
from ringside.core.candles import to_datetime64
from ringside.core.gate.decision import decide_title
from ringside.core.gate.policies import HeldSpan, follow_title
from ringside.core.gate.rules import GateRule
from ringside.core.gate.streams import Term, select_fresh, select_version

RULE = GateRule()
WIDE = 1.6


def find_guards(finding, name):
    return [guard for guard in finding.guards if guard.name == name]


def test_a_better_rival_takes_the_title_with_its_shadowed_version():
    record = make_record({"persistence": make_rows(60, width=WIDE), "xgboost": make_rows(60)})
    verdict = decide_title(record, RULE)
    assert (verdict.outcome, verdict.challenger, verdict.challenger_version) == (
        "promote_challenger",
        "xgboost",
        1,
    )
    finding = verdict.deciding
    assert finding.state == "proven"
    assert finding.best_evidence >= finding.threshold == 80.0
    assert finding.gain_low < finding.gain_frac
    assert (finding.shared_hours, finding.live_hours, finding.blocks) == (1440, 1440, 59)
    assert all(guard.holds for guard in finding.guards)


def test_no_difference_keeps_the_champion_as_a_tie():
    same = make_rows(60)
    verdict = decide_title(make_record({"persistence": same, "xgboost": same}), RULE)
    assert verdict.outcome == "keep_champion"
    assert {finding.state for finding in verdict.findings} == {"tie"}


def test_equals_that_differ_by_chance_are_open_or_tied():
    rows = {
        "persistence": make_rows(90, noise=0.1, seed=1),
        "xgboost": make_rows(90, noise=0.1, seed=2),
    }
    verdict = decide_title(make_record(rows, days=90), RULE)
    finding = next(one for one in verdict.findings if one.rival == "xgboost")
    assert (verdict.outcome, finding.state in ("open", "tie")) == ("keep_champion", True)
    assert finding.gain_low is None or finding.gain_low < 0
    assert finding.old_rule_swaps > 0


def test_a_worse_rival_is_called_worse():
    record = make_record({"persistence": make_rows(60), "xgboost": make_rows(60, width=WIDE)})
    finding = decide_title(record, RULE).findings[-1]
    assert (finding.rival, finding.state) == ("xgboost", "worse")
    assert finding.evidence < 1 < 20 <= finding.evidence_against
    assert finding.weeks_more is None


def test_a_baseline_takes_the_title_back_from_a_model():
    rows = {"xgboost": make_rows(60, width=WIDE), "persistence_ewma": make_rows(60)}
    verdict = decide_title(make_record(rows, champion="xgboost"), RULE)
    assert (verdict.outcome, verdict.challenger) == ("fall_back_to_baseline", "persistence_ewma")
    assert verdict.deciding.threshold == 20.0


def test_an_old_champion_is_refreshed_by_a_version_that_is_not_worse():
    champion = make_rows(120, noise=0.02)
    newer = make_rows(40, version=2, noise=0.02, start=START + timedelta(days=80))
    older_fresh = make_rows(80, version=3, noise=0.02)
    rows = {"xgboost": join_rows(champion, older_fresh, newer)}
    record = make_record(rows, champion="xgboost", days=120)
    verdict = decide_title(record, RULE)
    assert (verdict.outcome, verdict.challenger) == ("refresh_champion", "xgboost")
    assert verdict.deciding.evidence_not_worse >= 20 > verdict.deciding.best_evidence
    young = replace(record, terms=[Term(START + timedelta(days=60), 1)])
    assert decide_title(young, RULE).outcome == "keep_champion"


def test_a_refresh_waits_for_a_version_with_four_weeks_of_record():
    champion = make_rows(120, noise=0.02)
    rows = {"xgboost": join_rows(champion, make_rows(120, version=0, noise=0.02, live=False))}
    fresh = make_rows(10, version=2, noise=0.02, start=START + timedelta(days=110))
    rows["xgboost"] = join_rows(rows["xgboost"], fresh)
    verdict = decide_title(
        make_record(rows, champion="xgboost", days=120, version=1),
        replace(RULE, live_hours_enough=1),
    )
    assert verdict.outcome == "keep_champion"


def test_no_rows_keep_the_champion():
    verdict = decide_title(make_record({}), RULE)
    assert (verdict.outcome, verdict.challenger, verdict.findings) == ("keep_champion", None, ())
    assert (verdict.deciding, verdict.challenger_version) == (None, None)


def test_a_champion_without_rows_is_kept():
    verdict = decide_title(make_record({"xgboost": make_rows(60)}), RULE)
    assert (verdict.outcome, verdict.deciding.state) == ("keep_champion", "too_few_hours")
    assert verdict.deciding.gain_frac is None


def test_g1_nobody_moves_in_without_a_record():
    """The recipe is proven by versions that are gone; the newest has forecast for six days."""
    gone = [make_rows(9, version=v, start=START + timedelta(days=9 * (v - 1))) for v in range(1, 7)]
    rows = {"persistence": make_rows(60, width=WIDE), "xgboost": join_rows(*gone)}
    finding = decide_title(make_record(rows), RULE).deciding
    assert (finding.state, finding.mover_version) == ("blocked", None)
    assert find_guards(finding, "G1")[0].value == 9.0


def test_g1_takes_the_oldest_of_the_last_four_whose_record_is_no_loss():
    parts = [
        make_rows(
            60 - 7 * v,
            version=v,
            start=START + timedelta(days=7 * v),
            width=3.0 if v == 4 else 1.0,
        )
        for v in range(1, 8)
    ]
    rows = {"persistence": make_rows(60, width=WIDE), "xgboost": join_rows(*parts)}
    verdict = decide_title(make_record(rows), RULE)
    assert verdict.challenger_version == 5


def test_g1_lets_the_replayed_record_stand_in_until_there_is_a_live_one():
    replayed = make_rows(58, version=0, live=False)
    newest = make_rows(2, version=7, start=START + timedelta(days=58))
    rows = {
        "persistence": join_rows(
            make_rows(58, width=WIDE, version=0, live=False),
            make_rows(2, width=WIDE, start=START + timedelta(days=58)),
        ),
        "xgboost": join_rows(replayed, newest),
    }
    record = make_record(rows, held_from=START + timedelta(days=58))
    verdict = decide_title(record, RULE)
    assert (verdict.outcome, verdict.challenger_version) == ("promote_challenger", 7)
    assert (verdict.deciding.live_hours, verdict.deciding.shared_hours) == (48, 1440)


def test_gains_on_replayed_hours_are_given_up_once_the_live_record_is_long():
    def build(width):
        return join_rows(
            make_rows(60, width=width, version=0, live=False),
            make_rows(
                30,
                width=1.0,
                noise=0.05,
                seed=round(width * 10),
                version=1,
                start=START + timedelta(days=60),
            ),
        )

    rows = {"persistence": build(WIDE), "xgboost": build(1.0)}
    record = make_record(rows, days=90)
    lent = decide_title(record, RULE)
    given_up = decide_title(record, replace(RULE, live_hours_enough=24 * 28))
    first, second = (
        next(f for f in verdict.findings if f.rival == "xgboost") for verdict in (lent, given_up)
    )
    assert first.evidence > 1000 * second.evidence
    assert second.state != "proven"


def test_rows_before_a_later_reign_do_not_count():
    rows = {"persistence": make_rows(60, width=WIDE), "xgboost": make_rows(60)}
    held_from = START + timedelta(days=55)
    late = make_record(rows, held_from=held_from, crowned_at=held_from - timedelta(weeks=13))
    verdict = decide_title(late, RULE)
    assert (verdict.outcome, verdict.deciding.shared_hours) == ("keep_champion", 5 * 24)


def test_evidence_of_another_recipe_outlives_a_hand_over_within_the_champions_own():
    """Version 2 took over five days ago; what xgboost has shown against version 1 still counts."""
    held_from = START + timedelta(days=55)
    rows = {
        "persistence": join_rows(
            make_rows(60, width=WIDE, version=1), make_rows(60, width=WIDE, version=2)
        ),
        "xgboost": make_rows(60),
    }
    record = make_record(
        rows,
        version=2,
        held_from=held_from,
        earlier=[(START, 1)],
        crowned_at=START - timedelta(weeks=13),
    )
    verdict = decide_title(record, RULE)
    assert (verdict.outcome, verdict.champion_version) == ("promote_challenger", 2)
    hours = {finding.rival: finding.shared_hours for finding in verdict.findings}
    assert hours == {"xgboost": 60 * 24, "persistence": 5 * 24}


def test_the_title_is_followed_through_its_versions():
    """Of every hour, the row of the version that served then; an hour it missed is missing."""
    both = join_rows(make_rows(4, version=1), make_rows(4, version=2))
    days = (START, START + timedelta(days=3))
    spans = [HeldSpan(to_datetime64(day), "xgboost", 1 + n) for n, day in enumerate(days)]
    followed = follow_title({"xgboost": both}, spans)
    assert followed.model_version.tolist() == [1] * 72 + [2] * 24
    assert followed.as_of.tolist() == make_rows(4).as_of.tolist()


def test_evidence_begins_anew_after_two_years():
    rows = {"persistence": make_rows(733, width=WIDE), "xgboost": make_rows(733)}
    verdict = decide_title(make_record(rows, days=733), RULE)
    hours = {finding.rival: finding.shared_hours for finding in verdict.findings}
    assert hours == {"xgboost": 5 * 24, "persistence": 733 * 24}


def test_a_second_reign_soon_after_the_first_hour_has_the_replayed_record_too():
    rows = {
        name: join_rows(
            make_rows(50, width=width, version=0, live=False),
            make_rows(10, width=width, version=2, start=START + timedelta(days=50)),
        )
        for name, width in (("persistence", WIDE), ("persistence_ewma", WIDE), ("xgboost", 1.0))
    }
    held_from = START + timedelta(days=55)
    record = make_record(
        rows,
        champion="persistence_ewma",
        version=2,
        held_from=held_from,
        crowned_at=held_from - timedelta(days=5),
    )
    verdict = decide_title(record, RULE)
    assert (verdict.outcome, verdict.challenger_version) == ("promote_challenger", 2)
    assert verdict.deciding.shared_hours == 60 * 24


def test_g2_asks_a_person_when_the_unweighted_loss_disagrees():
    """Better in all calm hours, worse in the few wild ones, which weigh little in sigma."""

    def build(calm, wild):
        rows = make_rows(60, width=calm)
        is_wild = np.arange(len(rows)) % 24 == 0
        scale = np.where(is_wild, 200.0, 1.0)
        widths = np.where(is_wild, wild / calm, 1.0) * scale
        return replace(
            rows,
            sigma=rows.sigma * scale,
            quantiles=rows.quantiles * widths[:, None],
            realised=rows.realised * scale,
        )

    rows = {"persistence": build(WIDE, 1.0), "xgboost": build(1.0, WIDE)}
    verdict = decide_title(make_record(rows), RULE)
    assert (verdict.outcome, verdict.deciding.state) == ("ask_human", "contested")
    guard = find_guards(verdict.deciding, "G2")[0]
    assert (guard.holds, guard.value > 1) == (False, True)


def test_g3_a_model_worse_than_a_baseline_does_not_take_the_title():
    rows = {
        "persistence_ewma": make_rows(60, width=2.6),
        "xgboost": make_rows(60, width=1.8),
        "persistence": make_rows(60),
    }
    record = make_record(rows, champion="persistence_ewma")
    verdict = decide_title(record, RULE)
    states = {finding.rival: finding.state for finding in verdict.findings}
    assert (verdict.challenger, states["xgboost"]) == ("persistence", "blocked")
    blocked = next(finding for finding in verdict.findings if finding.rival == "xgboost")
    assert [guard.holds for guard in find_guards(blocked, "G3")] == [False, False, True]
    assert [guard.holds for guard in find_guards(blocked, "G6")] == [False, True]


def test_g3_a_model_no_better_than_a_baseline_waits_behind_it():
    ewma = make_rows(60, noise=0.05, seed=1)
    rows = {
        "persistence": make_rows(60, width=WIDE),
        "persistence_ewma": ewma,
        "xgboost": make_rows(60, noise=0.12, seed=2),
    }
    verdict = decide_title(make_record(rows), RULE)
    assert verdict.challenger == "persistence_ewma"
    blocked = next(finding for finding in verdict.findings if finding.rival == "xgboost")
    assert blocked.state == "blocked"


def test_g6_a_model_that_only_resembles_the_better_baseline_waits_for_it():
    """By luck its loss is lower than the better baseline's, which is no proof."""
    rows = {
        "persistence": make_rows(60, width=WIDE),
        "persistence_ewma": make_rows(60, noise=0.12, seed=1),
        "xgboost": make_rows(60, noise=0.12, seed=2),
    }
    verdict = decide_title(make_record(rows), RULE)
    assert verdict.challenger == "persistence_ewma"
    blocked = next(finding for finding in verdict.findings if finding.rival == "xgboost")
    assert [guard.holds for guard in find_guards(blocked, "G3")] == [True, True, True]
    against = find_guards(blocked, "G6")
    assert [guard.holds for guard in against] == [True, False]
    assert against[1].value < against[1].limit == RULE.threshold


def test_g6_a_model_proven_against_all_baselines_passes_them():
    rows = {
        "persistence": make_rows(60, width=WIDE),
        "persistence_ewma": make_rows(60, width=1.3),
        "xgboost": make_rows(60),
    }
    verdict = decide_title(make_record(rows), RULE)
    assert (verdict.outcome, verdict.challenger) == ("promote_challenger", "xgboost")
    assert all(guard.value >= RULE.threshold for guard in find_guards(verdict.deciding, "G6"))


def test_g4_a_rival_that_misses_hours_is_blocked():
    fresh = make_rows(60)
    rows = {
        "persistence": make_rows(60, width=WIDE),
        "xgboost": fresh.take(np.arange(len(fresh)) % 12 != 0),
    }
    finding = decide_title(make_record(rows), RULE).deciding
    assert (finding.state, finding.dropped_hours) == ("blocked", 119)
    assert find_guards(finding, "G4")[0].value == pytest.approx(11 / 12, abs=0.001)
    assert find_guards(finding, "G5")[0].value == 119


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_g4_forecasts_that_are_not_finite_count_as_missing(broken):
    fresh = make_rows(60)
    quantiles = fresh.quantiles.copy()
    quantiles[::12, 4] = broken
    rows = {
        "persistence": make_rows(60, width=WIDE),
        "xgboost": replace(fresh, quantiles=quantiles),
    }
    finding = decide_title(make_record(rows), RULE).deciding
    assert (finding.state, finding.shared_hours) == ("blocked", 1320)


def test_g4_forecasts_of_another_size_are_blocked():
    rows = {"persistence": make_rows(60, width=9.0), "xgboost": make_rows(60)}
    finding = decide_title(make_record(rows), RULE).deciding
    assert (finding.state, find_guards(finding, "G4")[1].value) == ("blocked", pytest.approx(9.0))


def test_g4_a_forecast_of_nothing_has_no_size():
    rows = {"persistence": make_rows(60, width=WIDE), "xgboost": make_rows(60, width=0.0)}
    finding = next(
        one for one in decide_title(make_record(rows), RULE).findings if one.rival == "xgboost"
    )
    assert find_guards(finding, "G4")[1].value is None


def test_a_champion_that_loses_nothing_has_no_gain_to_name():
    """A market that stands still and forecasts that say so: nothing divides by zero."""
    still = make_rows(30, width=0.0)
    still = replace(still, realised=np.zeros(len(still)))
    verdict = decide_title(make_record({"persistence": still, "xgboost": still}, days=30), RULE)
    assert (verdict.outcome, verdict.findings[0].gain_frac) == ("keep_champion", None)


def test_days_with_too_few_hours_are_skipped_and_counted():
    fresh = make_rows(60)
    day = np.arange(len(fresh)) // 24
    hour = np.arange(len(fresh)) % 24
    rows = {
        "persistence": make_rows(60, width=WIDE),
        "xgboost": fresh.take(~((day == 30) & (hour < 5)) & (day != 40)),
    }
    finding = decide_title(make_record(rows), RULE).deciding
    assert (finding.blocks, finding.skipped_blocks) == (57, 3)


def test_an_unfinished_day_waits():
    rows = {"persistence": make_rows(60, width=WIDE), "xgboost": make_rows(60)}
    record = make_record(rows)
    early = replace(record, as_of=record.as_of - timedelta(hours=1))
    blocks = [decide_title(one, RULE).deciding.blocks for one in (record, early)]
    assert blocks == [59, 58]


def test_nothing_after_as_of_is_seen():
    rows = {"persistence": make_rows(90, width=WIDE), "xgboost": make_rows(90)}
    cut = {name: make.take(np.arange(60 * 24)) for name, make in rows.items()}
    assert decide_title(make_record(rows), RULE) == decide_title(make_record(cut), RULE)


def test_the_order_of_the_rows_does_not_matter():
    rows = {"persistence": make_rows(60, width=WIDE), "xgboost": make_rows(60)}
    mixed = {
        name: rows[name].take(np.random.default_rng(0).permutation(60 * 24))
        for name in reversed(rows)
    }
    assert decide_title(make_record(rows), RULE) == decide_title(make_record(mixed), RULE)


def test_the_newest_version_speaks_for_a_recipe_live_before_replayed():
    rows = join_rows(
        make_rows(2, version=3),
        make_rows(2, version=4, start=START + timedelta(days=1)),
        make_rows(3, version=0, live=False),
    )
    fresh = select_fresh(rows)
    assert fresh.model_version.tolist() == [3] * 24 + [4] * 48
    assert select_version(rows, 3).model_version.tolist() == [3] * 48 + [0] * 24
    assert len(select_fresh(rows.take(np.zeros(len(rows), bool)))) == 0


def test_of_two_winners_the_larger_gain_takes_the_title():
    rows = {
        "persistence": make_rows(90, width=2.4),
        "persistence_ewma": make_rows(90, width=1.5),
        "xgboost": make_rows(90),
    }
    verdict = decide_title(make_record(rows, days=90), RULE)
    assert [f.rival for f in verdict.findings if f.state == "proven"] == [
        "xgboost",
        "persistence_ewma",
    ]


@pytest.mark.parametrize(("stake", "blocks"), [("band", 119), ("point", 39)])
def test_long_horizons_bet_on_whole_targets(stake, blocks):
    rows = {
        "persistence": make_rows(120, width=2.2, shift=1.0, horizon=24),
        "xgboost": make_rows(120, horizon=24),
    }
    verdict = decide_title(make_record(rows, days=120, horizon=24), GateRule(stake=stake))
    assert verdict.deciding.blocks == pytest.approx(blocks, abs=1)
    assert verdict.outcome == "promote_challenger"


def test_the_point_stake_sees_medians_only():
    rule = GateRule(stake="point")
    wide = {"persistence": make_rows(60, width=WIDE), "xgboost": make_rows(60)}
    tied = decide_title(make_record(wide), rule)
    assert {finding.state for finding in tied.findings} == {"tie"}
    shifted = {"persistence": make_rows(60, shift=0.4), "xgboost": make_rows(60)}
    verdict = decide_title(make_record(shifted), rule)
    assert (verdict.outcome, verdict.deciding.gain_frac > 0.05) == ("promote_challenger", True)


def test_a_recipe_unknown_to_the_roster_comes_last():
    same = make_rows(30)
    rows = dict.fromkeys(("unknown", "xgboost", "persistence"), same)
    limits = {f.rival: f.threshold for f in decide_title(make_record(rows, days=30), RULE).findings}
    assert limits == {"persistence": 40.0, "xgboost": 80.0, "unknown": 240.0}
    assert "unknown" not in BASELINES


def test_facts_are_json():
    import json

    rows = {"persistence": make_rows(30, width=WIDE), "xgboost": make_rows(30)}
    facts = json.loads(json.dumps(decide_title(make_record(rows, days=30), RULE).to_facts()))
    assert facts["findings"][0]["guards"][0]["name"] == "G1"
    assert facts["refresh_from"] == "2026-04-06T00:00:00+00:00"
