"""`GET /v1/forecast` and `POST /v1/predict`: from the last closed candle, or from the caller's."""

import logging
from collections.abc import Sequence
from http import HTTPStatus

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from forecast_api.answers import find_warnings, rank
from forecast_api.contract import describe
from forecast_api.desk import Desk, find_desk, find_symbol
from forecast_api.market import MarketWindow
from forecast_api.problems import Problem
from forecast_api.questions import read_body, read_query
from forecast_api.schemas.forecasts import ForecastAnswer, PredictAnswer, PredictBody, SymbolQuery
from forecast_api.telemetry import count_forecasts
from forecast_api.windows import forecast_windows
from ringside.errors import StoreUnavailableError

bp = Blueprint("forecast", __name__)
log = logging.getLogger(__name__)

SHOWN_CHARACTERS = 40


@bp.get("/v1/forecast")
@describe(ForecastAnswer, query=SymbolQuery, problems=(404, 503))
def get_forecast() -> ResponseReturnValue:
    """Forecast a symbol from its last closed candle.

    One forecast per horizon by whoever holds the title, with its quantiles in prices.
    """
    desk = find_desk()
    query = read_query(request.args, SymbolQuery)
    symbol = require_symbol(query.symbol, desk.symbols)
    hourly, window = desk.hourly.read(symbol, desk.titles_of(symbol), real_time=desk.now())
    count_forecasts(hourly.forecast.used)
    answer = Response(hourly.tell(window), mimetype="application/json")
    answer.headers["ETag"] = hourly.etag
    max_age_s = hourly.find_max_age_s(window)
    answer.headers["Cache-Control"] = f"max-age={max_age_s}" if max_age_s else "no-cache"
    return answer


@bp.post("/v1/predict")
@describe(PredictAnswer, body=PredictBody, problems=(404, 413, 415, 422, 503))
def predict() -> ResponseReturnValue:
    """Forecast from candles that the caller sends, several windows per call.

    The last candle of a window is the one that the forecasts start from; the models look back
    721 candles and need 169 at least.
    """
    desk = find_desk()
    body = read_body(request, PredictBody)
    symbol = require_symbol(body.symbol, desk.symbols)
    titles = desk.titles_of(symbol)
    ours = _read_ours(desk, symbol)
    anchors, given = forecast_windows(symbol, body.windows, titles, desk.champions, ours)
    windows = [
        {
            "as_of": anchor.as_of.isoformat(),
            "anchor_close": anchor.close,
            "forecasts": each.forecasts,
            "unavailable": each.unavailable,
        }
        for anchor, each in zip(anchors, given, strict=True)
    ]
    used = given[0].used  # the same models for every window
    if not used:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "no-champion", "no model can forecast", windows=windows
        )
    count_forecasts(used, len(windows))
    warnings = rank(find_warnings(titles, desk.champions, used))
    return {
        "symbol": symbol,
        "degraded": warnings[0] if warnings else None,
        "warnings": list(warnings),
        "windows": windows,
    }


def _read_ours(desk: Desk, symbol: str) -> MarketWindow | None:
    """Read our own window, for its inputs; None where nothing was ever known of the market."""
    try:
        return desk.market.read_window(symbol, real_time=desk.now())
    except StoreUnavailableError as error:  # the caller has brought the candles
        log.warning("no shifts are known: %s", error)
        return None


def require_symbol(given: str, known: Sequence[str]) -> str:
    """Find the symbol that is meant.

    Raises:
        Problem: 404; it is not forecast here.
    """
    symbol = find_symbol(given, known)
    if symbol is None:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "unknown-symbol",
            f"{given[:SHOWN_CHARACTERS]!r} is not forecast here",
            known=sorted(known),
            errors=[{"field": "symbol", "detail": "not forecast here"}],
        )
    return symbol
