"""Fitted trees as arrays: what one row of features costs is then the trees, not the call.

A call of XGBoost takes some 0.3 ms before it looks at the first tree, and a caller's window is one
row for each horizon. The sum is XGBoost's own to the last bit: single precision, tree after tree.
"""

import json
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import xgboost
from numpy.typing import NDArray

from ringside.core.candles import Floats

FEW_ROWS = 4
"""More rows at once are faster by XGBoost itself."""


@dataclass(frozen=True)
class Trees:
    """All nodes of all trees, tree after tree, n nodes; a leaf leads to itself.

    `feature`, `threshold` and `goes_left` (where the feature is missing) have shape (n,), `child`
    (2 * n,): left and right. `value` is that of a leaf. `roots` has shape (rounds, levels), and
    from a root it takes at most `depth` steps to a leaf.
    """

    feature: NDArray[np.intp]
    threshold: NDArray[np.float32]
    goes_left: NDArray[np.bool_]
    child: NDArray[np.intp]
    value: NDArray[np.float32]
    roots: NDArray[np.intp]
    depth: int

    @classmethod
    def read(cls, booster: xgboost.Booster, *, levels: int) -> Self:
        """Read the trees of a booster that grows one tree a level in each round.

        Raises:
            ValueError: It is another kind of booster.
        """
        model = json.loads(booster.save_raw(raw_format="json"))["learner"]["gradient_booster"]
        if model["name"] != "gbtree":
            raise ValueError(f"a booster of kind {model['name']}")
        trees, order = model["model"]["trees"], model["model"]["tree_info"]
        if order != list(range(levels)) * (len(order) // levels):
            raise ValueError(f"its trees are not {levels} a round")
        if any(tree["categories"] for tree in trees):
            raise ValueError("it splits by categories")
        roots = np.cumsum([0, *(len(tree["left_children"]) for tree in trees[:-1])])
        parts = [_read_tree(tree, int(root)) for tree, root in zip(trees, roots, strict=True)]
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        child = columns["child"].reshape(-1, 2)
        depth, nodes = 0, roots
        while (child[nodes, 0] != nodes).any():
            depth, nodes = depth + 1, np.unique(child[nodes])
        return cls(**columns, roots=roots.reshape(-1, levels), depth=depth)

    def sum(self, features: Floats, margin: Floats) -> NDArray[np.float32]:
        """Add each row's leaves to the margin.

        Args:
            features: Shape (rows, k); NaN is missing.
            margin: What the trees correct, shape (levels,).

        Returns:
            Shape (rows, levels).
        """
        return np.stack([self._sum_row(row, margin) for row in features.astype(np.float32)])

    def _sum_row(self, row: NDArray[np.float32], margin: Floats) -> NDArray[np.float32]:
        node = self.roots.ravel()
        is_missing = np.isnan(row)
        has_missing = bool(is_missing.any())
        for _ in range(self.depth):
            feature = self.feature[node]
            goes_right = ~(row[feature] < self.threshold[node])
            if has_missing:
                goes_right &= ~(is_missing[feature] & self.goes_left[node])
            node = self.child[2 * node + goes_right]
        steps = np.empty((len(self.roots) + 1, self.roots.shape[1]), dtype=np.float32)
        steps[0] = margin
        steps[1:] = self.value[node].reshape(self.roots.shape)
        # a running sum adds in order, as XGBoost does; a plain one may add in pairs
        total: NDArray[np.float32] = steps.cumsum(axis=0, dtype=np.float32)[-1]
        return total


def _read_tree(tree: dict[str, Any], start: int) -> dict[str, NDArray[Any]]:
    """Read one tree whose first node gets the number `start`; columns as in `Trees`."""
    left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
    own = np.arange(len(left))
    is_leaf = left < 0
    child = np.stack([np.where(is_leaf, own, left), np.where(is_leaf, own, right)], axis=1) + start
    # a leaf has its value in the place of the threshold
    number = np.array(tree["split_conditions"], dtype=np.float32)
    return {
        "feature": np.array(tree["split_indices"], dtype=np.intp),
        "threshold": number,
        "goes_left": np.array(tree["default_left"], dtype=np.bool_),
        "child": child.ravel(),
        "value": np.where(is_leaf, number, np.float32(0)),
    }
