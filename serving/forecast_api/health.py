"""Probes: `/livez` says that the process runs, `/readyz` whether it can forecast every title."""

from http import HTTPStatus

from flask import Blueprint
from flask.typing import ResponseReturnValue

from forecast_api.desk import Desk, find_desk
from forecast_api.problems import Problem
from ringside.errors import StoreUnavailableError

bp = Blueprint("health", __name__)


@bp.get("/livez")
def get_livez() -> ResponseReturnValue:
    """Answer 200 as long as the process answers at all."""
    return {"status": "live"}


@bp.get("/readyz")
def get_readyz() -> ResponseReturnValue:
    """Answer 200 if every title has a model and the database answers, else 503 and what lacks."""
    missing = _find_missing(find_desk())
    if missing:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "not-ready", "; ".join(missing), missing=missing
        )
    return {"status": "ready"}


def _find_missing(desk: Desk) -> list[str]:
    """Say what lacks, a line each."""
    missing = [
        f"no model for {title.symbol} at {title.horizon} candles ahead"
        for title in desk.titles
        if title not in desk.champions.by_title
    ]
    try:
        desk.market.require_answer()
    except StoreUnavailableError:
        missing.append("the database of candles does not answer")
    return missing
