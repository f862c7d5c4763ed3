"""From the blocks of a pair to evidence, plausible range and pace."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import Floats, Times
from ringside.core.gate.pairing import Pair
from ringside.core.gate.rules import (
    HOURS_A_WEEK,
    LATEST_DAYS,
    RANGE_EVIDENCE,
    RESTART_DAYS,
    RESTARTS,
    GateRule,
    Stake,
)
from ringside.core.gate.wealth import compute_bets, compute_evidence, compute_patience

PATIENCE_DAYS = 28  # blocks: with the patient stake, a block is a day
MARGIN_SHARE = 0.8  # of the margin that is granted: it pays for the clips and for slow errors
LONGEST_PACE_WEEKS = 104.0
FEWEST_BLOCKS = 7  # below which neither z nor a pace is named
_DAY = np.timedelta64(1, "D")
_SIDE = np.concatenate([np.arange(1, 20), np.arange(20, 100, 5), np.arange(100, 501, 50)]) / 1000
GAINS = np.concatenate([-_SIDE[::-1], [0.0], _SIDE])


@dataclass(frozen=True)
class Weighed:
    """What the bets on one pair come to; see `verdict.Finding` for the words.

    `z_week` and `weeks_more` are None where too few bets were placed or there is no pace.
    """

    now: float
    a_week_ago: float
    best: float
    not_worse: float
    against: float
    gain_low: float | None
    gain_high: float | None
    z_week: float | None
    weeks_more: float | None


def compute_path(
    saved: Floats,
    scale: Floats,
    restarts: Sequence[int],
    *,
    stake: Stake,
    given_up_before: int = 0,
) -> Floats:
    """Compute the evidence after each block of (..., b) by the rules of the stake."""
    patience = compute_patience(saved, PATIENCE_DAYS) if stake == "band" else 1.0
    return compute_evidence(
        compute_bets(saved, scale), restarts, patience=patience, given_up_before=given_up_before
    )


def find_restarts(block_start: Times) -> list[int]:
    """Find the first block of each 28 days since the first of them; those to come are left out."""
    instants = block_start[0] + np.arange(1, RESTARTS + 1) * RESTART_DAYS * _DAY
    places = np.searchsorted(block_start, instants)
    return [int(place) for place in places if place < len(block_start)]


def weigh_pair(pair: Pair, rule: GateRule, *, threshold: float) -> Weighed:
    """Let the gamblers bet on the rival, on its not being worse, and against it.

    Once the pair has `live_hours_enough` live hours, gains made on replayed hours are given up.
    """
    starts = pair.block_start
    if len(starts) == 0:
        return Weighed(1.0, 1.0, 1.0, 1.0, 1.0, None, None, None, None)
    shifts = np.concatenate([[0.0, -rule.margin_frac * MARGIN_SHARE], GAINS])
    up = _follow(pair, rule, shifts, side=1)
    down = _follow(pair, rule, shifts, side=-1)
    low, high = find_range(up[2:], down[2:])
    latest = _find_latest(pair)
    earlier = starts <= starts[-1] - 7 * _DAY
    z_week = _find_z(pair)
    now = float(up[0, -1])
    return Weighed(
        now=now,
        a_week_ago=float(up[0, earlier][-1]) if earlier.any() else 1.0,
        best=float(up[0, latest].max()),
        not_worse=float(up[1, latest].max()),
        against=float(down[0, latest].max()),
        gain_low=low,
        gain_high=high,
        z_week=z_week,
        weeks_more=_find_pace(z_week, now, threshold),
    )


def find_best(pair: Pair, rule: GateRule) -> float:
    """Find the highest evidence for the rival in the last four weeks; 1 without any bet."""
    if len(pair.block_start) == 0:
        return 1.0
    return float(trace_evidence(pair, rule)[_find_latest(pair)].max())


def trace_evidence(pair: Pair, rule: GateRule) -> Floats:
    """Follow the evidence for the rival after each block, at least one, shape (b,)."""
    path: Floats = _follow(pair, rule, np.zeros(1), side=1)[0]
    return path


def count_old_swaps(pair: Pair) -> int:
    """Count the swaps of "lower loss last week wins" between the two over the shared hours."""
    if len(pair.as_of) == 0:
        return 0
    week = (pair.as_of - pair.as_of[0]) // (HOURS_A_WEEK * np.timedelta64(1, "h"))
    whole = week < week[-1]
    better = np.bincount(week[whole], weights=(pair.champion_loss - pair.rival_loss)[whole]) > 0
    return int(np.count_nonzero(np.diff(better.astype(int), prepend=0)))


def _follow(pair: Pair, rule: GateRule, shifts: Floats, *, side: int) -> Floats:
    """Follow the evidence that the gain is above each of `shifts`, or below with side -1."""
    saved = side * (pair.blocks.saved - shifts[:, None] * pair.blocks.cost)
    return compute_path(
        saved,
        np.broadcast_to(pair.blocks.scale, saved.shape),
        find_restarts(pair.block_start),
        stake=rule.stake,
        given_up_before=_find_given_up(pair, rule),
    )


def _find_latest(pair: Pair) -> NDArray[np.bool_]:
    latest: NDArray[np.bool_] = pair.block_start > pair.block_start[-1] - LATEST_DAYS * _DAY
    return latest


def _find_given_up(pair: Pair, rule: GateRule) -> int:
    """Find the first block with live hours only, once there are enough of them; else 0."""
    if np.count_nonzero(pair.is_live) < rule.live_hours_enough or pair.is_live.all():
        return 0
    last_replayed = pair.as_of[~pair.is_live][-1]
    return int(np.searchsorted(pair.block_start, last_replayed, side="right"))


def find_range(up: Floats, down: Floats) -> tuple[float | None, float | None]:
    """Find the lowest and the highest gain that neither side has ever rejected.

    Args:
        up: Evidence that the gain is above each of `GAINS`, shape (gains, b).
        down: Evidence that it is below, likewise.

    Returns:
        None at an end that lies beyond the grid; twice None if no constant gain fits.
    """
    low_out = GAINS[up.max(axis=-1) >= RANGE_EVIDENCE]
    high_out = GAINS[down.max(axis=-1) >= RANGE_EVIDENCE]
    low = float(low_out.max()) if len(low_out) else None
    high = float(high_out.min()) if len(high_out) else None
    if low is not None and high is not None and low > high:
        # what was true early in the reign was refuted later
        return None, None
    return low, high


def _find_z(pair: Pair) -> float | None:
    saved = pair.blocks.saved
    spread = float(saved.std())
    if len(saved) < FEWEST_BLOCKS or spread == 0:
        return None
    blocks_a_week = HOURS_A_WEEK / float(pair.blocks.hours.mean())
    return float(saved.mean()) / spread * float(np.sqrt(blocks_a_week))


def _find_pace(z_week: float | None, now: float, threshold: float) -> float | None:
    """Say how many weeks are left if log wealth goes on growing by z squared over two a week.

    Examples:
        >>> _find_pace(1.0, 1.0, 20.0)
        5.991464547107982
    """
    if z_week is None or z_week <= 0 or now >= threshold:
        return None
    weeks = 2 * float(np.log(threshold / now)) / z_week**2
    return weeks if weeks <= LONGEST_PACE_WEEKS else None
