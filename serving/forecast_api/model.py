"""`/v1/model`: which versions each worker serves; `/v1/reload`: serve the champions of now."""

import hmac
import os
from http import HTTPStatus

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from forecast_api.contract import describe
from forecast_api.desk import find_desk
from forecast_api.problems import Problem
from forecast_api.questions import NoParameters, read_query
from forecast_api.schemas.models import ModelAnswer, ReloadAnswer

bp = Blueprint("model", __name__)


@bp.get("/v1/model")
@describe(ModelAnswer)
def get_model() -> ResponseReturnValue:
    """Name the versions this worker serves, and what every live worker says it serves."""
    read_query(request.args, NoParameters)
    desk = find_desk()
    answer = {"pid": os.getpid(), **desk.champions.describe(), "workers": desk.board.read()}
    return answer, {"Cache-Control": "no-store"}


@bp.post("/v1/reload")
@describe(ReloadAnswer, status=202, problems=(401, 403), is_secured=True)
def reload() -> ResponseReturnValue:
    """Make every worker load the champions of now, as `SIGHUP` to the Gunicorn master does.

    Old workers answer until new ones have taken over; `/v1/model` tells when they all have.
    """
    desk = find_desk()
    _require_token(desk.reload_token)
    read_query(request.args, NoParameters)
    desk.request_reload()
    return {"status": "accepted", "generation": desk.champions.generation}, HTTPStatus.ACCEPTED


def _require_token(expected: str | None) -> None:
    """Let only the bearer of the token through.

    Raises:
        Problem: 401 without a token, 403 with a wrong one or where none is set.
    """
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise Problem(
            HTTPStatus.UNAUTHORIZED, "token-missing", "send the token as Authorization: Bearer …"
        ).with_headers(WWW_Authenticate='Bearer realm="ringside"')
    if expected is None:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "reload-by-signal-only",
            "no RINGSIDE_RELOAD_TOKEN is set here; send SIGHUP to the Gunicorn master",
        )
    if not hmac.compare_digest(given.strip().encode(), expected.encode()):
        raise Problem(HTTPStatus.FORBIDDEN, "token-wrong", "this is not the token of this service")
