"""The one way from features to quantiles: what goes on the record and what serving answers."""

from collections.abc import Sequence

import numpy as np

from ringside.core.calibration import apply_shifts
from ringside.core.candles import Floats
from ringside.core.contestants import Contestant
from ringside.core.features import FeatureTable
from ringside.core.quantiles import LEVELS, are_sound
from ringside.errors import ModelRefusedError


def forecast_quantiles(
    contestant: Contestant, table: FeatureTable, *, names: tuple[str, ...] | None = None
) -> Floats:
    """Forecast the log-return quantiles of every row of a table.

    Args:
        contestant: A fitted contestant.
        table: Features, n rows; it may have more columns than the contestant was fitted on.
        names: Columns the contestant takes, in its order; all of the table's when None.

    Returns:
        Quantiles at `LEVELS` (log returns), shape (n, 5), finite and ascending in each row.

    Raises:
        ModelRefusedError: A column is missing, or the quantiles are not finite or cross.
    """
    try:
        seen = table if names is None else table.pick(names)
    except ValueError as error:
        raise ModelRefusedError(f"{contestant.name} cannot be asked: {error}") from error
    quantiles = contestant.forecast(seen.values, seen.sigma)
    if quantiles.shape != (len(table.sigma), len(LEVELS)) or not are_sound(quantiles):
        raise ModelRefusedError(f"{contestant.name} gave quantiles that cross or are not finite")
    return quantiles


def forecast_calibrated(
    contestant: Contestant,
    table: FeatureTable,
    *,
    horizon: int,
    shifts: Sequence[float] | Floats,
    names: tuple[str, ...] | None = None,
) -> Floats:
    """Forecast the quantiles that are issued: those of `forecast_quantiles`, moved by the shifts.

    Args:
        contestant: A fitted contestant.
        table: Features, n rows; it may have more columns than the contestant was fitted on.
        horizon: Candles ahead.
        shifts: How far calibration moves each quantile, in units of sigma * sqrt(horizon), shape
            (5,).
        names: Columns the contestant takes, in its order; all of the table's when None.

    Returns:
        Quantiles at `LEVELS` (log returns), shape (n, 5), finite and ascending in each row.

    Raises:
        ModelRefusedError: A column is missing, or the quantiles are not finite or cross.
    """
    quantiles = forecast_quantiles(contestant, table, names=names)
    return apply_shifts(quantiles, table.sigma, horizon=horizon, shifts=np.asarray(shifts))
