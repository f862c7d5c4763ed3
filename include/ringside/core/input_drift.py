"""Which inputs of the models have moved, and what the move alone does to the loss.

An input that drifts matters where the loss depends on it. So hours are sorted into classes by the
input, and the losses of the past are weighed by how often each class occurs now.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import Floats

RECENT_DAYS = 30
CLASSES = 10
FEWEST_ROWS = 240
"""Rows, past and recent each, below which no drift is named: ten days of hours."""


@dataclass(frozen=True)
class InputDrift:
    """How far one input has moved and what follows.

    `distance` is the largest gap between the distributions of past and recent values, 0 to 1.
    `effect_frac` is the share by which the past loss would change if its hours were as the recent
    ones in this input; `usual_frac` the largest size of the same for any earlier span of that
    length, None with fewer than two of them.
    """

    name: str
    distance: float
    effect_frac: float
    usual_frac: float | None

    @property
    def is_unusual(self) -> bool:
        """Whether the effect is larger than that of any earlier span."""
        return self.usual_frac is not None and abs(self.effect_frac) > self.usual_frac


def compute_drift(names: Sequence[str], values: Floats, loss: Floats) -> list[InputDrift]:
    """Compute the drift of every input, the largest effect on the loss first.

    Args:
        names: Inputs, k of them.
        values: One row per scored hour, oldest first, shape (n, k); NaN is a class of its own.
        loss: Loss of each hour, finite, shape (n,).

    Returns:
        Empty with fewer than `FEWEST_ROWS` rows before or in the last `RECENT_DAYS` days of rows.
    """
    span = RECENT_DAYS * 24
    past = len(loss) - span
    if past < FEWEST_ROWS or float(loss[:past].mean()) <= 0:
        return []
    drifts = [
        _compute_one(name, values[:, column], loss, past, span) for column, name in enumerate(names)
    ]
    return sorted(drifts, key=lambda one: (-abs(one.effect_frac), one.name))


def _compute_one(name: str, values: Floats, loss: Floats, past: int, span: int) -> InputDrift:
    place = _classify(values, values[:past])
    effect = _find_effect(place, loss, np.arange(len(loss)) >= past)
    earlier = [
        abs(_find_effect(place[:past], loss[:past], _mark(past, start, span)))
        for start in range(past % span, past, span)
    ]
    return InputDrift(
        name=name,
        distance=find_distance(values[:past], values[past:]),
        effect_frac=effect,
        usual_frac=max(earlier) if len(earlier) > 1 else None,
    )


def find_distance(past: Floats, recent: Floats) -> float:
    """Find the largest gap between two empirical distributions (Kolmogorov and Smirnov), 0 to 1.

    A value that is missing counts as one above all others.
    """
    first, second = (np.sort(np.where(np.isnan(one), np.inf, one)) for one in (past, recent))
    grid = np.concatenate([first, second])
    gaps = np.searchsorted(first, grid, side="right") / len(first)
    gaps = gaps - np.searchsorted(second, grid, side="right") / len(second)
    return float(np.abs(gaps).max())


def _classify(values: Floats, past: Floats) -> NDArray[np.int64]:
    """Sort values into classes that are about equally common in the past; the last is NaN."""
    known = past[np.isfinite(past)]
    edges = np.unique(np.quantile(known, np.arange(1, CLASSES) / CLASSES)) if len(known) else known
    place = np.searchsorted(edges, values, side="right")
    found: NDArray[np.int64] = np.where(np.isfinite(values), place, len(edges) + 1)
    return found


def _mark(rows: int, start: int, span: int) -> NDArray[np.bool_]:
    places = np.arange(rows)
    marked: NDArray[np.bool_] = (places >= start) & (places < start + span)
    return marked


def _find_effect(place: NDArray[np.int64], loss: Floats, is_recent: NDArray[np.bool_]) -> float:
    """Weigh the mean loss of each class by how much more common it has become.

    A class that the past does not know tells nothing and is left out.
    """
    size = int(place.max()) + 1
    before = ~is_recent
    if not before.any() or not is_recent.any():
        return 0.0
    count = np.bincount(place[before], minlength=size)
    total = np.bincount(place[before], loss[before], minlength=size)
    now = np.bincount(place[is_recent], minlength=size)
    known = count > 0
    now = now * known
    if now.sum() == 0:
        return 0.0
    mean = total[known] / count[known]
    moved = now[known] / now.sum() - count[known] / count.sum()
    return float(moved @ mean) / float(loss[before].mean())
