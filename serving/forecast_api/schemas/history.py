"""What is asked and answered of the past: candles, forecasts, and what came true."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    WithJsonSchema,
)

from forecast_api.schemas.base import Horizon, Instant, Source, Told, Whole, read_number
from forecast_api.schemas.forecasts import Quantiles, SymbolQuery
from ringside.core.contestants import CONTESTANTS

MAX_ROWS = 1_000
"""Rows of history in one page."""

_CONTESTANTS = ("champion", *CONTESTANTS)


def _require_contestant(value: str) -> str:
    if value not in _CONTESTANTS:
        raise ValueError(f"must be one of {', '.join(_CONTESTANTS)}")
    return value


ContestantName = Annotated[
    str,
    AfterValidator(_require_contestant),
    WithJsonSchema({"type": "string", "enum": list(_CONTESTANTS)}),
]


class HistoryQuery(SymbolQuery):
    """Which part of the history, page by page."""

    start: Instant | None = Field(
        None,
        description="From this instant on, oldest first. Without it (and `after`) the newest rows.",
    )
    end: Instant | None = Field(None, description="Before this instant.")
    limit: Whole = Field(100, ge=1, le=MAX_ROWS, description="Rows in one page.")


class ForecastsQuery(HistoryQuery):
    """Which forecasts of the record; `start` and `end` are about `as_of`."""

    horizon: Annotated[int, Field(ge=1, le=10_000), BeforeValidator(read_number)] | None = Field(
        None, description="Only this horizon; all when left out."
    )
    contestant: ContestantName | None = Field(
        None,
        description="Only this contestant; `champion` follows the title through time, whoever"
        " held it.",
    )
    after: str | None = Field(
        None,
        pattern=r"^[0-9]{1,10}-[0-9]{1,18}$",
        description="Continue here: from `next` of a page.",
    )


class PastForecast(Told):
    """A forecast on the record, and what came true; null while its hour is not over."""

    as_of: AwareDatetime
    target_time: AwareDatetime
    issued_at: AwareDatetime
    horizon: Horizon
    contestant: str
    version: int = Field(description="Version in the registry; 0: refitted for the record.")
    kind: Literal["live", "late", "replayed"]
    anchor_close: float
    log_return: Quantiles
    quantiles: Quantiles
    realised_return: float | None
    realised_close: float | None
    is_inside_50: bool | None
    is_inside_90: bool | None


class ForecastsAnswer(Told):
    """A page of the record, oldest first."""

    symbol: str
    forecasts: list[PastForecast]
    next: str | None = Field(description="Path of the next page; null on the last.")


class CandlesAnswer(Told):
    """A page of published candles, oldest first; `candles` can be sent to `/v1/predict`."""

    symbol: str
    source: Source
    candles: dict[str, list[Any]]
    venue: list[str]
    next: str | None = Field(description="Path of the next page; null on the last.")
