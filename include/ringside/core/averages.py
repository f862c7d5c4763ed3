"""Averages over the past hours of each row, added up in one order on every processor.

`np.dot` and `np.correlate` leave the order of a sum to BLAS, which chooses it by the processor.
Here a sum of 720 hours is put together from sums of 1, 2, 4, 8 ... hours, each one addition a row:
its bits are those of every processor, and the same for one row as for a year of rows.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property

import numpy as np

from ringside.core.candles import Floats

DAY = 24
WEEK = 7 * DAY
MONTH = 30 * DAY


@dataclass(frozen=True)
class Run:
    """`count` values `stride` hours apart, each `fade` times as heavy as the one after it."""

    count: int
    stride: int = 1
    fade: float = 1.0

    @property
    def lag(self) -> int:
        """Hours from the newest value to the oldest."""
        return (self.count - 1) * self.stride


@dataclass(frozen=True)
class Weights:
    """Weights of past hours: a run, or a run of runs, whose newest hour is `skip` hours back."""

    runs: tuple[Run, ...]
    skip: int = 0

    @cached_property
    def reach(self) -> int:
        """Hours from the row's own to the oldest, both included."""
        return 1 + self.skip + sum(run.lag for run in self.runs)

    @cached_property
    def shares(self) -> Floats:
        """Each hour's share of the average, newest first, shape (reach,), summing to one."""
        alone = np.zeros(2 * self.reach - 1)
        alone[self.reach - 1] = 1.0
        found: Floats = self._add_up(alone) / self._total
        return found

    def average(self, values: Floats, rows: int) -> Floats:
        """Average the hours up to each of the last `rows`; hours before the first count as zero.

        Args:
            values: One value an hour, finite, shape (n,).
            rows: How many averages, n at most.

        Returns:
            Shape (rows,).
        """
        needed = rows + self.reach - 1
        padding = np.zeros(max(0, needed - len(values)))
        past = np.concatenate([padding, values[max(0, len(values) - needed) :]])
        averages: Floats = self._add_up(past) / self._total
        return averages

    @cached_property
    def _total(self) -> float:
        return float(self._add_up(np.ones(self.reach))[0])

    def _add_up(self, values: Floats) -> Floats:
        total = values[: len(values) - self.skip]
        for run in self.runs:
            total = _add_run(total, run)
        return total


@cache
def ewma_weights(half_life: int) -> Weights:
    """Make weights that halve every `half_life` hours, cut off after eight of these or a month."""
    # not the processor's own power function, the last bit of which is its own
    fade = float(Decimal("0.5") ** (1 / Decimal(half_life)))
    return Weights((Run(min(8 * half_life, MONTH), fade=fade),))


@cache
def mean_weights(length: int) -> Weights:
    """Make equal weights of the last `length` hours."""
    return Weights((Run(length),))


@cache
def season_weights(ahead: int, *, period: int = DAY) -> Weights:
    """Make equal weights of the past hours that stand where the next `ahead` hours do in a period.

    With a period of a day these are the same hours of day, with a week the same of the week. Only
    periods that lie in a month as a whole count.

    Raises:
        ValueError: `ahead` is below 1 or above the period.
    """
    if not 1 <= ahead <= period:
        raise ValueError(f"hours ahead must be from 1 to {period}, got {ahead}")
    return Weights((Run(ahead), Run(MONTH // period, stride=period)), skip=period - ahead)


def _add_run(values: Floats, run: Run) -> Floats:
    """Add up the run that ends at each value; the first `run.lag` values have none."""
    total: Floats | None = None
    taken, taken_fade = 0, 1.0
    block, span, span_fade = values, 1, run.fade
    while True:
        if run.count & span:
            lag = taken * run.stride
            total = block if total is None else _add_older(total, block, lag, taken_fade)
            taken, taken_fade = taken + span, taken_fade * span_fade
            if taken == run.count:
                return total
        block = _add_older(block, block, span * run.stride, span_fade)
        span, span_fade = 2 * span, span_fade * span_fade


def _add_older(newer: Floats, older: Floats, lag: int, fade: float) -> Floats:
    """Add to each of `newer` that of `older` which ends `lag` hours before it; ends are aligned."""
    end = len(older) - lag
    size = min(len(newer), end)
    past = older[end - size : end]
    return newer[len(newer) - size :] + (past if fade == 1.0 else fade * past)
