"""What the service tells of itself: Prometheus metrics, one access line per request, its id.

Counts are kept in files that all workers of a master share (`PROMETHEUS_MULTIPROC_DIR`), so that
any worker answers for all of them. Ages are no counts: they are computed when they are asked for.
"""

import json
import os
import re
import uuid
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from time import perf_counter

from flask import Blueprint, Flask, Response, request
from flask.globals import request_ctx
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

_sinks: list[int] = []
"""Descriptors that access lines go to. `logging` would cost a tenth of a forecast that is kept."""

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
SHOWN_CHARACTERS = 200
_BEGAN = "ringside.began"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = Histogram(
    "ringside_request_seconds",
    "Requests answered, and the time it took without the network.",
    ("endpoint", "method", "status"),
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


def write_access_lines(*, to: int) -> None:
    """Write one line for each request from now on to a file descriptor, each in one piece."""
    _sinks.append(to)


def count_forecasts(used: Iterable[Champion], times: int = 1) -> None:
    """Count forecasts that were told, so many by each model."""
    for champion in used:
        _forecasts_of(
            champion.title.symbol,
            champion.title.horizon,
            champion.contestant,
            champion.version,
            champion.source,
        ).inc(times)


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
def _requests_of(endpoint: str, method: str, status: int) -> Histogram:
    return REQUESTS.labels(endpoint, method, status)


def _begin() -> None:
    environ = request.environ
    given = environ.get("HTTP_X_REQUEST_ID", "")
    known = given if given and _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    environ[_BEGAN] = (perf_counter(), known)


def _end(answer: Response) -> Response:
    asked = request_ctx.request
    environ = asked.environ
    began, request_id = environ[_BEGAN]
    seconds = perf_counter() - began
    rule = asked.url_rule
    method = environ["REQUEST_METHOD"]
    method = method if method in _METHODS else "(other)"
    status = answer.status_code
    _requests_of(rule.rule if rule else "(none)", method, status).observe(seconds)
    answer.headers["X-Request-ID"] = request_id
    if _sinks:
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": request_id,
            "client": environ.get("REMOTE_ADDR"),
            "method": method,
            # without the query, for it may be private
            "path": environ.get("PATH_INFO", "")[:SHOWN_CHARACTERS],
            "status": status,
            "bytes": answer.headers.get("Content-Length", type=int),
            "ms": round(seconds * 1000, 2),
            "worker": os.getpid(),
        }
        written = f"{json.dumps(line)}\n".encode()
        with suppress(OSError):  # no answer fails because nobody reads the log any more
            for sink in _sinks:
                os.write(sink, written)
    return answer
