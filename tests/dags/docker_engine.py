"""A Docker engine that runs nothing: it speaks enough of the engine's API for one container."""

import json
import struct
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Engine(ThreadingHTTPServer):
    """Remembers what it was asked to create and remove; answers with planned lines and code."""

    def __init__(self, lines, exit_code):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lines, self.exit_code = lines, exit_code
        self.created, self.removed = [], []
        self.started = threading.Event()
        self.url = f"tcp://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.endswith("/version"):
            self._answer({"ApiVersion": "1.44", "MinAPIVersion": "1.24"})
        elif self.path.endswith("/_ping"):
            self._send(b"OK", 200, "text/plain")
        elif "/images/json" in self.path:
            self._answer([{"Id": "sha256:1"}])
        else:
            self._answer({"Id": "c1", "Config": {"Tty": False}})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "/containers/create" in self.path:
            self.server.created.append(json.loads(body))
            self._answer({"Id": "c1", "Warnings": []}, status=201)
        elif "/attach" in self.path:
            self._attach()
        elif "/wait" in self.path:
            self._answer({"StatusCode": self.server.exit_code})
        else:
            self._answer(None, status=204)
            self.server.started.set()

    def do_DELETE(self):
        self.server.removed.append(self.path)
        self._answer(None, status=204)

    def _attach(self):
        """Send the lines as the engine frames them: stream, three zeros, length, text."""
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.docker.raw-stream")
        self.end_headers()
        self.wfile.flush()
        self.server.started.wait(10)
        for line in self.server.lines:
            text = f"{line}\n".encode()
            self.wfile.write(struct.pack(">BxxxL", 1, len(text)) + text)
        self.close_connection = True

    def _answer(self, document, status=200):
        body = b"" if document is None else json.dumps(document).encode()
        self._send(body, status, "application/json")

    def _send(self, body, status, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@contextmanager
def running_engine(lines, exit_code):
    """Serve for the length of the block."""
    with Engine(lines, exit_code) as engine:
        thread = threading.Thread(target=engine.serve_forever, daemon=True)
        thread.start()
        yield engine
        engine.shutdown()
        thread.join()
