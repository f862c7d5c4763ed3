"""What each hour costs the champion and saves with the rival, on a gap-free hourly grid.

All arrays end in the hours, shape (..., n); leading axes are independent histories. NaN stands
for an hour that is not scored for both.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import Floats
from ringside.core.gate.rules import FEWEST_HOURS_FRAC, HOURS_A_DAY

REACH_HOURS = 28 * HOURS_A_DAY
FEWEST_REACH_HOURS = HOURS_A_DAY
BAND_REACH = 0.25  # standard deviation of the saving per mean gap; measured 0.16 on Bitcoin
CLIP_OUTCOME = 3.0
CLIP_DISTANCE = 3.0


@dataclass(frozen=True)
class HourlyStakes:
    """Per hour: `saved` by the rival, `cost` of the champion, and `reach`, all shape (..., n).

    `reach` is the size of saving that the forecasts of the 28 days before allow for.
    """

    saved: Floats
    cost: Floats
    reach: Floats


@dataclass(frozen=True)
class Blocks:
    """Sums over blocks of hours, shape (..., b): one bet each.

    `is_scored` tells the blocks with enough hours; the numbers of the others are zero. `scale` is
    the standard deviation of `saved` that forecasts alone suggest.
    """

    saved: Floats
    cost: Floats
    scale: Floats
    hours: NDArray[np.int64]
    is_scored: NDArray[np.bool_]

    def take(self, kept: NDArray[np.bool_]) -> "Blocks":
        """Keep the named blocks of a single history."""
        return Blocks(**{field.name: getattr(self, field.name)[kept] for field in fields(self)})


def stake_band(champion_loss: Floats, rival_loss: Floats, distance: Floats) -> HourlyStakes:
    """Stake the pinball loss over sigma; `distance` is the mean gap of the quantiles over sigma."""
    reach = trail_rms(distance, REACH_HOURS) * BAND_REACH
    open_ = np.isfinite(reach) & np.isfinite(champion_loss) & np.isfinite(rival_loss)
    return HourlyStakes(
        saved=np.where(open_, champion_loss - rival_loss, np.nan),
        cost=np.where(open_, champion_loss, np.nan),
        reach=reach,
    )


def stake_point(champion: Floats, rival: Floats, realised: Floats) -> HourlyStakes:
    """Stake the winsorised squared error; forecasts and outcome in units of the outcome's sigma.

    Without the clips, twice `saved` is the difference of the squared errors.

    Source: docs/decisions/0010-the-title-is-won-by-a-bet-a-day.md
    """
    gap = rival - champion
    reach = trail_rms(gap, REACH_HOURS)
    miss = realised - (champion + rival) / 2
    limit = CLIP_DISTANCE * reach
    saved = np.clip(miss, -CLIP_OUTCOME, CLIP_OUTCOME) * np.clip(gap, -limit, limit)
    return HourlyStakes(saved, np.where(np.isfinite(saved), 0.5, np.nan), reach)


def trail_rms(values: Floats, hours: int) -> Floats:
    """Compute the root mean square over the `hours` before each hour, its own left out.

    Returns:
        Shape (..., n); NaN where fewer than a day of hours before have a value.
    """
    here = np.isfinite(values)
    total = _sum_before(np.where(here, values, 0.0) ** 2, hours)
    count = _sum_before(here.astype(np.float64), hours)
    enough = count >= FEWEST_REACH_HOURS
    mean = total / np.where(enough, count, 1.0)
    return np.where(enough, np.sqrt(np.maximum(mean, 0.0)), np.nan)


def _sum_before(values: Floats, hours: int) -> Floats:
    """Sum the `hours` values before each one, fewer at the start."""
    padding = np.zeros((*values.shape[:-1], 1))
    total = np.concatenate([padding, np.cumsum(values, axis=-1)], axis=-1)[..., :-1]
    past: Floats = total.copy()
    past[..., hours:] -= total[..., :-hours]
    return past


def sum_blocks(stakes: HourlyStakes, block_hours: int) -> Blocks:
    """Sum hours into blocks; the last, unfinished one is left out.

    Args:
        stakes: Hours on a grid that begins with a block.
        block_hours: Hours of a block.
    """
    length = stakes.saved.shape[-1] // block_hours * block_hours
    shape = (*stakes.saved.shape[:-1], length // block_hours, block_hours)
    saved = stakes.saved[..., :length].reshape(shape)
    cost, reach = (part[..., :length].reshape(shape) for part in (stakes.cost, stakes.reach))
    here = np.isfinite(saved)
    hours = here.sum(axis=-1)
    is_scored = hours >= FEWEST_HOURS_FRAC * block_hours
    first = np.take_along_axis(reach, here.argmax(axis=-1)[..., None], axis=-1)[..., 0]
    scale = np.sqrt(block_hours) * np.where(is_scored, first, 0.0)
    return Blocks(
        saved=np.where(is_scored, np.where(here, saved, 0.0).sum(axis=-1), 0.0),
        cost=np.where(is_scored, np.where(here, cost, 0.0).sum(axis=-1), 0.0),
        scale=scale,
        hours=hours,
        is_scored=is_scored,
    )
