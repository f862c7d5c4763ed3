"""How a forecast did, once the close it was to foresee is known; numpy only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ringside.core.calibration import Hits
from ringside.core.forecasts import Forecast
from ringside.core.metrics import compute_pinball_loss, is_inside
from ringside.core.quantiles import INSIDE_50, INSIDE_90, LEVELS, MEDIAN


@dataclass(frozen=True)
class MaturedForecast:
    """A forecast that may be scored, and the close (quote currency) it was to foresee."""

    id: int
    forecast: Forecast
    target_close: float


@dataclass(frozen=True)
class Score:
    """How one forecast did; losses and errors are log returns, `scaled_loss` is unitless.

    `quantiles_below` counts the quantiles that the outcome exceeded, 0 to 5. What names the
    forecast stands here too, so that most questions need no look into the ledger.
    """

    forecast_id: int
    symbol: str
    horizon: int
    contestant: str
    model_version: int
    is_live: bool
    target_time: datetime
    target_close: float
    realised_return: float
    loss: float
    scaled_loss: float
    abs_error: float
    quantiles_below: int
    is_inside_50: bool
    is_inside_90: bool
    scored_at: datetime


def score_forecasts(matured: Sequence[MaturedForecast], *, scored_at: datetime) -> list[Score]:
    """Compute the score of each forecast from the close it was to foresee."""
    if not matured:
        return []
    quantiles = np.array([row.forecast.quantiles for row in matured])
    anchor = np.array([row.forecast.anchor_close for row in matured])
    sigma = np.array([row.forecast.sigma for row in matured])
    realised = np.log(np.array([row.target_close for row in matured]) / anchor)
    loss = compute_pinball_loss(realised, quantiles)
    columns = {
        "realised_return": realised,
        "loss": loss,
        "scaled_loss": loss / sigma,
        "abs_error": np.abs(realised - quantiles[:, MEDIAN]),
        "quantiles_below": (quantiles < realised[:, None]).sum(axis=1),
        "is_inside_50": is_inside(realised, *quantiles[:, INSIDE_50].T),
        "is_inside_90": is_inside(realised, *quantiles[:, INSIDE_90].T),
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [
        Score(
            forecast_id=one.id,
            symbol=one.forecast.symbol,
            horizon=one.forecast.horizon,
            contestant=one.forecast.contestant,
            model_version=one.forecast.model_version,
            is_live=one.forecast.kind == "live",
            target_time=one.forecast.target_time,
            target_close=one.target_close,
            scored_at=scored_at,
            **dict(zip(columns, row, strict=True)),
        )
        for one, row in zip(matured, rows, strict=True)
    ]


def to_hits(quantiles_below: NDArray[np.integer]) -> Hits:
    """Tell which quantiles held their outcome, shape (n,) to (n, 5): those from the count on.

    Examples:
        >>> to_hits(np.array([0, 4])).tolist()
        [[True, True, True, True, True], [False, False, False, False, True]]
    """
    held: Hits = np.arange(len(LEVELS)) >= quantiles_below[:, None]
    return held
