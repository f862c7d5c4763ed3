"""The policy ledger: what other ways to choose would have cost on the same recorded forecasts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import Floats, Times
from ringside.core.gate.rules import HOURS_A_WEEK
from ringside.core.gate.streams import Stream
from ringside.core.metrics import compute_pinball_loss

_WEEK = np.timedelta64(HOURS_A_WEEK, "h")


@dataclass(frozen=True)
class PolicyCost:
    """One line of the table: mean scaled loss over the shared hours, and how often it swapped."""

    policy: str
    loss: float
    swaps: int
    hours: int


@dataclass(frozen=True)
class HeldSpan:
    """From `held_from` on (`datetime64`, UTC) one version held the title."""

    held_from: np.datetime64
    contestant: str
    model_version: int


def compare_policies(
    fresh: Mapping[str, Stream],
    title: Stream,
    reigns: list[HeldSpan],
    *,
    newest: str,
    first: str,
) -> list[PolicyCost]:
    """Charge four policies the mean pinball loss over sigma on the hours that all can forecast.

    Args:
        fresh: Each recipe's fresh stream, sorted, one row an hour.
        title: What was forecast in the title's name: the gate's own choice, sorted.
        reigns: Who held the title, oldest first; their changes are the gate's swaps.
        newest: The recipe that "always newest" follows, swapping at each new version.
        first: The recipe that "never change" keeps to.

    Returns:
        `always_newest`, `last_week_lower`, `never_change` and `gate`; empty without shared hours.

    Raises:
        KeyError: `newest` or `first` is no recipe of `fresh`.
    """
    hours = reduce(np.intersect1d, (stream.as_of for stream in fresh.values()), title.as_of)
    if len(hours) == 0:
        return []
    loss = {name: _charge(stream, hours) for name, stream in fresh.items()}
    versions = fresh[newest].model_version[np.searchsorted(fresh[newest].as_of, hours)]
    holder = _follow_last_week(hours, loss, first)
    columns = np.stack([loss[name] for name in loss])
    picked = columns[holder, np.arange(len(hours))]
    held = [reign for reign in reigns if hours[0] < reign.held_from <= hours[-1]]
    table = (
        ("always_newest", loss[newest], _count_changes(versions)),
        ("last_week_lower", picked, _count_changes(holder)),
        ("never_change", loss[first], 0),
        ("gate", _charge(title, hours), len(held)),
    )
    return [PolicyCost(name, float(paid.mean()), swaps, len(hours)) for name, paid, swaps in table]


def _charge(stream: Stream, hours: Times) -> Floats:
    rows = stream.take(np.searchsorted(stream.as_of, hours))
    paid: Floats = compute_pinball_loss(rows.realised, rows.quantiles) / rows.sigma
    return paid


def _follow_last_week(hours: Times, loss: Mapping[str, Floats], first: str) -> NDArray[np.int64]:
    """Choose for each hour the recipe with the lower loss in the week before, shape (n,).

    Weeks are counted from the first hour; a tie, and a week without hours, keeps the holder.
    """
    week = (hours - hours[0]) // _WEEK
    sums = np.stack([np.bincount(week, weights=paid) for paid in loss.values()])
    holders = np.empty(sums.shape[1], np.int64)
    holders[0] = list(loss).index(first)
    for number in range(1, len(holders)):
        before, last = sums[:, number - 1], holders[number - 1]
        best = int(np.argmin(before))
        holders[number] = best if before[best] < before[last] else last
    held: NDArray[np.int64] = holders[week]
    return held


def _count_changes(column: NDArray[np.int64]) -> int:
    return int(np.count_nonzero(np.diff(column)))
