"""What every answer gets on its way out: an ETag where it may be asked for again, and gzip."""

import gzip
from http import HTTPStatus

from flask import Flask, Response, request

GZIP_FROM_BYTES = 4_096
_COMPRESSIBLE = ("application/json", "text/", "application/javascript")
_CONDITIONS = frozenset({"HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE"})


def install(app: Flask) -> None:
    """Finish every answer of `app`."""
    app.after_request(finish)


def finish(answer: Response) -> Response:
    """Answer 304 to who has it already, and compress what is long for who can read it."""
    headers = answer.headers
    headers.setdefault("X-Content-Type-Options", "nosniff")
    if answer.direct_passthrough:
        return answer
    environ = request.environ
    if answer.status_code == HTTPStatus.OK and environ["REQUEST_METHOD"] in {"GET", "HEAD"}:
        if "ETag" not in headers and headers.get("Cache-Control") != "no-store":
            answer.add_etag(weak=True)
            headers.setdefault("Cache-Control", "no-cache")
        if not _CONDITIONS.isdisjoint(environ):
            answer.make_conditional(request)
    if headers.get("Content-Type", "").startswith(_COMPRESSIBLE):
        headers.setdefault("Vary", "Accept-Encoding")
        if "HTTP_ACCEPT_ENCODING" in environ and _is_worth_it(answer):
            answer.set_data(gzip.compress(answer.get_data(), compresslevel=5, mtime=0))
            headers["Content-Encoding"] = "gzip"
    return answer


def _is_worth_it(answer: Response) -> bool:
    return (
        (answer.content_length or 0) >= GZIP_FROM_BYTES
        and "Content-Encoding" not in answer.headers
        and answer.status_code not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
        and request.accept_encodings["gzip"] > 0
    )
