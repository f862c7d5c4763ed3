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
FIRST_PATIENCE = 2.0


def compute_bets(saved: Floats, scale: Floats) -> Floats:
    """Turn the savings of blocks into bets between -1 and 1.

    Args:
        saved: Sum of each block, shape (..., b), b at least 1.
        scale: Standard deviation that the forecasts alone suggest, shape (..., b), 0 or above;
            the first one above 0 starts the running scale, which afterwards learns from `saved`.

    Returns:
        Shape (..., b). The running scale knows only blocks before its own; no bet is placed as
        long as it is 0.

    Source: docs/decisions/0010-the-title-is-won-by-a-bet-a-day.md
    """
    place = np.arange(saved.shape[-1])
    is_open = np.maximum.accumulate(scale > 0, axis=-1)
    first = is_open.argmax(axis=-1)[..., None]
    # the recursion v <- KEPT v + (1 - KEPT) x^2, written as a sum so that it needs no loop
    grown = np.where(is_open, saved**2, 0.0) * KEPT ** -(place + 1.0)
    start = np.take_along_axis(scale, first, axis=-1) ** 2 * KEPT ** -first.astype(np.float64)
    past = np.cumsum(grown, axis=-1) - grown
    variance = KEPT**place * (start + (1 - KEPT) * past)
    width = WIDTH * np.sqrt(np.where(is_open, variance, 1.0))
    bets: Floats = np.where(is_open, np.clip(saved / width, -1.0, 1.0), 0.0)
    return bets


def compute_patience(saved: Floats, lags: int) -> Floats:
    """Compute by how much days that resemble each other overstate the evidence, shape (..., b).

    It is the ratio of the long-run variance of `saved` to that of single blocks (Bartlett weights
    over `lags` blocks, at least 1), learnt from the blocks before each one and drawn towards 2
    as by another `lags` blocks.
    """
    count = np.arange(1, saved.shape[-1] + 1)
    mean = saved.cumsum(axis=-1) / count
    variance = np.maximum((saved**2).cumsum(axis=-1) / count - mean**2, 0.0)
    excess = np.zeros_like(saved)
    for lag in range(1, min(lags, saved.shape[-1] - 1) + 1):
        product = np.zeros_like(saved)
        product[..., lag:] = saved[..., lag:] * saved[..., :-lag]
        together = np.maximum(count - lag, 0) / count
        shared = product.cumsum(axis=-1) / count - mean**2 * together
        excess += 2 * (1 - lag / (lags + 1)) * shared
    ratio = 1 + excess / np.where(variance > 0, variance, np.inf)
    drawn = (lags * FIRST_PATIENCE + count * np.maximum(ratio, 1.0)) / (lags + count)
    first = np.full((*saved.shape[:-1], 1), FIRST_PATIENCE)
    return np.concatenate([first, drawn], axis=-1)[..., : saved.shape[-1]]


def compute_evidence(
    bets: Floats,
    restarts: Sequence[int] = (),
    *,
    patience: Floats | float = 1.0,
    given_up_before: int = 0,
) -> Floats:
    """Compute the mixed wealth after each block, shape (..., b).

    Half of the money bets from the reign's start; the rest is shared by 26 gamblers who wait for
    their start, so that a change late in a reign is found too.

    Args:
        bets: Between -1 and 1, shape (..., b).
        restarts: Blocks at which the waiting gamblers start, ascending; those that have not
            started hold 1.
        patience: At least 1, shape (..., b) or one number; each gain and loss is taken to the
            power of its inverse. By Jensen's inequality that never makes a bet favourable.
        given_up_before: Gains made before this block are given up from it on; losses are kept.
            The wealth is nowhere above what it would have been, so Ville's bound still holds.
    """
    growth = np.log1p(np.multiply.outer(np.array(FRACTIONS), bets)) / patience
    log_wealth = np.zeros((*growth.shape[:-1], growth.shape[-1] + 1))
    np.cumsum(growth, axis=-1, out=log_wealth[..., 1:])
    started = restarts[:RESTARTS]
    evidence = _mix(log_wealth, 0, given_up_before) / 2
    for start in started:
        evidence += _mix(log_wealth, start, given_up_before) / (2 * RESTARTS)
    evidence += (RESTARTS - len(started)) / (2 * RESTARTS)
    return evidence


def _mix(log_wealth: Floats, start: int, given_up_before: int) -> Floats:
    """Average over the fractions the wealth of those who start at block `start`."""
    grown = log_wealth[..., 1:] - log_wealth[..., start : start + 1]
    grown[..., :start] = 0.0
    if start < given_up_before:
        lent = grown[..., given_up_before - 1 : given_up_before].copy()
        grown[..., given_up_before:] -= np.maximum(lent, 0.0)
    mixed: Floats = np.exp(grown).mean(axis=0)
    return mixed
