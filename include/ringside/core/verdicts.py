"""Reigns, and the ways by which a verdict other than the gate's comes about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Action = Literal["force", "hold", "freeze", "unfreeze"]
"""What a person may ask of a decision; the gate's own finding is recorded all the same."""

ROLL_BACK = "roll_back"
STEPS_BACK = (ROLL_BACK, "probation")
"""Origins of verdicts that give a title back instead of passing it on."""


@dataclass(frozen=True)
class Reign:
    """One row of `title_history`: who holds a title from `held_from` (market time, UTC) on."""

    symbol: str
    horizon: int
    contestant: str
    model_version: int
    held_from: datetime
    promoted_at: datetime
    promoted_by: str
    reason: str
    verdict_id: int | None = None


@dataclass(frozen=True)
class Intervention:
    """What a person asks of one decision, for which titles (empty: all), and why.

    `contestant` is who gets the title by `force`.
    """

    action: Action
    reason: str
    asked_by: str
    series: tuple[str, ...] = ()
    horizons: tuple[int, ...] = ()
    contestant: str = ""

    def concerns(self, symbol: str, horizon: int) -> bool:
        """Whether it is about this title."""
        return (not self.series or symbol in self.series) and (
            not self.horizons or horizon in self.horizons
        )


def find_predecessor(reigns: Sequence[Reign], origins: Mapping[int, str]) -> Reign | None:
    """Find who held a title before its holder, as if steps back had undone what they gave back.

    Args:
        reigns: Reigns of one title, oldest first.
        origins: Origin of each verdict by its id.

    Returns:
        The last reign before the holder's; None where there is nothing to go back to. Stepping
        back twice goes two steps back, not to and fro.
    """
    held: list[Reign] = []
    for reign in reigns:
        origin = origins.get(reign.verdict_id) if reign.verdict_id is not None else None
        if origin in STEPS_BACK:
            held.pop()
        else:
            held.append(reign)
    return held[-2] if len(held) > 1 else None
