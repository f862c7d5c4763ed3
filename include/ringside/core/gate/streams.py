"""What the gate reads: the scored rows of one title, and the streams it compares.

A recipe is a contestant's name. Its fresh stream holds, for each hour, the newest version that
forecast it: one hypothesis, however often the recipe is trained anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import Floats, Times, to_datetime64
from ringside.core.forecasts import REPLAYED_VERSION
from ringside.core.gate.rules import EVIDENCE_TERM, GateRule


@dataclass(frozen=True)
class Stream:
    """Scored forecasts of one recipe for one title, columns of length n, in any order.

    `as_of` and `target_time` are `datetime64[s]` in UTC; `model_version` is 0 for replayed rows;
    `is_live` tells rows issued in time from replayed ones (late rows never come here); `sigma` is
    the hourly volatility known at `as_of`; `quantiles` (n, 5) and `realised` (n,) are log returns.
    Non-finite numbers are allowed and make the hour unscored.
    """

    as_of: Times
    target_time: Times
    model_version: NDArray[np.int64]
    is_live: NDArray[np.bool_]
    sigma: Floats
    quantiles: Floats
    realised: Floats

    def __len__(self) -> int:
        return len(self.as_of)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Stream":
        """Keep the named rows, in the order given."""
        return Stream(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True)
class Term:
    """From `held_from` on one version of the champion's recipe has served."""

    held_from: datetime
    model_version: int


@dataclass(frozen=True)
class TitleRecord:
    """All that a verdict on one title may look at.

    `rows` holds every scored row of each recipe by name, all versions mixed; rows that are too old
    to count, and rows whose target had not closed at `as_of`, are left out by the gate.
    `roster` is every recipe in a fixed order; it settles ties in the order of joining. `terms` is
    when each version took over during the time that the champion's recipe has held the title
    without a break, oldest first. `crowned_at` is when the title was first held: what begins soon
    after that has all rows for its evidence, those that were replayed before it too. `entrants` is
    the newest version of each recipe, for which the replayed rows stand before it has rows of its
    own.
    """

    symbol: str
    horizon: int
    as_of: datetime
    champion: str
    terms: Sequence[Term]
    crowned_at: datetime
    rows: Mapping[str, Stream]
    roster: tuple[str, ...]
    baselines: frozenset[str]
    entrants: Mapping[str, int] = field(default_factory=dict)

    @property
    def champion_version(self) -> int:
        """The version that holds the title."""
        return self.terms[-1].model_version

    @property
    def held_from(self) -> datetime:
        """When that version took over."""
        return self.terms[-1].held_from

    def find_start(self, rule: GateRule) -> np.datetime64 | None:
        """Find from when on hours are evidence for other recipes; None where all are.

        That is when the champion's recipe took the title, whatever versions have handed over to
        each other since; evidence begins anew after each two years.
        """
        first = self.terms[0].held_from
        past = (self.as_of - first) // EVIDENCE_TERM
        if past == 0 and self._is_young(first, rule):
            return None
        return to_datetime64(first + past * EVIDENCE_TERM)

    def find_own_start(self, rule: GateRule) -> np.datetime64 | None:
        """Find from when on hours are evidence for the champion's own recipe; None where all."""
        is_young = self._is_young(self.held_from, rule)
        return None if is_young else to_datetime64(self.held_from)

    def _is_young(self, since: datetime, rule: GateRule) -> bool:
        return since - self.crowned_at < timedelta(hours=rule.live_hours_enough)

    def select_known(self, rule: GateRule) -> dict[str, Stream]:
        """Keep the rows that count at `as_of`: late enough, and closed by then.

        Returns:
            Rows by recipe; a recipe without any is left out.
        """
        start, own = self.find_start(rule), self.find_own_start(rule)
        start = None if start is None or own is None else min(start, own)
        known_at = to_datetime64(self.as_of)
        known = {name: select_span(rows, start, known_at) for name, rows in self.rows.items()}
        return {name: rows for name, rows in known.items() if len(rows)}


def join_streams(parts: Sequence[Stream]) -> Stream:
    """Put streams one after the other.

    Raises:
        ValueError: There are none.
    """
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Stream)
    }
    return Stream(**columns)


def select_fresh(rows: Stream) -> Stream:
    """Keep for each hour the row of the newest version, live before replayed; sorted by `as_of`."""
    order = np.lexsort((rows.model_version, rows.is_live, rows.as_of))
    is_last = np.append(np.diff(rows.as_of[order]) != np.timedelta64(0, "s"), True)
    return rows.take(order[is_last] if len(rows) else order)


def select_version(rows: Stream, version: int) -> Stream:
    """Keep the rows of one version, and replayed rows for the hours that it did not forecast."""
    mine = rows.model_version == version
    return select_fresh(rows.take(mine | (rows.model_version == REPLAYED_VERSION)))


def select_span(rows: Stream, start: np.datetime64 | None, known_at: np.datetime64) -> Stream:
    """Keep rows issued from `start` on whose target had closed at `known_at`."""
    inside = rows.target_time <= known_at
    return rows.take(inside if start is None else inside & (rows.as_of >= start))
