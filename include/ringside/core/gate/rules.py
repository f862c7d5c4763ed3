"""The numbers of the gate: what is staked, in which blocks, and how much evidence a claim takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Stake = Literal["band", "point"]
"""`band`: mean pinball loss over sigma. `point`: winsorised squared error of the median."""

HOURS_A_DAY = 24
HOURS_A_WEEK = 168
SHADOW_VERSIONS = 4
"""Newest versions of each recipe that must keep forecasting; else guard G1 finds nobody."""

FEWEST_HOURS_FRAC = 20 / 24  # of a block; with fewer scored hours the block is skipped
RESTARTS = 26
RESTART_DAYS = 28
LATEST_DAYS = 28  # a threshold reached longer ago no longer moves the title
EVIDENCE_TERM = timedelta(days=RESTARTS * RESTART_DAYS)
"""Evidence of other recipes begins anew this often: by then all waiting gamblers have started."""

RANGE_EVIDENCE = 40.0  # two sides at 2.5 % each


@dataclass(frozen=True)
class GateRule:
    """Every number a person may set; all of them are part of a verdict's record.

    Attributes:
        stake: What a forecast is charged for.
        alpha: Bound on the probability of a false claim per reign and kind of claim.
        margin_frac: A refresh must be shown to be worse by no more than this share of the loss.
        refresh_days: Days since the last swap before a refresh.
        record_days: Days of own shadow record of the version that would move in (G1).
        refresh_record_days: The same before a refresh.
        live_hours_enough: Live shared hours after which gains on replayed hours are given up; a
            reign that begins later starts without evidence.
        min_scored_frac: Share of the champion's hours that a rival must have forecast (G4).
        max_size_ratio: How many times as large or as small as the champion's forecasts may be (G4).
    """

    stake: Stake = "band"
    alpha: float = 0.05
    margin_frac: float = 0.01
    refresh_days: int = 91
    record_days: int = 14
    refresh_record_days: int = 28
    live_hours_enough: int = 13 * HOURS_A_WEEK
    min_scored_frac: float = 0.95
    max_size_ratio: float = 3.0

    @property
    def threshold(self) -> float:
        """Evidence at which one claim alone is proven: 20 at 5 %."""
        return 1 / self.alpha

    def find_thresholds(
        self, rivals: Sequence[str], champion: str, baselines: frozenset[str]
    ) -> dict[str, float]:
        """Share `alpha` out over the rivals, in the order in which they joined the reign.

        The champion's own recipe needs 2/alpha, the j-th other 2/alpha * j(j+1): however many
        come, the chances of a false claim sum to `alpha`. A single rival needs 1/alpha. Baselines
        that would take the title back from a model have an `alpha` of their own, split evenly.

        Examples:
            >>> GateRule().find_thresholds(["a", "b", "c"], "a", frozenset())
            {'a': 40.0, 'b': 80.0, 'c': 240.0}
            >>> GateRule().find_thresholds(["a", "base"], "a", frozenset({"base"}))
            {'a': 20.0, 'base': 20.0}
        """
        falls_back = [] if champion in baselines else [name for name in rivals if name in baselines]
        thresholds = {name: self.threshold * len(falls_back) for name in falls_back}
        claimants = [name for name in rivals if name not in thresholds]
        if len(claimants) == 1:
            return {claimants[0]: self.threshold} | thresholds
        place = 0
        shared = {}
        for name in claimants:
            place += name != champion
            shared[name] = 2 * self.threshold * (1 if name == champion else place * (place + 1))
        return shared | thresholds


def find_block_hours(horizon: int, stake: Stake) -> int:
    """Find the hours of one bet: a day; for `point` whole days that hold three targets.

    Targets longer than that share most of their hours with those of the next bet, whose outcome
    would then be half known. The evidence of `band` is discounted for just that, so that it can
    bet each day.

    Examples:
        >>> [find_block_hours(horizon, "point") for horizon in (1, 6, 24)]
        [24, 24, 72]
        >>> find_block_hours(24, "band")
        24
    """
    if stake == "band":
        return HOURS_A_DAY
    return HOURS_A_DAY * -(-3 * horizon // HOURS_A_DAY)
