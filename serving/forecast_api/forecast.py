"""`GET /v1/forecast`: what the champions forecast from the last closed candle."""

from collections.abc import Sequence
from http import HTTPStatus

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from forecast_api.answers import make_answer
from forecast_api.desk import find_desk
from forecast_api.problems import Problem, bad_parameter

bp = Blueprint("forecast", __name__)

SHOWN_CHARACTERS = 40


@bp.get("/v1/forecast")
def get_forecast() -> ResponseReturnValue:
    """Answer the forecast of the symbol asked for."""
    desk = find_desk()
    symbol = parse_symbol(request.args, [title.symbol for title in desk.titles])
    window = desk.market.read_window(symbol, real_time=desk.now())
    if window is None:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "no-candles", "no candle was ever ingested yet"
        )
    return make_answer(desk.titles_of(symbol), desk.champions, window)


def parse_symbol(args: MultiDict[str, str], known: Sequence[str]) -> str:
    """Read `symbol`, with or without its slash, in capitals or not.

    Raises:
        Problem: 400 if it is missing, given twice or not alone; 404 if the symbol is unknown.
    """
    for name in args:
        if name != "symbol":
            shown = name[:SHOWN_CHARACTERS]
            raise bad_parameter(shown, f"there is no parameter {shown!r}; there is symbol")
    given = args.getlist("symbol")
    if len(given) > 1:
        raise bad_parameter("symbol", "symbol is given more than once")
    if not given or not given[0].strip():
        raise bad_parameter("symbol", f"symbol is missing; for example symbol={known[0]}")
    for symbol in known:
        if _fold(symbol) == _fold(given[0]):
            return symbol
    raise Problem(
        HTTPStatus.NOT_FOUND,
        "unknown-symbol",
        f"{given[0][:SHOWN_CHARACTERS]!r} is not forecast here",
        known=sorted(set(known)),
    )


def _fold(symbol: str) -> str:
    return symbol.replace("/", "").strip().upper()
