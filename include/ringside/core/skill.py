"""The history of skill: how each contestant did over the thirty days that end with each day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

import numpy as np

SKILL_DAYS = 30
"""Days of one row of the history, its own included."""


@dataclass(frozen=True)
class DayScores:
    """Sums over the scored hours of one contestant and one UTC day.

    `loss` sums scaled losses. `own_p` and `base_p` sum them over the `shared_p` hours that
    persistence was scored on too, its own losses being `base_p`; `_e` says the same of
    persistence_ewma.
    """

    symbol: str
    horizon: int
    contestant: str
    day: date
    hours: int
    live_hours: int
    loss: float
    abs_error: float
    inside_50: int
    inside_90: int
    shared_p: int
    own_p: float
    base_p: float
    shared_e: int
    own_e: float
    base_e: float

    @property
    def key(self) -> tuple[str, int, str]:
        """Whose day it is."""
        return self.symbol, self.horizon, self.contestant


@dataclass(frozen=True)
class Skill:
    """How one contestant did over `SKILL_DAYS` days; losses are means, a skill None if unknown."""

    symbol: str
    horizon: int
    contestant: str
    day: date
    hours: int
    live_hours: int
    scaled_loss: float
    abs_error: float
    skill_persistence: float | None
    skill_persistence_ewma: float | None
    inside_50_frac: float
    inside_90_frac: float


_SUMS = tuple(DayScores.__annotations__)[4:]


def compute_skill_history(days: Iterable[DayScores], *, start: date) -> list[Skill]:
    """Roll the days of each contestant up.

    Args:
        days: Sorted by contestant (`key`) and day; those of the `SKILL_DAYS` before `start` too.
        start: The first day that gets a row.

    Returns:
        One row per contestant and day with a scored hour, in the order given.
    """
    found = []
    for _, group in groupby(days, key=lambda one: one.key):
        rows = list(group)
        numbers = np.array([[getattr(row, name) for name in _SUMS] for row in rows], dtype=float)
        ends = [row.day for row in rows]
        for last, row in enumerate(rows):
            if row.day >= start:
                first = _find_first(ends, row.day)
                found.append(_roll_up(row, numbers[first : last + 1].sum(axis=0).tolist()))
    return found


def _find_first(days: Sequence[date], last: date) -> int:
    oldest = last - timedelta(days=SKILL_DAYS - 1)
    return next(place for place, day in enumerate(days) if day >= oldest)


def _roll_up(row: DayScores, sums: Sequence[float]) -> Skill:
    total = dict(zip(_SUMS, sums, strict=True))
    hours = total["hours"]
    return Skill(
        *row.key,
        day=row.day,
        hours=int(hours),
        live_hours=int(total["live_hours"]),
        scaled_loss=total["loss"] / hours,
        abs_error=total["abs_error"] / hours,
        skill_persistence=_find_skill(total["own_p"], total["base_p"]),
        skill_persistence_ewma=_find_skill(total["own_e"], total["base_e"]),
        inside_50_frac=total["inside_50"] / hours,
        inside_90_frac=total["inside_90"] / hours,
    )


def _find_skill(own: float, base: float) -> float | None:
    """Give the share of the baseline's loss that is saved; None where it lost nothing."""
    return 1 - own / base if base > 0 else None
