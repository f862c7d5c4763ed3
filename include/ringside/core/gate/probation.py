"""Probation: a new champion may not lose more than a stated budget against the old one."""

from dataclasses import dataclass

import numpy as np

from ringside.core.gate.pairing import pair_streams
from ringside.core.gate.streams import Stream


@dataclass(frozen=True)
class Probation:
    """How a new champion does against the old one since its promotion.

    `lost` is the highest excess of its accumulated scaled loss so far and `lost_now` the excess
    now, both in hours of the old champion's mean loss; `spent_at` the ISO instant at which `lost`
    first passed the budget, None if it has not. Only live hours count. `must_roll_back` says
    whether the budget is spent.
    """

    hours: int
    lost_now: float
    lost: float
    budget: float
    spent_at: str | None

    @property
    def must_roll_back(self) -> bool:
        """Whether the old champion must come back."""
        return self.spent_at is not None


def watch_champion(
    champion: Stream,
    previous: Stream,
    *,
    promoted_at: np.datetime64,
    known_at: np.datetime64,
    horizon: int,
    budget_hours: float,
) -> Probation:
    """Add up what the new champion has lost against the old one on live hours since promotion.

    Args:
        champion: The new champion's own rows, sorted, one an hour.
        previous: The old champion's rows, which goes on forecasting in shadow, likewise.
        promoted_at: Rows issued before count for nothing.
        known_at: Rows whose target closed later are left out.
        horizon: Candles ahead.
        budget_hours: Excess that is forgiven, in hours of the old champion's mean loss.
    """
    pair = pair_streams(
        _cut(previous, promoted_at, known_at),
        _cut(champion, promoted_at, known_at),
        horizon=horizon,
        stake="band",
        known_at=known_at,
    )
    if len(pair.as_of) == 0:
        return Probation(0, 0.0, 0.0, budget_hours, None)
    excess = np.cumsum(pair.rival_loss - pair.champion_loss) / pair.champion_loss.mean()
    spent = np.flatnonzero(excess > budget_hours)
    return Probation(
        hours=len(excess),
        lost_now=float(excess[-1]),
        lost=max(float(excess.max()), 0.0),
        budget=budget_hours,
        spent_at=str(pair.as_of[spent[0]]) if len(spent) else None,
    )


def _cut(stream: Stream, start: np.datetime64, known_at: np.datetime64) -> Stream:
    inside = (stream.as_of >= start) & (stream.target_time <= known_at) & stream.is_live
    return stream.take(inside)
