"""Every error of the service as a problem document (RFC 9457); never a stack trace or a path."""

import logging
from http import HTTPStatus

from flask import Flask, Response, json
from werkzeug.exceptions import HTTPException

from ringside.errors import StoreUnavailableError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818 - the name RFC 9457 gives it
    """An answer that is not a success: raised in a view, sent as a problem document.

    `slug` names the kind of problem for programs, `detail` explains this one to a person,
    `members` are further fields of the document.
    """

    def __init__(self, status: HTTPStatus, slug: str, detail: str, **members: object) -> None:
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.detail = detail
        self.members = members


def bad_parameter(name: str, detail: str) -> Problem:
    """Make the problem of one wrong query parameter, named in `errors`."""
    return Problem(
        HTTPStatus.BAD_REQUEST,
        "bad-parameter",
        detail,
        errors=[{"parameter": name, "detail": detail}],
    )


def install(app: Flask) -> None:
    """Answer every error of `app` with a problem document."""
    app.register_error_handler(Problem, _answer_problem)
    app.register_error_handler(StoreUnavailableError, _answer_store_unavailable)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(Exception, _answer_bug)


def _render(status: HTTPStatus, kind: str, title: str, **members: object) -> Response:
    body = {"type": kind, "title": title, "status": status.value, **members}
    return Response(json.dumps(body), status.value, mimetype=MEDIA_TYPE)


def _answer_problem(problem: Problem) -> Response:
    title = problem.slug.replace("-", " ").capitalize()
    kind = f"urn:ringside:problem:{problem.slug}"
    return _render(problem.status, kind, title, detail=problem.detail, **problem.members)


def _answer_store_unavailable(error: StoreUnavailableError) -> Response:
    """Say that PostgreSQL is down; its address and the driver's words stay in the log."""
    log.warning("database unavailable: %s", error)
    detail = "The database of candles does not answer; try again shortly."
    return _answer_problem(Problem(HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable", detail))


def _answer_http_error(error: HTTPException) -> Response:
    """Keep the headers of Werkzeug's own errors: 405 names the allowed methods, redirects go on."""
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        answer = error.get_response()
        return Response(answer.get_data(), answer.status_code, answer.headers)
    status = HTTPStatus(error.code)
    document = _render(status, "about:blank", status.phrase, detail=error.description)
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            document.headers[name] = value
    return document


def _answer_bug(error: Exception) -> Response:
    """Log what went wrong in full; tell the caller only that it is not his fault."""
    log.error("unexpected error in a view", exc_info=error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    detail = "The service met an unexpected error; it is in the service's log."
    return _render(status, "about:blank", status.phrase, detail=detail)
