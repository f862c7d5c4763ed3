"""The HTTP server around the stand-in: on this machine only, one thread per connection.

`POST /stand-in/faults` with `{"fault": "banned", "times": 1, "path": "/api/v3/klines"}` orders a
fault, `DELETE /stand-in/faults` forgets all, `GET /stand-in/requests` lists what was asked.
"""

import json
import logging
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import parse_qsl, urlsplit

from ringside_standin.answers import Answer, Exchange
from ringside_standin.faults import FAULTS, OrderedFaults

HOST = "127.0.0.1"
_DRIP_S = 0.5
_CONTROL = "/stand-in/"

_log = logging.getLogger(__name__)


class StandInServer(ThreadingHTTPServer):
    """The server; `asked` lists path and query of each request, `faults` what is ordered."""

    daemon_threads = True
    # A closed server leaves its port at once, and a slow answer does not hold up its closing.
    allow_reuse_address = True
    block_on_close = False

    def __init__(self, exchange: Exchange, *, port: int = 0) -> None:
        """Bind to `port` of the loopback interface; 0 takes a free one."""
        super().__init__((HOST, port), _Handler)
        self.exchange = exchange
        self.faults = OrderedFaults()
        self.asked: list[str] = []
        self.is_closing = Event()

    @property
    def url(self) -> str:
        """The address to set as the venue's."""
        return f"http://{HOST}:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: StandInServer
    protocol_version = "HTTP/1.1"
    server_version = "ringside-stand-in"
    sys_version = ""
    # Headers and body leave in one packet; otherwise each answer waits 40 ms for its delayed ack.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer as the exchange would, or fail as ordered."""
        if self.path == f"{_CONTROL}requests":
            self._send(_as_json(200, self.server.asked))
            return
        parts = urlsplit(self.path)
        self.server.asked.append(self.path)
        fault = self.server.faults.take(parts.path)
        answer = self.server.exchange.answer(parts.path, dict(parse_qsl(parts.query)), fault=fault)
        self._send(answer, manner=fault.manner if fault else "whole")

    def do_POST(self) -> None:
        """Order a fault."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            wanted = json.loads(body)
            self.server.faults.order(
                wanted["fault"],
                times=int(wanted.get("times", 1)),
                path=str(wanted.get("path", "")),
                retry_after_s=wanted.get("retry_after_s"),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._send(_as_json(400, {"error": str(error), "faults": list(FAULTS)}))
            return
        self._send(_as_json(200, {"ordered": wanted["fault"]}))

    def do_DELETE(self) -> None:
        """Forget the faults that were ordered."""
        self.server.faults.clear()
        self._send(_as_json(200, {}))

    def _send(self, answer: Answer, *, manner: str = "whole") -> None:
        if manner == "reset":
            # Lingering for no time makes closing a reset.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if manner == "truncated":
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.close_connection = True
        elif manner == "slow":
            self._drip(answer.body)
        else:
            self.wfile.write(answer.body)

    def _drip(self, body: bytes) -> None:
        """Send byte by byte, so that no single wait is long and the whole takes for ever."""
        try:
            for place in range(len(body)):
                self.wfile.write(body[place : place + 1])
                self.wfile.flush()
                if self.server.is_closing.wait(_DRIP_S):
                    return
        except OSError as error:
            _log.info("client left while the answer dripped: %s", error)
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Log a request as one line."""
        _log.debug("%s", format % args)


@contextmanager
def serving(exchange: Exchange, *, port: int = 0) -> Iterator[StandInServer]:
    """Serve for the length of the block, in a thread; port 0 takes a free one."""
    with StandInServer(exchange, port=port) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.is_closing.set()
            server.shutdown()
            thread.join()


def _as_json(status: int, value: object) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})
