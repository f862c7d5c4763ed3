"""Fitted trees as arrays: what one row of features costs is then the trees, not the call.

A call of XGBoost takes some 0.3 ms before it looks at the first tree, and a caller's window is one
row for each horizon. The sum is XGBoost's own to the last bit: single precision, tree after tree.
The arrays are kept as a file beside the booster: XGBoost takes 3 ms to read its own, and an hour's
issue reads hundreds.
"""

import io
import json
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import xgboost
from numpy.typing import NDArray

from ringside.core.candles import Floats

FEW_ROWS = 4
"""More rows at once are faster by XGBoost itself."""

_COLUMNS = ("feature", "threshold", "goes_left", "child", "value")
_NODE = np.dtype(
    [
        ("feature", "<i4"),
        ("threshold", "<f4"),
        ("goes_left", "?"),
        ("child", "<i4", (2,)),
        ("value", "<f4"),
    ]
)


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
        return cls._link({n: np.concatenate([part[n] for part in parts]) for n in _COLUMNS}, levels)

    @classmethod
    def from_bytes(cls, content: bytes, *, levels: int) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            ValueError: It did not write this.
        """
        nodes = np.load(io.BytesIO(content), allow_pickle=False)
        if nodes.dtype != _NODE or nodes.ndim != 1 or not len(nodes):
            raise ValueError("they are no list of nodes")
        columns: dict[str, NDArray[Any]] = {
            name: np.ascontiguousarray(nodes[name]).astype(kind).ravel()
            for name, kind in zip(
                _COLUMNS, (np.intp, np.float32, np.bool_, np.intp, np.float32), strict=True
            )
        }
        return cls._link(columns, levels)

    def to_bytes(self) -> bytes:
        """Write the nodes in numpy's own format, without any pickle."""
        nodes = np.empty(len(self.feature), dtype=_NODE)
        for name in _COLUMNS:
            nodes[name] = getattr(self, name).reshape(nodes[name].shape)
        file = io.BytesIO()
        np.save(file, nodes, allow_pickle=False)
        return file.getvalue()

    @classmethod
    def _link(cls, columns: dict[str, NDArray[Any]], levels: int) -> Self:
        """Find roots and depth.

        Raises:
            ValueError: A node leads back or nowhere, or the trees are not `levels` a round.
        """
        child, own = columns["child"].reshape(-1, 2), np.arange(len(columns["feature"]))
        is_leaf = (child == own[:, None]).all(axis=1)
        inner = child[~is_leaf]
        if (inner <= own[~is_leaf, None]).any() or (child >= len(own)).any():
            raise ValueError("a node of its trees leads back or nowhere")
        if (columns["feature"] < 0).any():
            raise ValueError("a node of its trees looks at no feature")
        is_root = np.ones(len(own), dtype=np.bool_)
        is_root[inner.ravel()] = False
        roots = np.flatnonzero(is_root)
        if len(roots) % levels:
            raise ValueError(f"its trees are not {levels} a round")
        depth, nodes = 0, roots
        while not is_leaf[nodes].all():
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
