"""The REST service: an app factory, and blueprints that only translate."""

from collections.abc import Callable

from flask import Flask

from forecast_api import forecast, health, model, problems, reports
from forecast_api.desk import EXTENSION, Desk


def create_app(get_desk: Callable[[], Desk]) -> Flask:
    """Build the app around the desk of the worker it runs in.

    Args:
        get_desk: Called in each request, because the app is built before Gunicorn forks and
            the desk, with models and connections, can only be set up after it.
    """
    app = Flask(__name__, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined] # the default provider has it
    app.extensions[EXTENSION] = get_desk
    for module in (forecast, health, model, reports):
        app.register_blueprint(module.bp)
    problems.install(app)
    return app
