"""A forecast on the record, and the hash that chains it to the one before."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Literal

Kind = Literal["live", "late", "replayed"]

FIRST_HASH = "0" * 64
REPLAYED_VERSION = 0
"""`model_version` of a forecast whose model was refitted for the record only."""


@dataclass(frozen=True)
class Forecast:
    """One row of the ledger; quantiles are log returns at `LEVELS`, instants are UTC-aware."""

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

    @property
    def target_time(self) -> datetime:
        """When the outcome is known: the close of the candle `horizon` hours on."""
        return self.as_of + timedelta(hours=self.horizon)

    @property
    def key(self) -> tuple[int, str, int, datetime]:
        """What names the row among those of its symbol."""
        return self.horizon, self.contestant, self.model_version, self.as_of


@dataclass(frozen=True)
class ChainedForecast:
    """A forecast with its place in the chain of its symbol."""

    forecast: Forecast
    prev_hash: str
    row_hash: str


def hash_forecast(forecast: Forecast, prev_hash: str) -> str:
    """Compute the SHA-256 (hex) of every field and the hash of the row before."""
    numbers = (forecast.anchor_close, forecast.sigma, *forecast.quantiles)
    content = [
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
    return sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


def chain_forecasts(forecasts: Iterable[Forecast], prev_hash: str) -> list[ChainedForecast]:
    """Chain forecasts in the order given onto the row whose hash is `prev_hash`."""
    chained = []
    for forecast in forecasts:
        row_hash = hash_forecast(forecast, prev_hash)
        chained.append(ChainedForecast(forecast, prev_hash, row_hash))
        prev_hash = row_hash
    return chained


def find_kind(as_of: datetime, issued_at: datetime, late_after_minutes: int) -> Kind:
    """Tell whether a forecast came soon enough after its `as_of` to be scored."""
    is_late = issued_at - as_of > timedelta(minutes=late_after_minutes)
    return "late" if is_late else "live"


def _write(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds")
