"""What surrounds the gate: policy ledger, probation, docket and error budget."""

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from gate_builders import START, join_rows, make_hours, make_record, make_rows
from ringside.core.gate.budget import find_budget
from ringside.core.gate.decision import decide_title
from ringside.core.gate.docket import make_bundle, replay, write_bundle
from ringside.core.gate.policies import HeldSpan, compare_policies
from ringside.core.gate.probation import watch_champion
from ringside.core.gate.rules import GateRule
from ringside.core.metrics import compute_pinball_loss

WIDE = 1.6
HOUR = np.timedelta64(1, "h")


def find_losses(rows):
    return compute_pinball_loss(rows.realised, rows.quantiles) / rows.sigma


def make_weeks(widths):
    """One recipe whose width changes every week; a new version each week."""
    return join_rows(
        *(
            make_rows(7, width=width, version=n + 1, start=START + timedelta(days=7 * n))
            for n, width in enumerate(widths)
        )
    )


def test_policies_agree_with_a_walk_through_the_weeks():
    fresh = {
        "persistence": make_weeks([1.0, WIDE, WIDE, 1.0, 1.0]),
        "xgboost": make_weeks([WIDE, 1.0, 1.0, WIDE, WIDE]),
    }
    title = join_rows(
        fresh["persistence"].take(np.arange(336)),
        make_rows(21, version=9, start=START + timedelta(days=14)),
    )
    hours = make_hours(35)
    reigns = [HeldSpan(hours[0], "persistence", 1), HeldSpan(hours[336], "xgboost", 9)]
    table = compare_policies(fresh, title, reigns, newest="xgboost", first="persistence")
    costs = {line.policy: line for line in table}

    held, swaps, walked = "persistence", 0, []
    for week in range(5):
        rows = np.arange(week * 168, (week + 1) * 168)
        if week:
            before = {n: find_losses(s)[rows - 168].sum() for n, s in fresh.items()}
            best = min(before, key=before.get)
            swaps, held = swaps + (best != held), best
        walked.append(find_losses(fresh[held])[rows])
    assert costs["last_week_lower"].loss == pytest.approx(np.concatenate(walked).mean())
    assert costs["last_week_lower"].swaps == swaps == 2
    assert costs["always_newest"].loss == pytest.approx(find_losses(fresh["xgboost"]).mean())
    assert costs["always_newest"].swaps == 4
    assert costs["never_change"].loss == pytest.approx(find_losses(fresh["persistence"]).mean())
    assert costs["never_change"].swaps == 0
    assert costs["gate"].loss == pytest.approx(find_losses(title).mean())
    assert (costs["gate"].swaps, costs["gate"].hours) == (1, 840)


def test_policies_share_their_hours():
    fresh = {"persistence": make_rows(10), "xgboost": make_rows(4, start=START + timedelta(days=8))}
    table = compare_policies(fresh, make_rows(10), [], newest="xgboost", first="persistence")
    assert {line.hours for line in table} == {48}
    nowhere = make_rows(2, start=START + timedelta(days=30))
    assert compare_policies(fresh, nowhere, [], newest="xgboost", first="persistence") == []


def test_a_tie_keeps_the_holder():
    same = make_rows(21)
    table = compare_policies({"a": same, "b": same}, same, [], newest="a", first="b")
    assert {line.policy: line.swaps for line in table}["last_week_lower"] == 0


def watch(champion, previous, *, budget=40.0, days=40, promoted_days=10):
    return watch_champion(
        champion,
        previous,
        promoted_at=np.datetime64(START.replace(tzinfo=None), "s") + promoted_days * 24 * HOUR,
        known_at=np.datetime64(START.replace(tzinfo=None), "s") + days * 24 * HOUR,
        horizon=1,
        budget_hours=budget,
    )


def test_a_champion_that_loses_its_budget_is_rolled_back():
    good, bad = make_rows(40), make_rows(40, width=2.5, version=2)
    found = watch(bad, good)
    excess = (find_losses(bad) - find_losses(good))[240:]
    walked = np.cumsum(excess) / find_losses(good)[240:].mean()
    assert found.must_roll_back
    assert found.lost_now == pytest.approx(walked[-1])
    assert found.lost == pytest.approx(walked.max())
    first = next(n for n, lost in enumerate(walked) if lost > 40)
    assert found.spent_at == str(good.as_of[240 + first])
    assert found.hours == 720


