"""A forecast on the record, and the hash that chains it to the one before."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Literal

from ringside.core.quantiles import LEVELS

Kind = Literal["live", "late", "replayed"]

FIRST_HASH = "0" * 64
REPLAYED_VERSION = 0
"""`model_version` of a forecast whose model was refitted for the record only."""

NO_SHIFTS = (0.0,) * len(LEVELS)
HASH_FORM = 2
HASH_FORMS = (1, HASH_FORM)
"""Form 1 knew neither shifts nor ages of inputs; its rows go on verifying by it."""


@dataclass(frozen=True)
class Forecast:
    """One row of the ledger; quantiles are log returns at `LEVELS`, instants are UTC-aware.

    The quantiles are those that were issued: `shifts`, in units of sigma * sqrt(horizon), have
    moved them already. `input_ages` holds, by the input's name, the hours at `as_of` since its
    newest value was known; None where it had none.
    """

    symbol: str
    horizon: int
    contestant: str
    model_version: int
    as_of: datetime
    issued_at: datetime
    kind: Kind
    anchor_close: float
    sigma: float
    quantiles: tuple[float, ...]
    shifts: tuple[float, ...] = NO_SHIFTS
    input_ages: Mapping[str, float | None] = field(default_factory=dict)
    hash_form: int = HASH_FORM

    @property
    def target_time(self) -> datetime:
        """When the outcome is known: the close of the candle `horizon` hours on."""
        return self.as_of + timedelta(hours=self.horizon)

    @property
    def key(self) -> tuple[str, int, str, int, datetime]:
        """What names the row in the ledger."""
        return self.symbol, self.horizon, self.contestant, self.model_version, self.as_of


@dataclass(frozen=True)
class ChainedForecast:
    """A forecast with its place in the chain of its symbol."""

    forecast: Forecast
    prev_hash: str
    row_hash: str


def hash_forecast(forecast: Forecast, prev_hash: str) -> str:
    """Compute the SHA-256 (hex) of every field and the hash of the row before.

    Raises:
        ValueError: The form is none of those that were ever written.
    """
    if forecast.hash_form not in HASH_FORMS:
        raise ValueError(f"there is no hash form {forecast.hash_form}")
    numbers = (forecast.anchor_close, forecast.sigma, *forecast.quantiles)
    content: list[object] = [
        prev_hash,
        forecast.symbol,
        forecast.horizon,
        forecast.contestant,
        forecast.model_version,
        *(_write(at) for at in (forecast.as_of, forecast.target_time, forecast.issued_at)),
        forecast.kind,
        # hex keeps every bit: a decimal that was rounded on the way would break the chain
        *(float(number).hex() for number in numbers),
    ]
    if forecast.hash_form == HASH_FORM:
        content += [
            HASH_FORM,
            [float(shift).hex() for shift in forecast.shifts],
            [
                [name, None if age is None else float(age).hex()]
                for name, age in sorted(forecast.input_ages.items())
            ],
        ]
    return sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class Withheld:
    """A forecast that was not issued, and why.

    `contestant` is empty and `model_version` 0 where no single version is to blame; `horizon` 0
    stands for every horizon.
    """

    symbol: str
    horizon: int
    contestant: str
    model_version: int
    as_of: datetime
    reason: str


def chain_forecasts(
    forecasts: Iterable[Forecast], last_hashes: Mapping[str, str]
) -> list[ChainedForecast]:
    """Chain forecasts in the order given, each onto the row before it of the same symbol.

    Args:
        forecasts: Rows of any symbols.
        last_hashes: By symbol, the hash of its last row; without one a chain begins.
    """
    hashes = dict(last_hashes)
    chained = []
    for forecast in forecasts:
        prev_hash = hashes.get(forecast.symbol, FIRST_HASH)
        row_hash = hash_forecast(forecast, prev_hash)
        chained.append(ChainedForecast(forecast, prev_hash, row_hash))
        hashes[forecast.symbol] = row_hash
    return chained


def find_kind(as_of: datetime, issued_at: datetime, late_after_minutes: int) -> Kind:
    """Tell whether a forecast came soon enough after its `as_of` to be scored."""
    is_late = issued_at - as_of > timedelta(minutes=late_after_minutes)
    return "late" if is_late else "live"


def _write(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds")
