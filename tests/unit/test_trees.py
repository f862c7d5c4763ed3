"""Trees read as arrays say what XGBoost says, to the last bit, and refuse what they cannot read."""

from dataclasses import replace

import numpy as np
import pytest
import xgboost

from ringside.core.contestants.trees import Trees
from ringside.core.contestants.xgboost import SETTINGS
from ringside.core.quantiles import LEVELS

WIDTH = 12


def fit(rounds: int = 12, **changes) -> xgboost.Booster:
    """Fit on noise with a pattern and missing values, so that leaves lie at several depths."""
    rng = np.random.default_rng(3)
    features = rng.normal(size=(900, WIDTH))
    target = np.where(features[:, 0] > 0, 1.0, -1.0) * features[:, 1] + rng.normal(size=900)
    features[rng.random(features.shape) < 0.1] = np.nan
    data = xgboost.DMatrix(features, label=target, nthread=1)
    return xgboost.train(SETTINGS | changes, data, num_boost_round=rounds)


@pytest.mark.parametrize(
    "changes",
    [{}, {"max_depth": 6, "min_child_weight": 40}, {"max_depth": 1}, {"gamma": 1e9}],
    ids=["as ours", "leaves at many depths", "stumps", "nothing but leaves"],
)
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_sum_is_that_of_the_library(changes, missing):
    booster = fit(**changes)
    rng = np.random.default_rng(4)
    features = rng.normal(scale=2, size=(400, WIDTH))
    features[rng.random(features.shape) < missing] = np.nan
    # thresholds lie on values seen: these rows stand exactly on them, in single precision
    features[200:] = features[200:].astype(np.float32)
    margin = np.array([-1.7, -0.6, 1e-9, 0.6, 1.7])
    expected = booster.inplace_predict(
        features, base_margin=np.tile(margin, (400, 1)), validate_features=False
    )
    trees = Trees.read(booster, levels=len(LEVELS))
    np.testing.assert_array_equal(trees.sum(features, margin), expected)


def test_row_on_a_threshold_goes_right():
    booster = fit()
    trees = Trees.read(booster, levels=len(LEVELS))
    root = trees.roots[0, 0]
    row = np.zeros((1, WIDTH))
    row[0, trees.feature[root]] = trees.threshold[root]
    margin = np.zeros(len(LEVELS))
    expected = booster.inplace_predict(
        row, base_margin=margin[None], validate_features=False
    ).reshape(1, -1)
    np.testing.assert_array_equal(trees.sum(row, margin), expected)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"num_parallel_tree": 2}, "its trees are not 5 a round"),
        ({"multi_strategy": "multi_output_tree"}, "its trees are not 5 a round"),
        ({"booster": "dart"}, "a booster of kind dart"),
    ],
)
def test_booster_of_another_kind_is_refused(changes, reason):
    with pytest.raises(ValueError, match=reason):
        Trees.read(fit(rounds=3, **changes), levels=len(LEVELS))


def test_written_trees_come_back_and_strange_ones_are_refused():
    trees = Trees.read(fit(), levels=len(LEVELS))
    content = trees.to_bytes()
    back = Trees.from_bytes(content, levels=len(LEVELS))
    for name, value in vars(trees).items():
        np.testing.assert_array_equal(getattr(back, name), value)
        assert np.asarray(getattr(back, name)).dtype == np.asarray(value).dtype
    with pytest.raises(ValueError, match="not 7 a round"):
        Trees.from_bytes(content, levels=7)
    for change, reason in (
        ({"child": trees.child[::-1]}, "back or nowhere"),
        ({"child": trees.child + len(trees.feature)}, "back or nowhere"),
        ({"feature": trees.feature - 99}, "no feature"),
    ):
        strange = replace(trees, **change).to_bytes()
        with pytest.raises(ValueError, match=reason):
            Trees.from_bytes(strange, levels=len(LEVELS))
