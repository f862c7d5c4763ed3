"""The canaries: what is planted is flagged, by the detector that also looks at the real rows."""

from dataclasses import replace

import numpy as np
import pytest

from builders import make_candles, make_predictable_returns
from ringside.core.canaries import (
    PEEKING,
    PLAUSIBLE_SKILL,
    find_peeking,
    find_strays,
    is_implausible,
    measure_planted_skill,
    plant_peeking,
    require_blindness,
    require_canaries,
    shift_target,
)
from ringside.core.candles import HOUR
from ringside.core.contestants import CONTESTANTS, PersistenceEwma
from ringside.core.features import compute_features
from ringside.core.splits import make_sample
from ringside.errors import CanaryMissedError, LeakFoundError

COUNT = 1500
LEARNERS = sorted(name for name, kind in CONTESTANTS.items() if not kind.is_baseline)


def make_market(horizon=1, returns=None):
    candles = make_candles(COUNT, seed=8, returns=returns)
    table = compute_features(candles)
    as_of = candles.close_time[-1]
    return candles, make_sample(table, horizon=horizon, as_of=as_of, train_days=60)


@pytest.mark.parametrize("horizon", [1, 6, 24])
@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_is_caught_with_the_answer_in_hand(name, horizon):
    candles, sample = make_market(horizon)
    facts = require_canaries(CONTESTANTS[name], sample, candles, seed=1)

    assert facts.planted_skill > PLAUSIBLE_SKILL
    assert facts.shifted_rows > 0.9 * facts.rows


@pytest.mark.parametrize("rows", [240, 700])
def test_answer_is_caught_with_few_rows_too(rows):
    _, sample = make_market()
    skill = measure_planted_skill(
        CONTESTANTS["xgboost"], sample.take(np.arange(len(sample))[-rows:]), seed=1
    )
    assert is_implausible(skill)


def test_honest_momentum_is_no_leak():
    """Four fifths of an hour's return repeat in the next: more than any market gives."""
    from ringside.core.metrics import compute_skill
    from ringside.core.trials import find_steps, try_out

    _, sample = make_market(returns=make_predictable_returns(COUNT, seed=3))
    step = find_steps(sample)[-1]
    learner, baseline = CONTESTANTS["xgboost"](), PersistenceEwma()
    for one in (learner, baseline):
        one.fit(step.fit, seed=1)
    skill = compute_skill(try_out(learner, step.test).loss, try_out(baseline, step.test).loss)
    assert skill > 0.2
    assert not is_implausible(skill)


@pytest.mark.parametrize("horizon", [1, 6, 24])
def test_copying_the_last_price_scores_exactly_what_persistence_scores(horizon):
    candles, sample = make_market(horizon)
    assert find_strays(sample, candles) == 0
    assert find_strays(shift_target(sample), candles) > 0.9 * len(sample)


def test_single_wrong_target_is_found_and_refused():
    candles, sample = make_market(6)
    target = sample.target.copy()
    target[77] = np.nextafter(target[77], 1)
    altered = replace(sample, target=target)
    assert find_strays(altered, candles) in (0, 1)  # the last bit may be lost in the loss
    target[77] += 1e-9
    with pytest.raises(LeakFoundError, match=r"1 of .* targets at horizon 6"):
        require_canaries(CONTESTANTS["xgboost"], replace(sample, target=target), candles, seed=1)


def test_target_of_missing_candles_cannot_be_proved():
    candles, sample = make_market()
    holed = candles.take(np.arange(COUNT) != COUNT - 10)
    assert find_strays(sample, holed) == 2


class Blind(PersistenceEwma):
    """Looks at no feature, so that no planted column can show."""

    is_baseline = False


def test_canary_that_sings_unheard_fails_the_run():
    candles, sample = make_market()
    with pytest.raises(CanaryMissedError, match="saved 0% of the loss"):
        require_canaries(Blind, sample, candles, seed=1)


def test_shifted_target_that_shows_nothing_fails_the_run():
    """Where every hour moved alike, a shift cannot show, so the canary proves nothing."""
    _, sample = make_market()
    steady = make_candles(COUNT, returns=np.zeros(COUNT))
    alike = replace(sample, target=np.zeros(len(sample)))
    with pytest.raises(CanaryMissedError, match="shifted by one hour"):
        require_canaries(CONTESTANTS["xgboost"], alike, steady, seed=1)


def test_registered_features_are_blind_and_a_peeking_one_is_named():
    candles, _ = make_market()
    require_blindness(compute_features, candles)
    assert find_peeking(plant_peeking(compute_features), candles) == (PEEKING,)


@pytest.mark.parametrize("what", ["feature", "sigma"])
def test_feature_without_its_shift_stops_the_run(what):
    def compute(candles):
        table = compute_features(candles)
        if what == "sigma":
            return replace(table, sigma=np.append(table.sigma[1:], np.nan))
        return replace(table, values=np.vstack([table.values[1:], table.values[-1:]]))

    candles, _ = make_market()
    with pytest.raises(LeakFoundError, match="return_1h" if what == "feature" else "sigma"):
        require_blindness(compute, candles)


def test_probe_that_finds_nothing_fails_the_run(monkeypatch):
    candles, _ = make_market()
    monkeypatch.setattr("ringside.core.canaries.plant_peeking", lambda compute: compute)
    with pytest.raises(CanaryMissedError, match="next hour's return"):
        require_blindness(compute_features, candles)


def test_short_history_is_probed_where_it_reaches():
    candles = make_candles(30)
    assert find_peeking(compute_features, candles) == ()
    assert candles.close_time[-1] - candles.open_time[0] == 30 * HOUR
