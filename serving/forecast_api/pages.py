"""`/openapi.json`, and `/docs`: Swagger UI from a pinned package, with nothing from outside."""

import importlib.util
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, current_app, request, send_from_directory
from flask.typing import ResponseReturnValue

from forecast_api.contract import describe
from forecast_api.questions import NoParameters, read_query
from forecast_api.schemas.documents import OpenApiDocument

bp = Blueprint("pages", __name__)

DOCUMENT = "ringside-openapi"

_FILES = ("swagger_bundle.js", "swagger_preset.js", "swagger_style.css")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ringside REST</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger_style.css">
</head>
<body>
<div id="swagger"><a href="openapi.json">openapi.json</a></div>
<script src="docs/swagger_bundle.js"></script>
<script src="docs/swagger_preset.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger", deepLinking: true, validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
"""


@bp.get("/openapi.json")
@describe(OpenApiDocument)
def get_openapi() -> ResponseReturnValue:
    """Describe every operation: the document is all that a client needs."""
    read_query(request.args, NoParameters)
    answer = Response(current_app.extensions[DOCUMENT], mimetype="application/json")
    answer.headers["Cache-Control"] = "max-age=3600"
    return answer


@bp.get("/docs")
def get_docs() -> ResponseReturnValue:
    """Show the document as a page on which every operation can be tried."""
    answer = Response(_PAGE, mimetype="text/html")
    answer.headers["Content-Security-Policy"] = _POLICY
    return answer


@bp.get("/docs/start.js")
def get_start() -> ResponseReturnValue:
    """Start the page."""
    return Response(_START, mimetype="application/javascript")


@bp.get("/docs/<any(" + ",".join(f"'{name}'" for name in _FILES) + "):name>")
def get_page_file(name: str) -> ResponseReturnValue:
    """Send a file of Swagger UI."""
    return send_from_directory(_find_files(), name, max_age=3600)


@cache
def _find_files() -> Path:
    """Find the package that holds the files without importing it: it would load 30 MB of them."""
    spec = importlib.util.find_spec("offapi")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package offapi is not installed")
    return Path(spec.origin).parent
