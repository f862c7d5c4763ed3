"""What a challenger's forecasts may look like before it enters the ring; numpy only."""

import numpy as np

from ringside.core.candles import Floats
from ringside.core.quantiles import MEDIAN, are_sound

WIDEST = 20.0
NARROWEST = 0.05
FARTHEST = 5.0


def find_fault(quantiles: Floats, sigma: Floats, horizon: int) -> str:
    """Say what is absurd about forecasts; empty when nothing is.

    A forecast is measured in units of sigma times the root of the horizon, the size of a typical
    move. Its 90 % band must be between 0.05 and 20 units wide, and its median within 5 units of no
    change: the loosest bounds outside which no market of ours has ever been.

    Args:
        quantiles: Log returns at `LEVELS`, shape (n, 5).
        sigma: Hourly volatility known at the time, shape (n,), positive.
        horizon: Candles ahead.

    Examples:
        >>> find_fault(np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]]), np.array([1.0]), 1)
        ''
        >>> find_fault(np.array([[-99.0, -1.0, 0.0, 1.0, 99.0]]), np.array([1.0]), 1)
        'a 90 % band of 198.0 typical moves is absurd: it must be between 0.05 and 20'
    """
    if not are_sound(quantiles):
        return "its quantiles are not finite or cross"
    unit = sigma * np.sqrt(horizon)
    width = (quantiles[:, -1] - quantiles[:, 0]) / unit
    for odd in (width.max(), width.min()):
        if not NARROWEST <= odd <= WIDEST:
            return (
                f"a 90 % band of {odd:.1f} typical moves is absurd: it must be between "
                f"{NARROWEST:g} and {WIDEST:g}"
            )
    median = float(np.abs(quantiles[:, MEDIAN] / unit).max())
    if median > FARTHEST:
        return f"a median {median:.1f} typical moves away is absurd: at most {FARTHEST:g}"
    return ""
