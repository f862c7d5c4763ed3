"""A window of candles as a caller sends it: checked, then forecast from like our own."""

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus

import numpy as np
from numpy.typing import NDArray

from forecast_api.answers import Anchor, Given, find_anchor, forecast_titles
from forecast_api.champions import Champions
from forecast_api.hour_inputs import NO_INPUTS, HourInputs
from forecast_api.market import MarketWindow
from forecast_api.questions import bad_field
from forecast_api.schemas.forecasts import CandleColumns
from ringside.core.candles import HOUR, Candles, Times
from ringside.core.features import CHANGES, LOOKBACK
from ringside.core.known_values import keep_known
from ringside.core.titles import Title

AUXILIARY_REACH = (LOOKBACK - max(CHANGES)) * HOUR
"""How long before our own hour a window may end and find all its auxiliary values in ours."""

_EPOCH = np.datetime64(0, "s")
_END = np.datetime64("9000-01-01", "s")
"""The calendar of answers ends with the year 9999, some horizons later than any candle."""


def forecast_windows(
    symbol: str,
    windows: Sequence[CandleColumns],
    titles: Sequence[Title],
    champions: Champions,
    ours: MarketWindow | None,
) -> tuple[list[Anchor], list[Given]]:
    """Forecast every title from the last candle of each of a caller's windows.

    They are calibrated by the shifts of our own hour, those last known. A caller sends no auxiliary
    values: each window gets those of ours that were known at its end. Where one ends after our own
    hour, or too long before it, there are none, and a model that looks at them is passed over.

    Raises:
        Problem: 422 that names the field; the candles are no candles, or too few.
    """
    sent = [_to_candles(_name(number), symbol, each) for number, each in enumerate(windows)]
    inputs = NO_INPUTS if ours is None else ours.inputs
    if ours is not None and not all(_ends_near(each, ours.candles) for each in sent):
        inputs = replace(inputs, auxiliary={})
    anchors = [_find_anchor(_name(number), each, inputs) for number, each in enumerate(sent)]
    return anchors, forecast_titles(titles, champions, anchors, inputs)


def _name(number: int) -> str:
    return f"windows.{number}"


def _ends_near(sent: Candles, ours: Candles) -> bool:
    """Tell whether our auxiliary values, a look-back of them, hold all that a window looks at."""
    if len(ours) == 0:
        return False
    behind = ours.open_time[-1] - sent.open_time[-1]
    return bool(0 * HOUR <= behind <= AUXILIARY_REACH)


def _find_anchor(field: str, candles: Candles, inputs: HourInputs) -> Anchor:
    anchor = find_anchor(candles, keep_known(inputs.auxiliary, candles.close_time[-1]))
    if anchor is None or not anchor.features.is_usable[-1]:
        raise _refuse(field, "too few hours before its last candle have one, or no price has moved")
    return anchor


def _to_candles(field: str, symbol: str, columns: CandleColumns) -> Candles:
    """Make candles of the columns; only the hours that a model can look back on are kept.

    Raises:
        Problem: 422; not on the hour, not ascending, or numbers that no candle has.
    """
    opened = columns.open_time.astype("datetime64[h]").astype("datetime64[s]")
    _require(f"{field}.open_time", columns.open_time >= _EPOCH, "before 1970")
    _require(f"{field}.open_time", columns.open_time < _END, "after the year 8999")
    _require(f"{field}.open_time", columns.open_time == opened, "not on the hour")
    _require(f"{field}.open_time", _ascends(opened), "not after the candle before it")
    top = np.maximum(columns.open, columns.close)
    bottom = np.minimum(columns.open, columns.close)
    _require(f"{field}.high", columns.high >= top, "below open or close")
    _require(f"{field}.low", columns.low <= bottom, "above open or close")
    candles = Candles(
        symbol, opened, columns.open, columns.high, columns.low, columns.close, columns.volume
    )
    # a grid is laid from the first hour to the last: a stray old candle must not make it huge
    oldest = opened[-1] - LOOKBACK * HOUR
    return candles if opened[0] > oldest else candles.take(opened > oldest)


def _ascends(opened: Times) -> NDArray[np.bool_]:
    later = np.ones(len(opened), dtype=np.bool_)
    later[1:] = opened[1:] > opened[:-1]
    return later


def _require(field: str, holds: NDArray[np.bool_], detail: str) -> None:
    if not holds.all():
        raise _refuse(f"{field}.{int(np.argmin(holds))}", detail)


def _refuse(field: str, detail: str) -> Exception:
    return bad_field(HTTPStatus.UNPROCESSABLE_ENTITY, field, detail)
