"""Champion and one rival on the hours that both forecast, laid out for the gamblers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import HOUR, Floats, Times
from ringside.core.gate.rules import Stake, find_block_hours
from ringside.core.gate.stakes import Blocks, HourlyStakes, stake_band, stake_point, sum_blocks
from ringside.core.gate.streams import Stream
from ringside.core.metrics import compute_pinball_loss
from ringside.core.quantiles import MEDIAN


@dataclass(frozen=True)
class Pair:
    """Two streams on the same hours and the blocks made of them.

    Columns of length n, sorted by `as_of`: `is_live` (both), the losses of the stake in units of
    sigma, the same losses unweighted, the root mean square over the quantiles in sigma, and their
    mean gap in sigma. `blocks` holds the scored blocks only, shape (b,);
    `block_start` says when each begins. `dropped_hours` is how many hours only one of the two
    forecast, or without a finite number, between the first and the last shared one.
    """

    as_of: Times
    is_live: NDArray[np.bool_]
    champion_loss: Floats
    rival_loss: Floats
    champion_raw: Floats
    rival_raw: Floats
    champion_size: Floats
    rival_size: Floats
    gap: Floats
    dropped_hours: int
    champion_hours: int
    skipped_blocks: int
    blocks: Blocks
    block_start: Times


@dataclass(frozen=True)
class _Charge:
    """One stream's numbers at the shared hours, each shape (n,)."""

    scaled: Floats
    loss: Floats
    raw: Floats
    size: Floats


def pair_streams(
    champion: Stream, rival: Stream, *, horizon: int, stake: Stake, known_at: np.datetime64
) -> Pair:
    """Lay two streams, each sorted with one row an hour, side by side.

    A block counts once all of its targets have closed at `known_at`.
    """
    hours, ours, theirs = np.intersect1d(
        champion.as_of, rival.as_of, assume_unique=True, return_indices=True
    )
    mine, other = champion.take(ours), rival.take(theirs)
    good = _is_whole(mine) & _is_whole(other)
    hours, mine, other = hours[good], mine.take(good), other.take(good)
    sigma = mine.sigma * np.sqrt(horizon if stake == "point" else 1)
    outcome = mine.realised / sigma
    first, second = (_charge(one, sigma, outcome, stake) for one in (mine, other))
    gap = np.abs(second.scaled - first.scaled).mean(axis=1)
    block_hours = find_block_hours(horizon, stake)
    origin, place, size = _lay_grid(hours, block_hours, horizon, known_at)
    stakes = _stake(first, second, outcome, gap, stake=stake, place=place, size=size)
    blocks, starts, skipped = _keep_scored(stakes, block_hours, origin)
    inside = _count_between(champion, hours)
    return Pair(
        as_of=hours,
        is_live=mine.is_live & other.is_live,
        champion_loss=first.loss,
        rival_loss=second.loss,
        champion_raw=first.raw,
        rival_raw=second.raw,
        champion_size=first.size,
        rival_size=second.size,
        gap=gap,
        dropped_hours=inside + _count_between(rival, hours) - 2 * len(hours),
        champion_hours=inside,
        skipped_blocks=skipped,
        blocks=blocks,
        block_start=starts,
    )


def _is_whole(stream: Stream) -> NDArray[np.bool_]:
    numbers = np.column_stack([stream.quantiles, stream.realised, stream.sigma])
    whole: NDArray[np.bool_] = np.isfinite(numbers).all(axis=1) & (stream.sigma > 0)
    return whole


def _charge(stream: Stream, sigma: Floats, outcome: Floats, stake: Stake) -> _Charge:
    scaled = stream.quantiles / sigma[:, None]
    if stake == "band":
        loss = compute_pinball_loss(outcome, scaled)
        raw = loss * sigma
    else:
        loss = (outcome - scaled[:, MEDIAN]) ** 2
        raw = loss * sigma**2
    return _Charge(scaled, loss, raw, np.sqrt((scaled**2).mean(axis=1)))


def _stake(
    champion: _Charge,
    rival: _Charge,
    outcome: Floats,
    gap: Floats,
    *,
    stake: Stake,
    place: NDArray[np.intp],
    size: int,
) -> HourlyStakes:
    if stake == "band":
        columns = (champion.loss, rival.loss, gap)
        return stake_band(*(_spread(column, place, size) for column in columns))
    columns = (champion.scaled[:, MEDIAN], rival.scaled[:, MEDIAN], outcome)
    return stake_point(*(_spread(column, place, size) for column in columns))


def _lay_grid(
    hours: Times, block_hours: int, horizon: int, known_at: np.datetime64
) -> tuple[np.datetime64, NDArray[np.intp], int]:
    """Find the start of the first block, the place of each hour, and the hours of whole blocks."""
    epoch = np.datetime64(0, "s")
    first = hours[0] if len(hours) else known_at.astype("datetime64[s]")
    origin = epoch + (first - epoch) // (block_hours * HOUR) * (block_hours * HOUR)
    place = ((hours - origin) // HOUR).astype(np.intp)
    closed = int((known_at - horizon * HOUR - origin) // HOUR) + 1
    return origin, place, max(closed // block_hours, 0) * block_hours


def _spread(column: Floats, place: NDArray[np.intp], size: int) -> Floats:
    grid = np.full(size, np.nan)
    inside = place < size
    grid[place[inside]] = column[inside]
    return grid


def _keep_scored(
    stakes: HourlyStakes, block_hours: int, origin: np.datetime64
) -> tuple[Blocks, Times, int]:
    """Sum into blocks and drop those with too few hours or with nothing to bet on."""
    blocks = sum_blocks(stakes, block_hours)
    starts = origin + np.arange(len(blocks.hours)) * block_hours * HOUR
    kept = blocks.is_scored & ((blocks.scale > 0) | (blocks.saved != 0))
    skipped = int(np.count_nonzero(~blocks.is_scored))
    return blocks.take(kept), starts[kept], skipped


def _count_between(stream: Stream, hours: Times) -> int:
    """Count a stream's hours from the first to the last shared one."""
    if len(hours) == 0:
        return 0
    return int(np.count_nonzero((stream.as_of >= hours[0]) & (stream.as_of <= hours[-1])))
