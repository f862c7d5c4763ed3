"""What is asked and answered of forecasts: of our own candles, and of a caller's."""

from typing import Literal, Self

from pydantic import AwareDatetime, Field, RootModel, model_validator

from forecast_api.schemas.base import Asked, Horizon, Source, Symbol, Told
from forecast_api.schemas.columns import Instants, Prices, Volumes

MAX_WINDOWS = 100
Warning_ = Literal[
    "no-model", "baseline", "previous-champion", "stale-candles", "last-good-copy", "database-down"
]
Rung = Literal["registry", "last-good-copy", "previous-champion", "baseline"]


class SymbolQuery(Asked):
    """Which series."""

    symbol: Symbol


class CandleColumns(Asked):
    """Closed hourly candles as columns of one length, oldest first; hours may be missing."""

    open_time: Instants
    open: Prices
    high: Prices
    low: Prices
    close: Prices
    volume: Volumes

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
