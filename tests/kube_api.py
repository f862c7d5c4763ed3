"""A Kubernetes API server that runs nothing: it speaks enough of the API for one pod's life."""

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


class Cluster(ThreadingHTTPServer):
    """Remembers what it was asked for; answers with planned lines and a planned end.

    Args:
        ending: How the container ends, as the API says it: `{"exitCode": 1}`.
        waiting: Why it never starts: `{"reason": ..., "message": ...}`.
        refusal: Status and message for whoever creates a pod.
        orphans: Labels of pods that are there before.
        is_held: Lines come to no end until the pod is deleted.
    """

    daemon_threads = True

    def __init__(
        self, lines=(), *, ending=None, waiting=None, refusal=None, orphans=(), is_held=False
    ):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lines, self.ending, self.waiting = lines, ending or {"exitCode": 0}, waiting
        self.refusal, self.is_held = refusal, is_held
        self.pods = {f"orphan-{i}": _make_pod(f"orphan-{i}", o) for i, o in enumerate(orphans)}
        self.created, self.deleted, self.selectors, self.unknown = [], [], [], []
        self.has_ended, self.is_gone = threading.Event(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def connection(self):
        """Give Airflow's connection to this cluster, as a variable's value."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": self.url}}],
            "users": [{"name": "me", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        }
        extra = {"kube_config": json.dumps(config), "namespace": "from-connection"}
        return json.dumps({"conn_type": "kubernetes", "extra": extra})


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        asked = parse_qs(query)
        if path.endswith("/log"):
            self._stream_log()
        elif path.endswith("/events"):
            self._answer({"kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": []})
        elif path.endswith("/pods"):
            self._list_pods(asked.get("labelSelector", [""])[0])
        elif "/pods/" in path:
            self._show_pod(path.rsplit("/", 1)[1])
        else:
            self._refuse_unknown()

    def do_POST(self):
        pod = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.refusal:
            status, message = self.server.refusal
            self._answer({"kind": "Status", "message": message}, status)
            return
        self.server.created.append(pod)
        self.server.pods[pod["metadata"]["name"]] = pod
        self._answer(pod, 201)

    def do_DELETE(self):
        name = self.path.partition("?")[0].rsplit("/", 1)[1]
        self.server.deleted.append(name)
        found = self.server.pods.pop(name, None)
        if self.server.created and name == self.server.created[-1]["metadata"]["name"]:
            self.server.is_gone.set()
        missing = {"kind": "Status", "message": f'pods "{name}" not found'}
        self._answer(found or missing, 200 if found else 404)

    def do_PATCH(self):
        self._refuse_unknown()

    def _list_pods(self, selector):
        self.server.selectors.append(selector)
        wanted = [term.partition("=") for term in selector.split(",") if "!" not in term]
        found = [
            self._with_status(pod)
            for pod in self.server.pods.values()
            if all(pod["metadata"]["labels"].get(name) == text for name, _, text in wanted)
        ]
        self._answer({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": found})

    def _show_pod(self, name):
        pod = self.server.pods.get(name)
        if pod is None:
            self._answer({"kind": "Status", "message": f'pods "{name}" not found'}, 404)
        else:
            self._answer(self._with_status(pod))

    def _with_status(self, pod):
        server = self.server
        if server.waiting:
            phase, state = "Pending", {"waiting": server.waiting}
        elif not server.has_ended.is_set():
            phase, state = "Running", {"running": {}}
        else:
            phase = "Failed" if server.ending["exitCode"] else "Succeeded"
            state = {"terminated": {"finishedAt": _tell_time(), **server.ending}}
        status = {"name": "base", "state": state, "image": "", "imageID": ""}
        status |= {"ready": False, "restartCount": 0}
        return pod | {"status": {"phase": phase, "containerStatuses": [status]}}

    def _stream_log(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        for line in self.server.lines:
            self.wfile.write(f"{_tell_time()} {line}\n".encode())
            self.wfile.flush()
        if self.server.is_held:
            self.server.is_gone.wait(20)
        self.server.has_ended.set()
        self.close_connection = True

    def _refuse_unknown(self):
        self.server.unknown.append(f"{self.command} {self.path}")
        self._answer({"kind": "Status", "message": "not expected here"}, 403)

    def _answer(self, document, status=200):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def _make_pod(name, labels):
    metadata = {"name": name, "namespace": "from-connection", "labels": labels}
    spec = {"containers": [{"name": "base"}]}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec}


def _tell_time():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@contextmanager
def running_cluster(lines=(), **planned):
    """Serve for the length of the block."""
    with Cluster(lines, **planned) as cluster:
        thread = threading.Thread(target=cluster.serve_forever, daemon=True)
        thread.start()
        yield cluster
        cluster.shutdown()
        thread.join()
