"""A registry in which one version is champion already, and nothing else is registered.

The service knows only how to serve champions. To see a version served before it may become one, an
examination shows the service this view of the real registry: reads of that version pass through.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx

from ringside.core.titles import CHAMPION

_TIMEOUT = httpx.Timeout(10.0, connect=3.0)
_MODEL_CALLS = ("/registered-models/get", "/registered-models/search", "/model-versions/get")


@contextmanager
def examinee_registry(mlflow_url: str, model_name: str, version: int) -> Iterator[str]:
    """Serve the view on a loopback port for the length of the block; give its address."""

    class Answer(_Answer):
        upstream = mlflow_url
        examinee = (model_name, str(version))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Answer(BaseHTTPRequestHandler):
    upstream = ""
    examinee = ("", "")

    def do_GET(self) -> None:
        """Answer for the examinee, or pass a read on."""
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        asked = (query.get("name", [""])[0], query.get("version", [self.examinee[1]])[0])
        if parts.path.endswith("/registered-models/search"):
            self._answer(HTTPStatus.OK, {"registered_models": [self._describe()]})
        elif parts.path.endswith(_MODEL_CALLS) and asked != self.examinee:
            missing = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "not the examinee"}
            self._answer(HTTPStatus.NOT_FOUND, missing)
        elif parts.path.endswith("/registered-models/get"):
            self._answer(HTTPStatus.OK, {"registered_model": self._describe()})
        else:
            self._pass_on()

    def _describe(self) -> dict[str, object]:
        name, version = self.examinee
        return {"name": name, "aliases": [{"alias": CHAMPION, "version": version}]}

    def _pass_on(self) -> None:
        try:
            answer = httpx.get(f"{self.upstream}{self.path}", timeout=_TIMEOUT, trust_env=False)
            self._send(answer.status_code, answer.content)
        except httpx.HTTPError as error:
            told = {"error_code": "TEMPORARILY_UNAVAILABLE", "message": str(error)}
            self._answer(HTTPStatus.BAD_GATEWAY, told)

    def _answer(self, status: int, content: Mapping[str, object]) -> None:
        self._send(status, json.dumps(content).encode())

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing: the service logs what it asks."""
