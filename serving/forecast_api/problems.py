"""Every error of the service as a problem document (RFC 9457); never a stack trace or a path."""

import logging
from http import HTTPStatus

from flask import Flask, Response, json, request
from werkzeug.exceptions import HTTPException

from forecast_api.limits import MAX_BODY_BYTES
from ringside.errors import RegistryUnavailableError, StoreUnavailableError

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
        self.headers: dict[str, str] = {}

    def with_headers(self, **headers: str) -> "Problem":
        """Add headers to the answer; an underscore in a name stands for a hyphen."""
        self.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self


def install(app: Flask) -> None:
    """Answer every error of `app` with a problem document."""
    app.before_request(_require_acceptable_body)
    app.register_error_handler(Problem, _answer_problem)
    app.register_error_handler(StoreUnavailableError, _answer_store_unavailable)
    app.register_error_handler(RegistryUnavailableError, _answer_registry_unavailable)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(Exception, _answer_bug)


def _require_acceptable_body() -> None:
    """Refuse a body before it is read: of unknown length, or too long.

    Raises:
        Problem: 411 or 413; the worker ends the connection, for the body is not wanted.
    """
    environ = request.environ
    if "HTTP_TRANSFER_ENCODING" in environ:
        raise Problem(
            HTTPStatus.LENGTH_REQUIRED, "length-required", "send the body with a Content-Length"
        )
    if environ.get("CONTENT_LENGTH") and (request.content_length or 0) > MAX_BODY_BYTES:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "body-too-long",
            f"the body has {request.content_length} bytes; {MAX_BODY_BYTES} are allowed",
        )


def _render(status: HTTPStatus, kind: str, title: str, **members: object) -> Response:
    body = {"type": kind, "title": title, "status": status.value, **members}
    return Response(json.dumps(body), status.value, mimetype=MEDIA_TYPE)


def _answer_problem(problem: Problem) -> Response:
    title = problem.slug.replace("-", " ").capitalize()
    kind = f"urn:ringside:problem:{problem.slug}"
    answer = _render(problem.status, kind, title, detail=problem.detail, **problem.members)
    answer.headers.update(problem.headers)
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer.headers.setdefault("Retry-After", "5")
    return answer


def _answer_store_unavailable(error: StoreUnavailableError) -> Response:
    """Say that PostgreSQL is down; its address and the driver's words stay in the log."""
    log.warning("database unavailable: %s", error)
    detail = "The database of candles does not answer; try again shortly."
    return _answer_problem(Problem(HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable", detail))


def _answer_registry_unavailable(error: RegistryUnavailableError) -> Response:
    """Say that MLflow is down; its address stays in the log."""
    log.warning("registry unavailable: %s", error)
    detail = "The model registry does not answer; try again shortly."
    return _answer_problem(Problem(HTTPStatus.SERVICE_UNAVAILABLE, "registry-unavailable", detail))


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
