"""Bands put right online: how far each quantile must move, told by forecasts that came true.

The state is five shifts per series, horizon and contestant, in units of the horizon's predictable
volatility, sigma * sqrt(horizon). They follow from the last matured forecasts alone, so that the
ledger is all that serving needs; nothing is refitted and nothing else is stored.
"""

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import HOUR, Floats, Times
from ringside.core.quantiles import LEVELS, MEDIAN, sort_quantiles

Hits = NDArray[np.bool_]

FEEDBACK_ROWS = 1440
"""Matured forecasts that count, the newest ones: sixty days of hours."""

HALF_LIFE = 240
"""Forecasts after which one counts half."""

GAIN = 20.0
"""Shift per share of outcomes too many or too few, in units of the horizon's volatility."""


def find_hits(quantiles: Floats, realised: Floats) -> Hits:
    """Tell which issued quantiles held their outcome: `realised <= quantile`, shape (n, 5)."""
    held: Hits = realised[:, None] <= quantiles
    return held


def find_shifts(hits: Hits) -> Floats:
    """Find the shifts that matured forecasts call for.

    A quantile at level p ought to hold a share p of outcomes. Each of its shifts is a running sum
    of `p - hit`, older ones fading: too few hits move the quantile up, too many move it down, and
    the move itself changes the next hits. That is the integral feedback of adaptive conformal
    inference with a leak, which gives it a finite memory.

    Args:
        hits: What `find_hits` told of the quantiles as they were issued (shifted already), oldest
            target time first, shape (m, 5). Only forecasts whose target had closed belong here.
            Hours without a forecast are left out. Just the last `FEEDBACK_ROWS` count.

    Returns:
        Shifts in units of sigma * sqrt(horizon), shape (5,), zeros where nothing has matured.
        That of the median is always zero.

    Source: Gibbs and Candes (2021); Angelopoulos, Candes and Tibshirani (2023), with decay.
    """
    recent = hits[-FEEDBACK_ROWS:]
    weights = _WEIGHTS[FEEDBACK_ROWS - len(recent) :]
    shifts: Floats = ((np.array(LEVELS) - recent) * weights[:, None]).sum(axis=0)
    shifts[MEDIAN] = 0.0
    return shifts


def apply_shifts(quantiles: Floats, sigma: Floats, *, horizon: int, shifts: Floats) -> Floats:
    """Move quantiles by their shifts.

    Args:
        quantiles: Log returns at `LEVELS` as a contestant forecasts them, shape (n, 5).
        sigma: Predictable volatility of one hour at each row, shape (n,).
        horizon: Candles ahead.
        shifts: What `find_shifts` found, shape (5,).

    Returns:
        Quantiles in ascending order, shape (n, 5).
    """
    return sort_quantiles(quantiles + np.outer(sigma * np.sqrt(horizon), shifts))


def replay(
    quantiles: Floats, *, sigma: Floats, realised: Floats, closed: Times, horizon: int
) -> tuple[Floats, Floats]:
    """Shift past forecasts in the order of their hours, as if each had been issued in its own.

    Args:
        quantiles: Forecasts as made, shape (n, 5), oldest first.
        sigma: Volatility of one hour, shape (n,).
        realised: Log return that followed, shape (n,); NaN where it is not known: no feedback.
        closed: When the last known candle of each row closed, shape (n,).
        horizon: Candles ahead; an outcome is known that many hours after `closed`.

    Returns:
        Quantiles as they would have been issued and the shifts that moved them, both (n, 5).
    """
    issued = np.empty_like(quantiles)
    moved = np.empty_like(quantiles)
    hits = np.empty(quantiles.shape, dtype=np.bool_)
    is_known = np.isfinite(realised)
    matured = np.searchsorted(closed + horizon * HOUR, closed, side="right")
    known = np.concatenate([[0], np.cumsum(is_known)])
    for row in range(len(quantiles)):
        count = known[matured[row]]
        shifts = find_shifts(hits[max(0, count - FEEDBACK_ROWS) : count])
        here = slice(row, row + 1)
        moved[row] = shifts
        issued[here] = apply_shifts(quantiles[here], sigma[here], horizon=horizon, shifts=shifts)
        if is_known[row]:
            hits[known[row]] = find_hits(issued[here], realised[here])[0]
    return issued, moved


def _make_weights() -> Floats:
    ages = np.arange(FEEDBACK_ROWS)[::-1]
    weights = 0.5 ** (ages / HALF_LIFE)
    shares: Floats = GAIN * weights / weights.sum()
    return shares


_WEIGHTS = _make_weights()
