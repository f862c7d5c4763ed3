"""Probes: `/livez` says that the process runs, `/readyz` whether it can forecast every title."""

from http import HTTPStatus

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from forecast_api.answers import rank
from forecast_api.contract import describe
from forecast_api.desk import Desk, find_desk
from forecast_api.problems import Problem
from forecast_api.questions import NoParameters, read_query
from forecast_api.schemas.health import LiveAnswer, ReadyAnswer
from ringside.errors import StoreUnavailableError

bp = Blueprint("health", __name__)


@bp.get("/livez")
@describe(LiveAnswer)
def get_livez() -> ResponseReturnValue:
    """Answer 200 as long as the process answers at all."""
    read_query(request.args, NoParameters)
    return {"status": "live"}


@bp.get("/readyz")
@describe(ReadyAnswer, problems=(503,))
def get_readyz() -> ResponseReturnValue:
    """Answer 200 if every title can be forecast, and say how far down the ladder; else 503."""
    read_query(request.args, NoParameters)
    desk = find_desk()
    warnings, missing = examine(desk)
    if missing:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "not-ready",
            "; ".join(missing),
            missing=missing,
            warnings=list(warnings),
        )
    return {
        "status": "ready",
        "degraded": warnings[0] if warnings else None,
        "warnings": list(warnings),
    }, {"Cache-Control": "no-store"}


def examine(desk: Desk) -> tuple[tuple[str, ...], list[str]]:
    """Say what is worse than it should be over all symbols, and what cannot be forecast."""
    warnings: set[str] = set()
    missing = [
        f"no model for {title.symbol} at {title.horizon} candles ahead"
        for title in desk.titles
        if title not in desk.champions.by_title
    ]
    for symbol in desk.symbols:
        try:
            hourly, _ = desk.hourly.read(symbol, desk.titles_of(symbol), real_time=desk.now())
        except StoreUnavailableError:
            missing.append("the database of candles does not answer, and there is no copy")
            break
        except Problem as problem:
            if problem.slug != "no-champion":  # said above, title by title
                missing.append(f"{symbol}: {problem.detail}")
        else:
            warnings |= set(hourly.forecast.warnings)
    return rank(warnings), missing
