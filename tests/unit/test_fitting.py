"""Training without stores: sanity, leaks and absurd losses stop it; twice gives the same bytes."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from builders import START, make_candles
from ringside.core.contestants import CONTESTANTS, PersistenceEwma
from ringside.errors import HistoryTooShortError, LeakFoundError, TrainingRefusedError
from ringside.jobs.fitting import Inputs, fit_contestants

COUNT = 700


def make_inputs(count=COUNT, **candles):
    return Inputs(
        candles=make_candles(count, **candles),
        as_of=START + timedelta(hours=count),
        horizons=(1,),
        train_days=30,
        seed=1,
    )


@pytest.mark.parametrize("count", [0, 10, 300])
def test_short_history_says_how_much_it_takes(count):
    inputs = make_inputs(max(count, 1))
    inputs = replace(inputs, candles=inputs.candles.take(slice(0, count)))
    with pytest.raises(HistoryTooShortError, match=rf"has {count} closed .* takes about 410"):
        fit_contestants(inputs)


def test_constant_prices_are_refused_by_name():
    with pytest.raises(TrainingRefusedError, match="has not moved in 700 candles"):
        fit_contestants(make_inputs(returns=np.zeros(COUNT)))


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_unsound_candles_count_as_missing(value):
    inputs = make_inputs()
    inputs.candles.close[100:110] = value
    gapped = replace(
        inputs, candles=inputs.candles.take(np.setdiff1d(np.arange(COUNT), np.arange(100, 110)))
    )
    unsound, without = fit_contestants(inputs), fit_contestants(gapped)
    assert [one.files for one in unsound] == [one.files for one in without]


def test_same_inputs_give_the_same_bytes_and_figures():
    first, second = fit_contestants(make_inputs()), fit_contestants(make_inputs())
    assert [one.contestant for one in first] == list(CONTESTANTS)
    for one, other in zip(first, second, strict=True):
        assert one.files == other.files
        assert one.metrics == other.metrics
        assert one.importances == other.importances


def test_figures_are_out_of_sample_against_both_baselines_with_three_seeds():
    by_name = {one.contestant: one for one in fit_contestants(make_inputs())}
    for name, one in by_name.items():
        assert one.metrics[f"oos_skill_{name}"] == 0 if "persistence" in name else True
        seeds = [one.metrics[f"oos_scaled_loss_seed_{seed}"] for seed in (1, 2, 3)]
        assert one.metrics["oos_seed_spread"] == max(seeds) - min(seeds)
        assert bool(one.importances) == (not CONTESTANTS[name].is_baseline)
    own = by_name["xgboost"].metrics
    base = by_name["persistence"].metrics["oos_scaled_loss"]
    expected = 1 - own["oos_scaled_loss"] / base
    assert own["oos_skill_persistence"] == pytest.approx(expected, rel=1e-9)
    assert own["oos_seed_spread"] > 0
    assert by_name["linear"].metrics["oos_seed_spread"] == 0


class Wide(PersistenceEwma):
    """A band that is a hundred times too wide."""

    name = "wide"

    def forecast(self, features, sigma):
        return 100 * super().forecast(features, sigma)


def test_absurd_loss_is_refused(monkeypatch):
    monkeypatch.setitem(CONTESTANTS, "wide", Wide)
    with pytest.raises(TrainingRefusedError, match="wide at horizon 1 loses"):
        fit_contestants(make_inputs())


def test_skill_too_good_to_be_true_is_a_leak():
    """Every second hour takes the last one back: the direction is known, and so is the size."""
    steps = 0.004 * (-1.0) ** np.arange(COUNT) * np.repeat(np.linspace(0.9, 1.1, COUNT // 2), 2)
    with pytest.raises(LeakFoundError, match="out of sample; more than 45% is a leak"):
        fit_contestants(make_inputs(returns=steps))
