"""What a model must forecast: the log return over the next candles."""

import numpy as np

from ringside.core.candles import Floats


def forward_log_return(close: Floats, horizon: int) -> Floats:
    """Label each hour with the log return over the next `horizon` hours.

    Args:
        close: Close prices on a gap-free hourly grid, shape (n,); NaN where a candle is missing.
        horizon: Candles ahead, at least 1.

    Returns:
        Log returns (unitless), shape (n,). NaN where either end is missing, and in the last
        `horizon` rows: their future has not happened yet.

    Raises:
        ValueError: `horizon` is below 1.

    Examples:
        >>> forward_log_return(np.array([100.0, 110.0]), 1).round(4).tolist()
        [0.0953, nan]
    """
    if horizon < 1:
        raise ValueError(f"horizon must be at least 1 candle, got {horizon}")
    log_close = np.log(close)
    target = np.full_like(log_close, np.nan)
    target[:-horizon] = log_close[horizon:] - log_close[:-horizon]
    return target
