"""Losses and scores of quantile forecasts, row by row; numpy only.

All take `realised` (n,) and quantiles or edges in the same unit (log returns), and give (n,).
Lower is better, but for `is_inside` and `compute_skill`. NaN in gives NaN out.
"""

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import Floats
from ringside.core.quantiles import LEVELS


def compute_pinball_loss(realised: Floats, quantiles: Floats) -> Floats:
    """Compute the mean pinball loss over the five levels.

    Args:
        realised: Outcomes, shape (n,).
        quantiles: Forecasts at `LEVELS`, shape (n, 5).

    Examples:
        >>> compute_pinball_loss(np.array([1.0]), np.zeros((1, 5))).tolist()
        [0.5]

    Source: Koenker and Bassett (1978).
    """
    miss = realised[:, None] - quantiles
    levels = np.array(LEVELS)
    loss: Floats = np.maximum(levels * miss, (levels - 1) * miss).mean(axis=1)
    return loss


def is_inside(realised: Floats, low: Floats, high: Floats) -> NDArray[np.bool_]:
    """Tell the rows whose outcome lies in the band; both edges belong to it."""
    inside: NDArray[np.bool_] = (low <= realised) & (realised <= high)
    return inside


def compute_winkler_score(realised: Floats, low: Floats, high: Floats, *, level: float) -> Floats:
    """Compute the width of a central band plus the penalty for each miss.

    Args:
        realised: Outcomes, shape (n,).
        low: Lower edge, shape (n,).
        high: Upper edge, shape (n,).
        level: Share of outcomes the band ought to hold, 0.9 for a 90 % band.

    Source: Winkler (1972); Gneiting and Raftery (2007), equation 43.
    """
    penalty = 2 / (1 - level)
    below = np.maximum(low - realised, 0.0)
    above = np.maximum(realised - high, 0.0)
    score: Floats = high - low + penalty * (below + above)
    return score


def compute_skill(loss: Floats, baseline_loss: Floats) -> float:
    """Compute the share of the baseline's summed loss that is saved; 0 ties, negative is worse.

    Raises:
        ValueError: The rows differ in number, or the baseline lost nothing.
    """
    if loss.shape != baseline_loss.shape:
        raise ValueError(f"losses of {loss.shape} and {baseline_loss.shape} rows do not pair")
    total = float(baseline_loss.sum())
    if total <= 0:
        raise ValueError("the baseline lost nothing: no skill can be named")
    return 1 - float(loss.sum()) / total
