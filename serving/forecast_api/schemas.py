"""What callers send and get, as typed schemas: the OpenAPI document is made from these."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    RootModel,
    WithJsonSchema,
    model_validator,
)

from ringside.core.contestants import CONTESTANTS

MAX_WINDOWS = 100
MAX_CANDLES = 1_000
MAX_ROWS = 1_000
"""Rows of history in one page."""

_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_NUMBER = re.compile(r"-?[0-9]{1,9}")


def _read_instant(value: object) -> object:
    """Let only RFC 3339 through; in a query a plus sign that was not escaped arrives as a blank."""
    if isinstance(value, str):
        value = value.replace(" ", "+")
        if not _INSTANT.fullmatch(value):
            raise ValueError("not an instant of RFC 3339, such as 2025-01-31T09:00:00Z")
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except OverflowError:  # an offset that leads out of the calendar: its last day will do
            return _FIRST if value.startswith("0001") else _LAST
    return value


def _read_number(value: object) -> object:
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError("not a whole number")
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_read_instant)]
SentInstant = Annotated[AwareDatetime, Field(strict=True)]
"""In a body, where there may be a hundred thousand of them: read without any Python."""
Whole = Annotated[int, BeforeValidator(_read_number)]
Symbol = Annotated[
    str, Field(description="A series, with or without its slash.", min_length=1, max_length=40)
]
Horizon = Annotated[int, Field(ge=1, description="Candles ahead, of one hour each.")]
Price = Annotated[FiniteFloat, Field(gt=0, lt=1e15, strict=True)]
Volume = Annotated[FiniteFloat, Field(ge=0, lt=1e15, strict=True)]
Warning_ = Literal[
    "no-model", "baseline", "previous-champion", "stale-candles", "last-good-copy", "database-down"
]
Rung = Literal["registry", "last-good-copy", "previous-champion", "baseline"]
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


class Asked(BaseModel):
    """What is sent; unknown members are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Told(BaseModel):
    """What is answered."""

    model_config = ConfigDict(extra="forbid")


class NoQuery(Asked):
    """No parameters."""


class SymbolQuery(Asked):
    """Which series."""

    symbol: Symbol


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

    horizon: Annotated[int, Field(ge=1, le=10_000), BeforeValidator(_read_number)] | None = Field(
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


class CandleColumns(Asked):
    """Closed hourly candles as columns of one length, oldest first; hours may be missing."""

    open_time: list[SentInstant] = Field(min_length=1, max_length=MAX_CANDLES)
    open: list[Price] = Field(min_length=1, max_length=MAX_CANDLES)
    high: list[Price] = Field(min_length=1, max_length=MAX_CANDLES)
    low: list[Price] = Field(min_length=1, max_length=MAX_CANDLES)
    close: list[Price] = Field(min_length=1, max_length=MAX_CANDLES)
    volume: list[Volume] = Field(min_length=1, max_length=MAX_CANDLES)

    @model_validator(mode="after")
    def _require_one_length(self) -> Self:
        lengths = {name: len(getattr(self, name)) for name in type(self).model_fields}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the columns differ in length: {lengths}")
        return self


class PredictBody(Asked):
    """Candles to forecast from; each window stands for itself."""

    symbol: Symbol
    windows: list[CandleColumns] = Field(min_length=1, max_length=MAX_WINDOWS)


class Quantiles(RootModel[dict[str, float]]):
    """Values by quantile level: `0.05`, `0.25`, `0.5`, `0.75`, `0.95`."""


class Source(Told):
    """Where the candles come from."""

    kind: str
    label: str


class TitleForecast(Told):
    """What the holder of one title forecasts."""

    horizon: Horizon
    target_time: AwareDatetime
    contestant: str
    version: int
    rung: Rung = Field(description="`registry` is the champion; the others are worse.")
    quantiles: Quantiles = Field(description="Prices in the quote currency.")
    log_return: Quantiles = Field(description="Log returns from `anchor_close`.")
    calibration: Quantiles = Field(
        description="How far past outcomes have moved each quantile of `log_return`, in units of"
        " sigma * sqrt(horizon); the same as on the record."
    )


class Unavailable(Told):
    """A horizon without a forecast, and why."""

    horizon: Horizon
    reason: str


class Input(Told):
    """One input and its age, both null for an auxiliary series of which nothing is known."""

    name: str
    known_at: AwareDatetime | None
    age_s: float | None
    origin: str


class ForecastAnswer(Told):
    """The champions' forecast from the last closed candle."""

    symbol: str
    as_of: AwareDatetime = Field(description="Close of the last candle that is known.")
    source: Source
    degraded: Warning_ | None = Field(description="The gravest of `warnings`; null for none.")
    warnings: list[Warning_]
    anchor_close: float
    forecasts: list[TitleForecast]
    unavailable: list[Unavailable]
    market_time: AwareDatetime
    age_s: float = Field(description="Seconds from `as_of` to `market_time`.")
    inputs: list[Input] = Field(description="Each input with its age.")


class WindowForecast(Told):
    """The forecasts of one window."""

    as_of: AwareDatetime
    anchor_close: float
    forecasts: list[TitleForecast]
    unavailable: list[Unavailable]


class PredictAnswer(Told):
    """One entry for each window, in the order sent."""

    symbol: str
    degraded: Warning_ | None
    warnings: list[Warning_]
    windows: list[WindowForecast]


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


class RegisteredVersion(Told):
    """One version that an alias names."""

    version: int
    contestant: str
    aliases: list[str]
    facts: dict[str, str]


class RegisteredTitle(Told):
    """The contestants of one title."""

    symbol: str
    horizon: Horizon
    model_name: str
    versions: list[RegisteredVersion]


class ModelsAnswer(Told):
    """Contestants with their aliases, as the registry names them."""

    read_at: AwareDatetime
    titles: list[RegisteredTitle]


class ServedTitle(Told):
    """What one worker serves for one title."""

    symbol: str
    horizon: Horizon
    contestant: str
    version: int
    sha256: str
    source: Rung
    fitted_as_of: AwareDatetime


class RefusedVersion(Told):
    """A version that is not served, and why."""

    symbol: str
    horizon: Horizon
    version: int | None
    reason: str


class WorkerNote(Told):
    """What one worker serves."""

    pid: int
    generation: int
    loaded_at: AwareDatetime
    titles: list[ServedTitle]
    refused: list[RefusedVersion]


class ModelAnswer(WorkerNote):
    """What the answering worker serves, and what every live worker says it serves."""

    workers: list[WorkerNote]


class ReloadAnswer(Told):
    """The reload is under way; `/v1/model` tells when each worker has changed over."""

    status: Literal["accepted"]
    generation: int = Field(description="Generation of the answering worker: wait for a later one.")


class LiveAnswer(Told):
    """The process answers."""

    status: Literal["live"]


class ReadyAnswer(Told):
    """Every title can be forecast, perhaps not by its champion."""

    status: Literal["ready"]
    degraded: Warning_ | None
    warnings: list[Warning_]


class FieldError(Told):
    """One wrong field; `field` is its path, such as `windows.0.close.3`."""

    field: str
    detail: str


class ProblemDocument(BaseModel):
    """RFC 9457; some problems have further members."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str | None = None
    errors: list[FieldError] | None = None


class OpenApiDocument(BaseModel):
    """This document."""

    model_config = ConfigDict(extra="allow")

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]
