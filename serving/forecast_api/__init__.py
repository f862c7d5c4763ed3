"""The REST service: an app factory, and blueprints that only translate."""

from collections.abc import Callable, Sequence

from flask import Flask, json

from forecast_api import (
    answering,
    catalogue,
    contract,
    forecast,
    health,
    history,
    model,
    pages,
    problems,
    reports,
    telemetry,
)
from forecast_api.desk import EXTENSION, Desk
from forecast_api.limits import MAX_BODY_BYTES


def create_app(get_desk: Callable[[], Desk], symbols: Sequence[str]) -> Flask:
    """Build the app around the desk of the worker it runs in.

    Args:
        get_desk: Called in each request, because the app is built before Gunicorn forks and
            the desk, with models and connections, can only be set up after it.
        symbols: The configured series, for the OpenAPI document.
    """
    app = Flask(__name__, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined] # the default provider has it
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.extensions[EXTENSION] = get_desk
    # hooks after the request run last to first: an answer is finished, then measured
    telemetry.install(app)
    answering.install(app)
    problems.install(app)
    for module in (forecast, history, catalogue, model, health, telemetry, pages, reports):
        app.register_blueprint(module.bp)
    app.extensions[pages.DOCUMENT] = json.dumps(contract.make_document(app, symbols))
    return app
