"""Made-up markets and models for the gate: fat tails, clustered volatility, known differences.

Outcomes and forecasts are in units of the sigma that the platform predicts. Volatility has a slow
and a fast part and jumps; shocks are Student t with 4.2 degrees of freedom. Two equal models differ
by 0.10 sigma (root mean square, autocorrelation 0.25 from hour to hour) and in the width of their
bands, whose error fades within half a day. A worse model adds an error of its own, scaled until its
expected loss is worse by the share asked for.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from ringside.core.quantiles import LEVELS

WEEK = 168
HOURS = 104 * WEEK
WARM_UP = 90 * 24
KAPPA = 0.10
WIDTH_ERROR = 0.05


def fade(rng, shape, half_life):
    """Stationary AR(1) of variance 1 along the last axis."""
    kept = 0.5 ** (1 / half_life)
    shocks = rng.standard_normal(shape, dtype=np.float32)
    shocks[..., 1:] *= np.sqrt(1 - kept**2)
    return lfilter([1.0], [1.0, -kept], shocks, axis=-1).astype(np.float32)


def own_error(rng, shape, autocorrelation=0.25):
    half_life = np.log(0.5) / np.log(autocorrelation)
    return fade(rng, shape, half_life)


@dataclass(frozen=True)
class World:
    """Outcomes `u` over sigma, shape (histories, hours), and the band of the long run, (5,)."""

    u: np.ndarray
    band: np.ndarray
    returns: np.ndarray


def simulate(rng, histories, *, hours=HOURS, horizon=1):
    """Draw hourly returns and turn them into outcomes over `horizon` hours in units of sigma."""
    size = (histories, WARM_UP + hours + horizon)
    log_vol = 0.50 * fade(rng, size, 30 * 24) + 0.40 * fade(rng, size, 24)
    jumps = (rng.random(size, dtype=np.float32) < 0.004) * rng.uniform(0.3, 1.2, size)
    log_vol += lfilter([1.0], [1.0, -(0.5 ** (1 / 6))], jumps, axis=-1)
    shocks = rng.standard_t(4.2, size) / np.sqrt(4.2 / 2.2)
    returns = np.exp(log_vol) * shocks
    squares = returns**2
    variance = sum(
        share * lfilter([1 - kept], [1.0, -kept], squares, axis=-1)
        for share, kept in ((0.5, 0.5 ** (1 / 8)), (0.3, 0.5 ** (1 / 48)), (0.2, 0.5 ** (1 / 720)))
    )
    sums = np.cumsum(returns, axis=-1)
    issued = np.arange(WARM_UP, WARM_UP + hours)
    outcome = sums[:, issued + horizon - 1] - sums[:, issued - 1]
    sigma = np.sqrt(variance[:, issued - 1])
    u = (outcome / sigma).astype(np.float32)
    return World(u, np.quantile(u[:50], LEVELS), returns[:, issued])


def pinball(world, location, width):
    """Mean pinball loss of the band shifted by `location` and widened by exp(`width`).

    The same as `compute_pinball_loss`, in single precision and without copies.
    """
    scale = np.sqrt(np.mean(world.u[:50] ** 2))
    quantiles = np.exp(width)[..., None] * world.band.astype(np.float32)
    quantiles += (location * scale)[..., None]
    loss = np.zeros_like(world.u)
    for place, level in enumerate(LEVELS):
        miss = world.u - quantiles[..., place]
        loss += np.maximum(level * miss, (level - 1) * miss)
    return loss / len(LEVELS)