def test_a_better_champion_passes_its_probation():
    found = watch(make_rows(40, version=2), make_rows(40, width=WIDE))
    assert (found.must_roll_back, found.lost_now < 0, found.lost >= 0) == (False, True, True)


def test_only_live_hours_since_the_promotion_count():
    good, bad = make_rows(40), make_rows(40, width=2.5, version=2)
    replayed = replace(bad, is_live=np.zeros(len(bad), bool))
    assert watch(replayed, good).hours == 0
    assert not watch(replayed, good).must_roll_back
    assert watch(bad, good, promoted_days=39).hours == 24


RULE = GateRule()


@pytest.fixture
def record():
    return make_record(
        {"persistence": make_rows(20, width=WIDE), "xgboost": make_rows(20)}, days=20
    )


def bundle_up(record):
    return make_bundle(record, decide_title(record, RULE), code_id="abc")


def store(bundle):
    return json.loads(write_bundle(bundle))


def test_a_bundle_is_the_same_twice_and_replays(record):
    bundle = bundle_up(record)
    assert write_bundle(bundle) == write_bundle(bundle_up(record))
    assert replay(store(bundle), record, code_id="abc").matches
    assert len(bundle["rows"]["xgboost"]) == 480
    assert bundle["verdict"]["outcome"] == "keep_champion"


def test_block_losses_come_from_the_rows(record):
    found = bundle_up(record)["block_losses"]["xgboost"]
    paid = find_losses(record.rows["persistence"])
    saved = paid - find_losses(record.rows["xgboost"])
    assert found["start"][0] == "2026-01-06T00:00:00"
    assert found["saved"][0] == pytest.approx(saved[24:48].sum())
    assert found["cost"][3] == pytest.approx(paid[96:120].sum())


@pytest.mark.parametrize("column", ["quantiles", "realised", "sigma", "is_live"])
def test_a_changed_row_fails_the_replay_and_is_named(record, column):
    bundle = store(bundle_up(record))
    rows = record.rows["xgboost"]
    values = getattr(rows, column).copy()
    values[100] = ~values[100] if column == "is_live" else np.nextafter(values[100], 9)
    tampered = replace(record, rows={**record.rows, "xgboost": replace(rows, **{column: values})})
    found = replay(bundle, tampered, code_id="abc")
    assert found.changed == ("xgboost/1/2026-01-09T04:00:00",)
    assert (found.missing, found.added, found.matches) == ((), (), False)


def test_missing_and_added_rows_are_named(record):
    bundle = store(bundle_up(record))
    rows = record.rows["xgboost"]
    fewer = replace(record, rows={**record.rows, "xgboost": rows.take(np.arange(len(rows)) != 7)})
    assert replay(bundle, fewer, code_id="abc").missing == ("xgboost/1/2026-01-05T07:00:00",)
    added = replay(store(bundle_up(fewer)), record, code_id="abc")
    assert added.added == ("xgboost/1/2026-01-05T07:00:00",)


def test_rows_that_came_later_do_not_matter(record):
    bundle = store(bundle_up(record))
    later = replace(
        record, rows={"persistence": make_rows(30, width=WIDE), "xgboost": make_rows(30)}
    )
    assert replay(bundle, later, code_id="abc").matches


def test_other_code_and_another_champion_are_differences(record):
    bundle = store(bundle_up(record))
    assert replay(bundle, record, code_id="def").differences == ("code_id",)
    other = replace(record, champion="xgboost", crowned_at=record.crowned_at - timedelta(days=91))
    assert set(replay(bundle, other, code_id="abc").differences) == {
        "title",
        "block_losses",
        "verdict",
    }


def test_a_title_without_a_champion_on_record_has_a_bundle_too():
    bundle = bundle_up(make_record({"xgboost": make_rows(2)}, days=2))
    assert bundle["block_losses"]["xgboost"]["saved"] == []
    assert bundle["verdict"]["outcome"] == "keep_champion"


@pytest.mark.parametrize(("titles", "expected", "any_title"), [(3, 0.15, 0.15), (30, 1.5, 1.0)])
def test_the_budget_adds_up_over_titles(titles, expected, any_title):
    budget = find_budget(titles, RULE)
    assert (budget.per_reign, budget.expected, budget.any_title) == (0.05, expected, any_title)
