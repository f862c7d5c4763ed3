"""Contestants: one contract for all, and what each of them is."""

import numpy as np
import pytest

from model_builders import make_sample
from ringside.core.contestants import CONTESTANTS, Persistence, PersistenceEwma, Xgboost
from ringside.core.metrics import compute_pinball_loss
from ringside.core.quantiles import LEVELS, are_sound
from ringside.core.titles import BASELINES, CHALLENGING, FIRST_CHAMPION
from ringside.errors import ModelRefusedError

every_contestant = pytest.mark.parametrize("name", CONTESTANTS)


def fit(name, sample=None, seed=1):
    contestant = CONTESTANTS[name]()
    contestant.fit(make_sample() if sample is None else sample, seed=seed)
    return contestant


@every_contestant
def test_forecasts_are_sound(name):
    sample = make_sample()
    quantiles = fit(name).forecast(sample.features, sample.sigma)
    assert quantiles.shape == (len(sample), len(LEVELS))
    assert are_sound(quantiles)


@every_contestant
def test_same_rows_and_seed_make_the_same_files(name):
    assert fit(name).save() == fit(name).save()


@every_contestant
def test_saved_and_loaded_forecasts_the_same_to_the_last_bit(name):
    sample = make_sample(seed=9)
    fitted = fit(name)
    loaded = CONTESTANTS[name].load(fitted.save())
    np.testing.assert_array_equal(
        loaded.forecast(sample.features, sample.sigma),
        fitted.forecast(sample.features, sample.sigma),
    )


@every_contestant
def test_one_row_forecasts_as_it_does_among_many(name):
    sample = make_sample()
    contestant = fit(name)
    many = contestant.forecast(sample.features, sample.sigma)
    one = contestant.forecast(sample.features[7:8], sample.sigma[7:8])
    np.testing.assert_array_equal(one[0], many[7])


@every_contestant
def test_files_of_another_kind_are_refused(name):
    for files in ({}, {"band.json": b"{}"}, {"band.json": b'{"band": [3, 2, 1, 0, -1]}'}):
        with pytest.raises(ModelRefusedError):
            CONTESTANTS[name].load(files)


@every_contestant
def test_no_file_is_a_pickle(name):
    for content in fit(name).save().values():
        assert content[:1] == b"{"


def test_baselines_are_those_the_titles_know():
    baselines = {name for name, kind in CONTESTANTS.items() if kind.is_baseline}
    assert baselines == set(BASELINES)
    assert CHALLENGING in set(CONTESTANTS) - baselines
    assert FIRST_CHAMPION in baselines


def test_persistence_repeats_the_quantiles_of_the_returns():
    sample = make_sample()
    band = fit("persistence").forecast(sample.features[:2], sample.sigma[:2])
    expected = np.quantile(sample.target, LEVELS)
    expected[2] = 0.0
    np.testing.assert_array_equal(band, [expected, expected])


def test_persistence_ewma_grows_with_sigma():
    sample = make_sample()
    contestant = fit("persistence_ewma")
    narrow, wide = contestant.forecast(sample.features[:2], np.array([0.001, 0.003]))
    np.testing.assert_allclose(wide, 3 * narrow)
    expected = np.quantile(sample.target / sample.sigma, LEVELS)
    expected[2] = 0.0
    np.testing.assert_allclose(narrow, 0.001 * expected)


def test_xgboost_finds_a_planted_pull_and_beats_the_band():
    train, test = make_sample(3000, pull=0.7, seed=1), make_sample(1000, pull=0.7, seed=2)
    losses = {
        name: compute_pinball_loss(
            test.target, fit(name, train).forecast(test.features, test.sigma)
        ).mean()
        for name in ("persistence_ewma", "xgboost")
    }
    assert losses["xgboost"] < 0.97 * losses["persistence_ewma"]


def test_xgboost_learns_nothing_from_noise():
    train, test = make_sample(3000, seed=1), make_sample(2000, seed=2)
    losses = {
        name: compute_pinball_loss(
            test.target, fit(name, train).forecast(test.features, test.sigma)
        ).mean()
        for name in ("persistence_ewma", "xgboost")
    }
    assert 0.995 < losses["xgboost"] / losses["persistence_ewma"] < 1.01


def test_another_seed_makes_another_xgboost():
    assert fit("xgboost", seed=1).save() != fit("xgboost", seed=2).save()


def test_damaged_booster_is_refused():
    files = fit("xgboost").save()
    with pytest.raises(ModelRefusedError, match=r"booster\.ubj"):
        Xgboost.load({**files, "booster.ubj": files["booster.ubj"][:500]})


def test_unfitted_xgboost_neither_forecasts_nor_saves():
    with pytest.raises(ModelRefusedError, match="before it was fitted"):
        Xgboost().forecast(np.zeros((1, 3)), np.ones(1))
    with pytest.raises(ModelRefusedError, match="before it was fitted"):
        Xgboost().save()


def test_ewma_is_persistence_of_another_name():
    assert issubclass(PersistenceEwma, Persistence)
