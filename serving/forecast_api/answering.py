"""What every answer gets on its way out: an ETag where it may be asked for again, and gzip."""

import gzip

from flask import Flask, Response, request

GZIP_FROM_BYTES = 2_048
_COMPRESSIBLE = ("application/json", "text/", "application/javascript")


def install(app: Flask) -> None:
    """Finish every answer of `app`."""
    app.after_request(finish)


def finish(answer: Response) -> Response:
    """Answer 304 to who has it already, and compress what is long for who can read it."""
    answer.headers.setdefault("X-Content-Type-Options", "nosniff")
    if answer.direct_passthrough:
        return answer
    if request.method in {"GET", "HEAD"} and answer.status_code == 200:
        if "ETag" not in answer.headers and answer.headers.get("Cache-Control") != "no-store":
            answer.add_etag(weak=True)
            answer.headers.setdefault("Cache-Control", "no-cache")
        answer.make_conditional(request)
    if (answer.mimetype or "").startswith(_COMPRESSIBLE):
        answer.vary.add("Accept-Encoding")
        if _is_worth_it(answer) and request.accept_encodings["gzip"] > 0:
            answer.set_data(gzip.compress(answer.get_data(), compresslevel=5, mtime=0))
            answer.headers["Content-Encoding"] = "gzip"
    return answer


def _is_worth_it(answer: Response) -> bool:
    return (
        answer.status_code not in {204, 304}
        and "Content-Encoding" not in answer.headers
        and (answer.content_length or 0) >= GZIP_FROM_BYTES
    )
