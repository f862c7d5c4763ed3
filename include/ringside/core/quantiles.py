"""The quantile levels every contestant forecasts, and the rule that they never cross."""

import numpy as np

from ringside.core.candles import Floats

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
MEDIAN = LEVELS.index(0.5)
INSIDE_50 = (LEVELS.index(0.25), LEVELS.index(0.75))
INSIDE_90 = (LEVELS.index(0.05), LEVELS.index(0.95))


def sort_quantiles(quantiles: Floats) -> Floats:
    """Put each row's quantiles in ascending order, shape (n, 5) in and out.

    Sorting never raises the mean pinball loss (Chernozhukov, Fernandez-Val, Galichon 2010).
    """
    return np.sort(quantiles, axis=-1)


def compute_band(values: Floats) -> Floats:
    """Compute the empirical quantiles of `values` at `LEVELS` with the median set to zero.

    Args:
        values: Finite numbers, shape (n,), n at least 1.

    Returns:
        Ascending quantiles, shape (5,); the lower ones are at most 0, the upper at least 0.
    """
    band: Floats = np.quantile(values, LEVELS)
    band[:MEDIAN] = np.minimum(band[:MEDIAN], 0.0)
    band[MEDIAN] = 0.0
    band[MEDIAN + 1 :] = np.maximum(band[MEDIAN + 1 :], 0.0)
    return band


def are_sound(quantiles: Floats) -> bool:
    """Whether quantiles of shape (n, 5) are finite and ascend in every row."""
    return bool(np.isfinite(quantiles).all() and (np.diff(quantiles, axis=-1) >= 0).all())


def to_prices(anchor_close: float, quantiles: Floats) -> Floats:
    """Turn quantiles of the log return into prices in the quote currency, any shape."""
    prices: Floats = anchor_close * np.exp(quantiles)
    return prices
