"""Bands put right online: how far each quantile must move, told by forecasts that came true.

The state is five shifts per series, horizon and contestant, in units of the horizon's predictable
volatility, sigma * sqrt(horizon). They follow from the ledger's last matured forecasts alone, so
that the ledger is all that serving needs; nothing is refitted and nothing else is stored.
"""

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import HOUR, Floats, Times
from ringside.core.quantiles import LEVELS, sort_quantiles

Hits = NDArray[np.bool_]

FEEDBACK_ROWS = 1440
"""Matured forecasts that count, the newest ones: sixty days of hours."""

RATES = (0.015, 0.003, 0.0, 0.003, 0.015)
"""How far one outcome moves a quantile one hour ahead, by level. The median stays where it is.

Where outcomes are rare a miss says more and a step costs less, hence the longer steps outside.
"""


def find_hits(quantiles: Floats, realised: Floats) -> Hits:
    """Tell which issued quantiles held their outcome: `realised <= quantile`, shape (n, 5)."""
    held: Hits = realised[:, None] <= quantiles
    return held


def find_shifts(hits: Hits, *, horizon: int) -> Floats:
    """Find the shifts that matured forecasts call for.

    A quantile at level p ought to hold a share p of outcomes. Each outcome moves it by
    `rate * (p - hit)`, so that too few hits move it up, too many down, and the move itself changes
    the hits that follow. How many hits there were counts, not their order.

    Args:
        hits: What `find_hits` told of the quantiles as they were issued (shifted already), oldest
            target time first, of forecasts whose target had closed, shape (m, 5). Hours without a
            forecast are left out. Only the last `FEEDBACK_ROWS` count.
        horizon: Candles ahead. Steps shrink with its root, as overlapping outcomes repeat
            themselves.

    Returns:
        Shifts in units of sigma * sqrt(horizon), shape (5,), zeros where nothing has matured.

    Source: adaptive conformal inference, Gibbs and Candes (2021), in the form of the quantile
    tracker of Angelopoulos, Candes and Tibshirani (2023), here with a finite memory.
    """
    recent = hits[-FEEDBACK_ROWS:]
    surplus = np.array(LEVELS) * len(recent) - recent.sum(axis=0)
    shifts: Floats = np.array(RATES) / np.sqrt(horizon) * surplus
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
    return sort_quantiles(quantiles + (sigma * np.sqrt(horizon))[:, None] * shifts)


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
        shifts = find_shifts(hits[max(0, count - FEEDBACK_ROWS) : count], horizon=horizon)
        here = slice(row, row + 1)
        moved[row] = shifts
        issued[here] = apply_shifts(quantiles[here], sigma[here], horizon=horizon, shifts=shifts)
        if is_known[row]:
            hits[known[row]] = find_hits(issued[here], realised[here])[0]
    return issued, moved
