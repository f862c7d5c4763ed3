"""A Docker engine that runs nothing: it speaks enough of the engine's API for one container."""

import json
import struct
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote


class Engine(ThreadingHTTPServer):
    """Remembers what it was asked for; answers with planned lines, exit code and containers."""

    daemon_threads = True

    def __init__(self, lines, exit_code, *, images=("ringside-training:0.1.0",), containers=()):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lines, self.exit_code, self.images = lines, exit_code, images
        self.containers = [{"Id": name, "Names": [f"/{name}"]} for name in containers]
        self.created, self.removed, self.stdin, self.signals, self.filters = [], [], [], [], []
        self.on_signal = lambda container: None
        self.url = f"tcp://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path.endswith("/version"):
            self._answer({"ApiVersion": "1.44", "MinAPIVersion": "1.24"})
        elif path.endswith("/_ping"):
            self._send(b"OK", 200, "text/plain")
        elif "/images/" in path:
            name = unquote(path.split("/images/")[1].removesuffix("/json"))
            known = name in self.server.images
            missing = {"message": f"No such image: {name}"}
            self._answer({"Id": "sha256:1"} if known else missing, 200 if known else 404)
        elif path.endswith("/containers/json"):
            self.server.filters.append(json.loads(parse_qs(query)["filters"][0]))
            self._answer(self.server.containers)
        elif path.endswith("/logs"):
            self._stream_logs()
        else:
            self._answer({"Id": "c1", "Config": {"Tty": False}, "State": {"OOMKilled": False}})

    def do_POST(self):
        path, _, query = self.path.partition("?")
        if "/attach" in path:
            self._attach()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "/containers/create" in path:
            self.server.created.append(json.loads(body) | {"Name": parse_qs(query)["name"][0]})
            self._answer({"Id": "c1", "Warnings": []}, status=201)
        elif "/wait" in path:
            self._answer({"StatusCode": self.server.exit_code})
        else:
            if path.endswith("/kill"):
                container = path.split("/containers/")[1].split("/")[0]
                self.server.signals.append((container, parse_qs(query)["signal"][0]))
                self.server.on_signal(container)
            self._answer(None, status=204)

    def do_DELETE(self):
        self.server.removed.append(self.path.partition("?")[0].rsplit("/", 1)[-1])
        self._answer(None, status=204)

    def _attach(self):
        """Hand the connection over, as the engine does, and keep what comes in."""
        self.wfile.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        self.server.stdin.append(self.rfile.readline().decode())
        self.close_connection = True

    def _stream_logs(self):
        """Send the lines as the engine frames them: stream, three zeros, length, text."""
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.docker.raw-stream")
        self.end_headers()
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
def running_engine(lines=(), exit_code=0, **planned):
    """Serve for the length of the block."""
    with Engine(lines, exit_code, **planned) as engine:
        thread = threading.Thread(target=engine.serve_forever, daemon=True)
        thread.start()
        yield engine
        engine.shutdown()
        thread.join()
