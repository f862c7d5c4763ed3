"""What the service tells of itself: Prometheus metrics, one access line per request, its id.

Counts are kept in files that all workers of a master share (`PROMETHEUS_MULTIPROC_DIR`), so that
any worker answers for all of them. Ages are no counts: they are computed when they are asked for.
"""

import json
import logging
import os
import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from time import perf_counter

from flask import Blueprint, Flask, Response, g, request
from flask.typing import ResponseReturnValue
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from forecast_api.champions import Champion
from forecast_api.contract import describe
from forecast_api.desk import find_desk
from forecast_api.questions import NoParameters, read_query
from forecast_api.vital_signs import VitalSigns

bp = Blueprint("metrics", __name__)
access_log = logging.getLogger("forecast_api.access")

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
SHOWN_CHARACTERS = 200
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = Counter(
    "ringside_requests", "Requests answered.", ("endpoint", "method", "status")
)  # fmt: skip
SECONDS = Histogram(
    "ringside_request_seconds",
    "Time to answer, without the network.",
    ("endpoint", "method"),
    buckets=_BUCKETS,
)
FORECASTS = Counter(
    "ringside_forecasts",
    "Forecasts told, by the model that made them and its rung on the ladder.",
    ("symbol", "horizon", "contestant", "version", "rung"),
)
RELOADS = Counter(
    "ringside_reloads", "Starts and reloads; refused: a champion could not be served.", ("outcome",)
)


def install(app: Flask) -> None:
    """Measure and log every request of `app`; its id comes back in `X-Request-ID`."""
    app.before_request(_begin)
    app.after_request(_end)


def count_forecasts(used: Iterable[Champion]) -> None:
    """Count forecasts that were told."""
    for champion in used:
        _forecasts_of(
            champion.title.symbol,
            champion.title.horizon,
            champion.contestant,
            champion.version,
            champion.source,
        ).inc()


@bp.get("/metrics")
@describe(None, media_type="text/plain")
def get_metrics() -> ResponseReturnValue:
    """Tell the counts of all workers, and the ages of models, data and the last reload."""
    read_query(request.args, NoParameters)
    counts = REGISTRY
    if os.environ.get(FOLDER_VARIABLE):
        counts = CollectorRegistry()
        MultiProcessCollector(counts)  # type: ignore[no-untyped-call] # the library's own
    signs = CollectorRegistry()
    signs.register(VitalSigns(find_desk()))
    return Response(
        generate_latest(counts) + generate_latest(signs), content_type=CONTENT_TYPE_LATEST
    )


@cache
def _forecasts_of(*labels: str | int) -> Counter:
    return FORECASTS.labels(*labels)


@cache
def _requests_of(endpoint: str, method: str, status: int) -> Counter:
    return REQUESTS.labels(endpoint, method, status)


@cache
def _seconds_of(endpoint: str, method: str) -> Histogram:
    return SECONDS.labels(endpoint, method)


def _begin() -> None:
    g.began = perf_counter()
    given = request.environ.get("HTTP_X_REQUEST_ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _end(answer: Response) -> Response:
    seconds = perf_counter() - g.began
    endpoint = request.url_rule.rule if request.url_rule else "(none)"
    method = request.method if request.method in _METHODS else "(other)"
    _requests_of(endpoint, method, answer.status_code).inc()
    _seconds_of(endpoint, method).observe(seconds)
    answer.headers["X-Request-ID"] = g.request_id
    if access_log.isEnabledFor(logging.INFO):
        access_log.info("%s", _make_line(answer, method, seconds))
    return answer


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})


def _make_line(answer: Response, method: str, seconds: float) -> str:
    """Write one request as JSON; its query stays out, for it may be private."""
    return json.dumps(
        {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": g.request_id,
            "client": request.remote_addr,
            "method": method,
            "path": request.path[:SHOWN_CHARACTERS],
            "status": answer.status_code,
            "bytes": answer.content_length,
            "ms": round(seconds * 1000, 2),
            "worker": os.getpid(),
        }
    )
