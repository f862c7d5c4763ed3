"""What a forecast takes beside the candles: calibration shifts and auxiliary values of its hour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Engine

from ringside.adapters.ledger_store import LedgerStore
from ringside.core.contestants import CONTESTANTS
from ringside.core.features import find_look_back, find_names
from ringside.core.forecasts import NO_SHIFTS
from ringside.core.known_values import KnownValues
from ringside.jobs.calibrating import foresee_shifts
from ringside.jobs.forecasting import read_auxiliary

Shifts = tuple[float, ...]
"""Five of them, in units of sigma * sqrt(horizon)."""


@dataclass(frozen=True)
class HourInputs:
    """Shifts by horizon and contestant, and auxiliary values by series, known at one full hour.

    `is_recorded`: the hour's forecasts are on the record, and the shifts are theirs.
    """

    shifts: Mapping[tuple[int, str], Shifts] = field(default_factory=dict)
    auxiliary: Mapping[str, KnownValues] = field(default_factory=dict)
    is_recorded: bool = False

    def find_shifts(self, horizon: int, contestant: str) -> Shifts:
        """Give the shifts of one contestant; zeros where none were ever known."""
        return self.shifts.get((horizon, contestant), NO_SHIFTS)

    def is_same(self, other: "HourInputs") -> bool:
        """Tell whether the same forecast follows from both."""
        return (
            self.shifts == other.shifts
            and self.auxiliary.keys() == other.auxiliary.keys()
            and all(
                _are_same(self.auxiliary[name], other.auxiliary[name]) for name in other.auxiliary
            )
        )


NO_INPUTS = HourInputs()


class StoredInputs:
    """Reads the inputs of an hour until its forecasts are on the record; they stay from then on.

    The shifts are those on the record. Before the hour is issued they are what its issue will
    find, worked out once: the answer does not change when the record comes, unless a score came
    in between. All contestants are read, so that a model that is new finds its own.
    """

    def __init__(
        self, engine: Engine, *, horizons: Sequence[int], auxiliary: Sequence[str]
    ) -> None:
        self._engine = engine
        self._ledger = LedgerStore(engine)
        self._places = [(horizon, name) for horizon in horizons for name in CONTESTANTS]
        self._auxiliary = auxiliary
        self._hours = find_look_back(find_names(auxiliary))
        self._known: dict[str, tuple[datetime, HourInputs]] = {}

    def read(self, symbol: str, *, as_of: datetime) -> HourInputs:
        """Read what was known of a symbol at the full hour `as_of`.

        Raises:
            StoreUnavailableError: PostgreSQL did not answer.
        """
        hour, known = self._known.get(symbol, (None, NO_INPUTS))
        if hour == as_of and known.is_recorded:
            return known
        recorded = self._ledger.read_shifts(symbol, as_of=as_of)
        shifts = known.shifts if hour == as_of else self._foresee(symbol, as_of)
        auxiliary = read_auxiliary(self._engine, self._auxiliary, as_of=as_of, hours=self._hours)
        found = HourInputs({**shifts, **recorded}, auxiliary, is_recorded=bool(recorded))
        self._known[symbol] = as_of, found
        return found

    def _foresee(self, symbol: str, as_of: datetime) -> dict[tuple[int, str], Shifts]:
        keys = [(symbol, *place) for place in self._places]
        found = foresee_shifts(self._engine, keys, as_of=as_of)
        return {key[1:]: tuple(shifts.tolist()) for key, shifts in found.items()}


def to_json(inputs: HourInputs) -> dict[str, object]:
    """Write inputs as what JSON can hold; numbers survive to the last bit."""
    return {
        "shifts": [[*place, shifts] for place, shifts in inputs.shifts.items()],
        "auxiliary": {
            name: [known.known_at.astype("int64").tolist(), known.value.tolist()]
            for name, known in inputs.auxiliary.items()
        },
    }


def from_json(kept: Mapping[str, Any]) -> HourInputs:
    """Read what `to_json` wrote.

    Raises:
        KeyError, TypeError, ValueError: It did not write this.
    """
    return HourInputs(
        {(int(horizon), str(name)): tuple(map(float, of)) for horizon, name, of in kept["shifts"]},
        {
            name: KnownValues(np.array(times, "datetime64[s]"), np.array(values, float))
            for name, (times, values) in dict(kept["auxiliary"]).items()
        },
    )


def _are_same(one: KnownValues, other: KnownValues) -> bool:
    return np.array_equal(one.known_at, other.known_at) and np.array_equal(
        one.value, other.value, equal_nan=True
    )
