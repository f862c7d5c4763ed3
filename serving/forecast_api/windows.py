"""A window of candles as a caller sends it: checked, then forecast from like our own."""

from collections.abc import Sequence
from http import HTTPStatus

import numpy as np

from forecast_api.answers import Anchor, Given, find_anchor, forecast_titles
from forecast_api.champions import Champions
from forecast_api.questions import bad_field
from forecast_api.schemas import CandleColumns
from ringside.core.candles import HOUR, Candles
from ringside.core.features import LOOKBACK
from ringside.core.titles import Title


def forecast_windows(
    symbol: str, windows: Sequence[CandleColumns], titles: Sequence[Title], champions: Champions
) -> tuple[list[Anchor], list[Given]]:
    """Forecast every title from the last candle of each of a caller's windows.

    Raises:
        Problem: 422 that names the field; the candles are no candles, or too few.
    """
    anchors = [_find_anchor(number, symbol, each) for number, each in enumerate(windows)]
    return anchors, forecast_titles(titles, champions, anchors)


def _find_anchor(number: int, symbol: str, columns: CandleColumns) -> Anchor:
    field = f"windows.{number}"
    anchor = find_anchor(_to_candles(field, symbol, columns))
    if anchor is None or not anchor.features.is_usable[-1]:
        raise _refuse(field, "too few hours before its last candle have one, or no price has moved")
    return anchor


def _to_candles(field: str, symbol: str, columns: CandleColumns) -> Candles:
    """Make candles of the columns; only the hours that a model can look back on are kept.

    Raises:
        Problem: 422; not on the hour, not ascending, or numbers that no candle has.
    """
    seconds = np.array([at.timestamp() for at in columns.open_time])
    opened = seconds.astype(np.int64).astype("datetime64[s]")
    _require(f"{field}.open_time", seconds >= 0, "before 1970")
    _require(f"{field}.open_time", seconds % 3600 == 0, "not on the hour")
    ascends = np.diff(opened, prepend=opened[:1] - HOUR) > np.timedelta64(0, "s")
    _require(f"{field}.open_time", ascends, "not after the candle before it")
    prices = {name: np.array(getattr(columns, name)) for name in ("open", "high", "low", "close")}
    top = np.maximum(prices["open"], prices["close"])
    bottom = np.minimum(prices["open"], prices["close"])
    _require(f"{field}.high", prices["high"] >= top, "below open or close")
    _require(f"{field}.low", prices["low"] <= bottom, "above open or close")
    candles = Candles(symbol, opened, **prices, volume=np.array(columns.volume))
    # a grid is laid from the first hour to the last: a stray old candle must not make it huge
    return candles.take(opened > opened[-1] - LOOKBACK * HOUR)


def _require(field: str, holds: np.ndarray, detail: str) -> None:
    if not holds.all():
        raise _refuse(f"{field}.{int(np.argmin(holds))}", detail)


def _refuse(field: str, detail: str) -> Exception:
    return bad_field(HTTPStatus.UNPROCESSABLE_ENTITY, field, detail)
