"""Gamblers who bet on the rival, one bet a block: their wealth is the evidence.

If the rival is no better, a bet is not favourable whatever has happened before, so that wealth
of 20 is ever reached in at most one reign of 20 (Ville), however often one looks.
"""

from collections.abc import Sequence

import numpy as np

from ringside.core.candles import Floats
from ringside.core.gate.rules import RESTARTS

FRACTIONS = (0.1, 0.2, 0.35, 0.6, 0.9)
"""Share of its wealth that each gambler stakes at most on one block."""

KEPT = 0.975  # of the squared scale from one block to the next
WIDTH = 2.0  # scales that make a full bet


def compute_bets(saved: Floats, scale: Floats) -> Floats:
    """Turn the savings of blocks into bets between -1 and 1.

    Args:
        saved: Sum of each block, shape (..., b); 0 where it is not scored.
        scale: Standard deviation that the forecasts alone suggest, shape (..., b), 0 where the
            block is not scored; the first one above 0 starts the running scale.

    Returns:
        Shape (..., b). The running scale knows only blocks before its own.

    Source: docs/decisions/0010-the-title-is-won-by-a-bet-a-day.md
    """
    bets = np.zeros_like(saved)
    variance = np.zeros(saved.shape[:-1])
    for block in range(saved.shape[-1]):
        now, start = saved[..., block], scale[..., block]
        variance = np.where(variance > 0, variance, start**2)
        is_open = (start > 0) & (variance > 0)
        width = WIDTH * np.sqrt(np.where(is_open, variance, 1.0))
        bets[..., block] = np.where(is_open, np.clip(now / width, -1.0, 1.0), 0.0)
        variance = np.where(is_open, KEPT * variance + (1 - KEPT) * now**2, variance)
    return bets


def compute_evidence(bets: Floats, restarts: Sequence[int] = (), *, cap_before: int = 0) -> Floats:
    """Compute the mixed wealth after each block, shape (..., b).

    Half of the money bets from the reign's start; the rest is shared by 26 gamblers who wait for
    their start, so that a change late in a reign is found too.

    Args:
        bets: Between -1 and 1, shape (..., b).
        restarts: Blocks at which the waiting gamblers start, ascending; those that have not
            started hold 1.
        cap_before: Gains made before this block are given up; losses are kept, so the bound of
            Ville holds across the change.
    """
    log_wealth = np.zeros((len(FRACTIONS), *bets.shape[:-1], bets.shape[-1] + 1))
    np.cumsum(
        np.log1p(np.multiply.outer(np.array(FRACTIONS), bets)), axis=-1, out=log_wealth[..., 1:]
    )
    evidence = _mix(log_wealth, 0, cap_before) / 2
    for start in restarts[:RESTARTS]:
        evidence += _mix(log_wealth, start, cap_before) / (2 * RESTARTS)
    return evidence + (RESTARTS - len(restarts[:RESTARTS])) / (2 * RESTARTS)


def _mix(log_wealth: Floats, start: int, cap_before: int) -> Floats:
    """Average over the fractions the wealth of those who start at block `start`."""
    grown = log_wealth[..., 1:] - log_wealth[..., start : start + 1]
    grown[..., :start] = 0.0
    if start < cap_before:
        lent = log_wealth[..., cap_before : cap_before + 1] - log_wealth[..., start : start + 1]
        grown[..., cap_before:] -= np.maximum(lent, 0.0)
    mixed: Floats = np.exp(grown).mean(axis=0)
    return mixed
