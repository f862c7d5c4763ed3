"""`GET /v1/model`: which versions each worker serves; promotion polls it after a reload."""

import os

from flask import Blueprint
from flask.typing import ResponseReturnValue

from forecast_api.desk import find_desk

bp = Blueprint("model", __name__)


@bp.get("/v1/model")
def get_model() -> ResponseReturnValue:
    """Name the versions this worker serves, and what every live worker says it serves."""
    desk = find_desk()
    return {"pid": os.getpid(), **desk.champions.describe(), "workers": desk.board.read()}
