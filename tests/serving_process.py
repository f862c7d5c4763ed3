"""A real Gunicorn for tests, as `make run` starts it, and callers who never stop asking."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from processes import REPO, SERVING_PYTHON, find_free_port, running, wait_for
from ringside.settings import Settings

TOKEN = "a-token-of-the-tests-only"


@dataclass
class Service:
    """A running Gunicorn, asked on a new connection each time."""

    url: str
    process: subprocess.Popen
    log: Path
    settings: Settings

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=10, trust_env=False)

    def hup(self) -> None:
        """Signal the master that the pid file names, as promotion does."""
        os.kill(int(self.settings.serving_pid_file.read_text()), signal.SIGHUP)

    def wait_for_workers(self, count: int = 2) -> dict:
        """Wait until so many workers are alive and all of one generation."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            body = self.get("/v1/model").json()
            generations = {note["generation"] for note in body["workers"]}
            if len(body["workers"]) == count and len(generations) == 1:
                return body
            time.sleep(0.1)
        pytest.fail(f"the workers do not settle:\n{self.log.read_text()[-3000:]}")

    def wait_for_generation(self, generation: int, *, workers: int = 2) -> dict:
        """Wait until every live worker is of this generation."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            body = self.get("/v1/model").json()
            notes = body["workers"]
            if [note["generation"] for note in notes] == [generation] * workers:
                return body
            time.sleep(0.05)
        pytest.fail(f"no generation {generation}:\n{self.log.read_text()[-3000:]}")


@contextmanager
def serving(
    settings: Settings, log: Path, probe: str = "/livez", *, at: str = ""
) -> Iterator[Service]:
    """Run the service as `make run` does, in its own small environment; `at` is host:port."""
    at = at or f"127.0.0.1:{find_free_port()}"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{REPO / 'include'}:{REPO / 'serving'}",
        "OMP_WAIT_POLICY": "PASSIVE",
        # another kernel of the same library rounds the last bit otherwise
        **{name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")},
        "RINGSIDE_DATABASE_URL": settings.database_url.get_secret_value(),
        "RINGSIDE_MLFLOW_URL": settings.mlflow_url,
        "RINGSIDE_STATE_DIR": str(settings.state_dir),
        "RINGSIDE_SERIES": ",".join(settings.series),
        "RINGSIDE_HORIZONS": ",".join(map(str, settings.horizons)),
        "RINGSIDE_AUXILIARY": ",".join(settings.auxiliary),
        "RINGSIDE_SERVING_BIND": at,
        "RINGSIDE_RELOAD_TOKEN": TOKEN,
    }
    command = [str(SERVING_PYTHON), "-m", "gunicorn", "-c", str(REPO / "serving/gunicorn.conf.py")]
    url = f"http://{at}"
    with running(command, log, env=environment, cwd=log.parent) as process:
        wait_for(url + probe, process, log)
        yield Service(url, process, log, settings)


@dataclass
class Traffic:
    """What steady callers met: failures as text, and the versions they were served."""

    failures: list[str] = field(default_factory=list)
    answers: int = 0
    slowest_s: float = 0.0
    versions: set[tuple[int, ...]] = field(default_factory=set)


@contextmanager
def steady_traffic(url: str) -> Iterator[Traffic]:
    """Ask for forecasts from two kept-alive and two ever new connections, until the block ends."""
    traffic, lock, stop = Traffic(), threading.Lock(), threading.Event()

    def ask(client: httpx.Client, *, is_keeping: bool) -> None:
        headers = {} if is_keeping else {"Connection": "close"}
        while not stop.is_set():
            began = time.monotonic()
            try:
                answer = client.get(url, headers=headers)
                failure = "" if answer.status_code == 200 else f"{answer.status_code} {answer.text}"
            except httpx.HTTPError as error:
                failure = repr(error)
            with lock:
                traffic.answers += 1
                if not failure:
                    told = answer.json().get("forecasts", [])
                    traffic.versions.add(tuple(each["version"] for each in told))
                traffic.slowest_s = max(traffic.slowest_s, time.monotonic() - began)
                if failure:
                    traffic.failures.append(failure)

    clients = [httpx.Client(timeout=10, trust_env=False) for _ in range(4)]
    callers = [
        threading.Thread(target=ask, args=(client,), kwargs={"is_keeping": i < 2})
        for i, client in enumerate(clients)
    ]
    for caller in callers:
        caller.start()
    try:
        yield traffic
    finally:
        stop.set()
        for caller in callers:
            caller.join()
        for client in clients:
            client.close()
