"""What is usual for a series by its own history, and rows that another venue must have sent.

A venue's candles join: one opens within a hair of where the last one closed. A row of another
venue, put in their midst, opens and closes beside its neighbours, and has another venue's volume
or the coarser price step of another venue.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import HOUR, Candles, Floats

HISTORY_HOURS = 720
LEAST_HOURS = 168  # with less history nothing is called unusual

_LEAST_JOINT = 2e-4  # two venues are seldom closer than 2 basis points
_JOINT_TIMES = 5.0
_RANGE_TIMES = 3.0
_RANGE_WITHOUT_HISTORY = 0.25
_VOLUME_TIMES = 3.0
_STRANGE_VOLUME_FRAC = 0.5

# Rows on a coarser price step than the venue's need less of a gap to be proved: 1 basis point.
_LEAST_COARSE_JOINT = 1e-4
_POWERS = range(-9, 4)  # of ten: the price steps that are told apart
_OWN_STEP_SHARE = 0.99  # of closes that lie on the venue's own step
_COARSE_SHARE = 0.3  # of closes on ten times that step, at most; by chance it is a tenth
_STEP_SLACK = 1e-4  # of a step: what a float is off


@dataclass(frozen=True)
class Usual:
    """Limits of what a series does; where its history is too short, NaN and a range of 25 %.

    `joint` bounds |log(open / last close)|, and `coarse_joint` does where all prices of a row are
    multiples of `coarse_step`, ten times the venue's own; `range_frac` bounds high / low - 1.
    `coarse_step` is in the quote currency, NaN where too few prices tell it; `volume_high` and
    `volume_median` are in the base currency.
    """

    joint: float
    range_frac: float
    volume_high: float
    volume_median: float
    coarse_joint: float = np.nan
    coarse_step: float = np.nan


def measure_usual(history: Candles) -> Usual:
    """Measure the limits on published candles; shares and quantiles, so that a few odd rows pass.

    A range is unusual above 3 times its 99th percentile, a volume above 3 times its largest, a
    joint above 5 times its 95th percentile and 2 basis points.
    """
    joints = np.abs(find_joints(history))
    joints = joints[np.isfinite(joints)]
    if len(history) < LEAST_HOURS or len(joints) < LEAST_HOURS // 2:
        return Usual(np.nan, _RANGE_WITHOUT_HISTORY, np.nan, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        ranges = history.high / history.low - 1
    ranges = ranges[np.isfinite(ranges)]
    volumes = history.volume[np.isfinite(history.volume)]
    joint = _JOINT_TIMES * float(np.quantile(joints, 0.95))
    return Usual(
        joint=max(_LEAST_JOINT, joint),
        range_frac=_RANGE_TIMES * float(np.quantile(ranges, 0.99)) if len(ranges) else np.nan,
        volume_high=_VOLUME_TIMES * float(volumes.max()) if len(volumes) else np.nan,
        volume_median=float(np.median(volumes)) if len(volumes) else np.nan,
        coarse_joint=max(_LEAST_COARSE_JOINT, joint),
        coarse_step=_find_coarse_step(history.close[np.isfinite(history.close)]),
    )


def _find_coarse_step(closes: Floats) -> float:
    """Find ten times the step that a venue's prices lie on; NaN where they do not tell it."""
    shares = {power: float(_lies_on(closes, 10.0**power).mean()) for power in _POWERS}
    own = max((power for power in _POWERS if shares[power] >= _OWN_STEP_SHARE), default=None)
    if own is None or own + 1 not in shares or shares[own + 1] > _COARSE_SHARE:
        return np.nan
    return float(10.0 ** (own + 1))


def _lies_on(prices: Floats, step: float) -> NDArray[np.bool_]:
    """Say which prices are multiples of a step; NaN is none."""
    steps = prices / step
    is_whole: NDArray[np.bool_] = np.abs(steps - np.round(steps)) < _STEP_SLACK
    return is_whole


def find_joints(candles: Candles, *, before: Candles | None = None) -> Floats:
    """Compute log(open / close of the hour before), shape (n,), in the order of the rows.

    Args:
        candles: Rows in any order; a repeated hour has no joint.
        before: Published candles that end before the first of `candles`.

    Returns:
        NaN where the hour before is not at hand or a price is not positive.
    """
    order = np.argsort(candles.open_time, kind="stable")
    opens, closes, times = candles.open[order], candles.close[order], candles.open_time[order]
    last_close = np.full(len(candles), np.nan)
    is_next = np.diff(times) == HOUR
    last_close[1:][is_next] = closes[:-1][is_next]
    if (
        before is not None
        and len(before)
        and len(candles)
        and times[0] - before.open_time[-1] == HOUR
    ):
        last_close[0] = before.close[-1]
    joints = np.full(len(candles), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        joints[order] = np.log(opens / last_close)
    joints[~np.isfinite(joints)] = np.nan
    return joints


def find_strangers(
    candles: Candles, usual: Usual, *, before: Candles | None = None
) -> NDArray[np.bool_]:
    """Find rows that are another venue's by all signs, shape (n,).

    A stretch of them holds only rows with less than half the usual volume, or only rows on a
    coarser price step than usual. It starts at a broken joint and ends at one broken the other way,
    or where the rows end or an hour is missing; where it starts after a missing hour, only a broken
    joint at its end proves it. No sign alone is proof: markets gap, nights are quiet, and some
    prices are round.
    """
    joints = find_joints(candles, before=before)
    order = np.argsort(candles.open_time, kind="stable").tolist()
    is_quiet = candles.volume < _STRANGE_VOLUME_FRAC * usual.volume_median
    prices = (candles.open, candles.high, candles.low, candles.close)
    is_coarse = np.all([_lies_on(price, usual.coarse_step) for price in prices], axis=0)
    strange = _find_stretches(joints, order, is_quiet, usual.joint)
    return strange | _find_stretches(joints, order, is_coarse, usual.coarse_joint)


def _find_stretches(
    joints: Floats, order: list[int], is_suspect: NDArray[np.bool_], limit: float
) -> NDArray[np.bool_]:
    """Find stretches of suspect rows between joints broken one way and the other, shape (n,)."""
    strange = np.zeros(len(joints), dtype=np.bool_)
    stretch: list[int] = []
    side = 0.0  # of the joint that opened the stretch; 0 where it is not at hand
    # Years of rows one by one: as numpy's own scalars they take many times as long.
    suspects = is_suspect.tolist()
    sides = np.where(np.abs(joints) > limit, np.sign(joints), 0.0).tolist()  # 0: not broken
    has_joint = np.isfinite(joints).tolist()
    for row in order:
        is_back = sides[row] != 0 and sides[row] != side
        if stretch and (is_back or (not has_joint[row] and side)):
            strange[stretch] = True
        is_broken = sides[row] != 0 and not (is_back and stretch)
        if is_back and stretch:
            stretch = []
        if not suspects[row]:
            stretch = []
        elif not has_joint[row] or (is_broken and not stretch):
            stretch, side = [row], sides[row]
        elif stretch:
            stretch.append(row)
    strange[stretch if side else []] = True
    return strange
