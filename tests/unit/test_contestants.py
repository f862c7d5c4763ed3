"""Contestants: one contract for all, and what each of them is."""

import json
from dataclasses import replace

import numpy as np
import pytest

from model_builders import make_sample
from ringside.core.candles import HOUR
from ringside.core.contestants import (
    CONTESTANTS,
    Linear,
    Persistence,
    PersistenceEwma,
    Sample,
    Xgboost,
)
from ringside.core.contestants.linear import LinearParams
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
    for file, content in fit(name).save().items():
        assert content[:6] == b"\x93NUMPY" if file.endswith(".npy") else content[:1] == b"{"


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


def test_another_seed_makes_another_xgboost():
    assert fit("xgboost", seed=1).save() != fit("xgboost", seed=2).save()


def test_damaged_booster_is_refused():
    files = fit("xgboost").save()
    damaged = {**files, "booster.ubj": files["booster.ubj"][:500]}
    with pytest.raises(ModelRefusedError, match=r"booster\.ubj"):
        Xgboost.load(damaged).forecast(np.zeros((9, 24)), np.ones(9))
    del damaged["trees.npy"]
    with pytest.raises(ModelRefusedError, match=r"booster\.ubj"):
        Xgboost.load(damaged)


def test_damaged_trees_are_refused():
    files = fit("xgboost").save()
    for content in (b"", b"\x93NUMPY", files["trees.npy"][:500], files["band.json"]):
        with pytest.raises(ModelRefusedError, match=r"trees\.npy"):
            Xgboost.load({**files, "trees.npy": content})


def test_model_of_a_time_before_trees_were_kept_forecasts_the_same():
    sample = make_sample(seed=9)
    files = fit("xgboost").save()
    old = Xgboost.load({name: files[name] for name in files if name != "trees.npy"})
    new = Xgboost.load(files)
    for rows in (slice(0, 1), slice(None)):
        asked = sample.features[rows], sample.sigma[rows]
        np.testing.assert_array_equal(old.forecast(*asked), new.forecast(*asked))


def test_unfitted_xgboost_neither_forecasts_nor_saves():
    with pytest.raises(ModelRefusedError, match="before it was fitted"):
        Xgboost().forecast(np.zeros((1, 3)), np.ones(1))
    with pytest.raises(ModelRefusedError, match="before it was fitted"):
        Xgboost().save()


@pytest.mark.parametrize("name", ["xgboost", "linear"])
def test_model_finds_a_planted_pull_and_leaves_noise_alone(name):
    for pull, low, high in ((0.7, 0.0, 0.97), (0.0, 0.995, 1.01)):
        train = make_sample(3000, pull=pull, seed=1)
        test = make_sample(2000, pull=pull, seed=2)
        band, model = (
            compute_pinball_loss(
                test.target, fit(one, train).forecast(test.features, test.sigma)
            ).mean()
            for one in ("persistence_ewma", name)
        )
        assert low < model / band < high


@every_contestant
def test_outcomes_fall_below_each_quantile_as_often_as_it_says(name):
    sample = make_sample(4000)
    quantiles = fit(name, sample).forecast(sample.features, sample.sigma)
    share = (sample.target[:, None] <= quantiles).mean(axis=0)
    np.testing.assert_allclose(share, LEVELS, atol=0.03)


@every_contestant
def test_parameters_come_back_with_the_files(name):
    chosen = CONTESTANTS[name].params_grid[-1]
    contestant = CONTESTANTS[name](chosen)
    contestant.fit(make_sample(), seed=1)
    assert CONTESTANTS[name].load(contestant.save()).params == chosen


def test_more_caution_makes_another_model():
    for name, kind in (("xgboost", Xgboost), ("linear", Linear)):
        sample = make_sample(1000, pull=0.5)
        contestant = kind(kind.params_grid[-1])
        contestant.fit(sample, seed=1)
        band = fit("persistence_ewma", sample).forecast(sample.features, sample.sigma)
        far = fit(name, sample).forecast(sample.features, sample.sigma) - band
        near = contestant.forecast(sample.features, sample.sigma) - band
        assert np.abs(near).mean() < np.abs(far).mean()


@every_contestant
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_missing_auxiliary_values_are_borne(name, share):
    """Where they are missing, the other columns decide; forecasts stay sound."""
    sample = make_sample(1000)
    names = (*sample.names, "vix_level")
    extra = np.random.default_rng(2).normal(size=len(sample))
    extra[: int(share * len(sample))] = np.nan
    sample = replace(sample, names=names, features=np.column_stack([sample.features, extra]))
    contestant = fit(name, sample)
    quantiles = contestant.forecast(sample.features, sample.sigma)
    assert are_sound(quantiles)
    loaded = CONTESTANTS[name].load(contestant.save())
    np.testing.assert_array_equal(loaded.forecast(sample.features, sample.sigma), quantiles)


def test_linear_quantile_is_that_of_a_linear_program():
    """The second way: the textbook's program, solved by SciPy's simplex of another kind."""
    from scipy.optimize import linprog

    rng = np.random.default_rng(4)
    rows = 600
    x = rng.normal(size=rows)
    sigma = np.full(rows, 0.004)
    target = sigma * (0.6 * x + rng.normal(size=rows))
    sample = Sample(
        np.datetime64("2025-01-01T00", "s") + np.arange(rows) * HOUR,
        x[:, None],
        ("return_1h",),
        sigma,
        target,
        1,
    )
    contestant = Linear(LinearParams(ridge=0.0))
    contestant.fit(sample, seed=1)
    found = contestant.forecast(np.array([[-1.0], [1.0]]), sigma[:2]) / 0.004
    for i, level in enumerate(LEVELS):
        # minimise level * over + (1 - level) * under, over - under = y - a - b x
        costs = np.concatenate([[0, 0], np.full(rows, level), np.full(rows, 1 - level)])
        equal = np.column_stack([np.ones(rows), x, np.eye(rows), -np.eye(rows)])
        bounds = [(None, None)] * 2 + [(0, None)] * (2 * rows)
        a, b = linprog(costs, A_eq=equal, b_eq=target / sigma, bounds=bounds).x[:2]
        np.testing.assert_allclose(found[:, i], [a - b, a + b], atol=0.12)


def test_waves_join_midnight_to_midnight():
    sample = make_sample(500)
    column = sample.names.index("hour_of_day")
    features = np.zeros((2, len(sample.names)))
    features[1, column] = 24.0
    sample.features[:, column] = np.arange(500) % 24
    night = fit("linear", sample).forecast(features, np.full(2, 0.004))
    np.testing.assert_allclose(night[0], night[1], rtol=1e-9)


def test_damaged_weights_are_refused():
    files = fit("linear").save()
    content = json.loads(files["linear.json"])
    damages = ({"slopes": [[1.0]]}, {"centre": None}, {"scale": "x"}, {"intercepts": [np.nan] * 5})
    for damage in damages:
        damaged = json.dumps(content | damage).encode()
        with pytest.raises(ModelRefusedError, match=r"linear\.json"):
            Linear.load({**files, "linear.json": damaged})
    with pytest.raises(ModelRefusedError, match=r"params\.json"):
        Linear.load({**files, "params.json": b'{"rounds": 3}'})


def test_unfitted_linear_neither_forecasts_nor_saves():
    with pytest.raises(ModelRefusedError, match="before it was fitted"):
        Linear().forecast(np.zeros((1, 3)), np.ones(1))
    with pytest.raises(ModelRefusedError, match="before it was fitted"):
        Linear().save()


def test_ewma_is_persistence_of_another_name():
    assert issubclass(PersistenceEwma, Persistence)
