"""`/reports/`: the newest static charts, as files."""

from flask import Blueprint, send_from_directory
from flask.typing import ResponseReturnValue

from forecast_api.desk import find_desk

bp = Blueprint("reports", __name__)


@bp.get("/reports/", defaults={"path": "index.html"})
@bp.get("/reports/<path:path>")
def get_report(path: str) -> ResponseReturnValue:
    """Send one file of the newest report; 404 where there is none."""
    return send_from_directory(find_desk().reports_dir.absolute(), path)
