"""A whole platform in an empty folder on free ports, driven as its user and Airflow's API would."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import psycopg

from processes import REPO, find_free_port

ENDED = {"success", "failed"}
PARTS = ("airflow", "mlflow", "serving", "postgres")
LAUNCHER = [sys.executable, "-m", "ringside_embedded"]


@dataclass
class Traffic:
    """What steady callers saw: every answer's status and the versions in it."""

    failures: list[str] = field(default_factory=list)
    versions: list[dict[int, int]] = field(default_factory=list)


class Stack:
    """One embedded platform; `start` and `stop` may be called again and again."""

    def __init__(self, folder: Path, data: Path, series: tuple[str, ...], **settings: str) -> None:
        self.state = folder / "state"
        self.ports = {
            name: find_free_port() for name in ("airflow", "mlflow", "serving", "postgres")
        }
        self.environment = {
            **os.environ,
            "PYTHONPATH": ":".join(str(REPO / name) for name in ("include", "plugins", "serving")),
            "RINGSIDE_STATE_DIR": str(self.state),
            "RINGSIDE_PORTS": ",".join(f"{name}={port}" for name, port in self.ports.items()),
            "RINGSIDE_SOURCE": "file",
            "RINGSIDE_SOURCE_PATH": str(data),
            "RINGSIDE_SERIES": ",".join(series),
            **settings,
        }
        self.serving_url = f"http://127.0.0.1:{self.ports['serving']}"
        self._api: httpx.Client | None = None
        self.asked_runs: dict[str, str] = {}
        """By DAG the run that was triggered here last; the schedule may have made newer ones."""

    def launch(self, *words: str) -> str:
        """Run one command of the launcher; fail with all it said when it fails."""
        done = subprocess.run(
            [*LAUNCHER, *words],
            env=self.environment,
            cwd=REPO,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        said = f"{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, f"{words}:\n{said}\n{self._read_logs()}"
        return done.stdout

    def start(self) -> str:
        """Start every process, without the guided first round trip."""
        return self.launch("run", "--no-tour")

    def stop(self) -> None:
        """End every process; the data stays."""
        if self._api is not None:
            self._api.close()
            self._api = None
        self.launch("stop")

    def find_processes(self) -> list[psutil.Process]:
        """Find the processes that were started for this state folder, their keeper included."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                named = [*process.cmdline(), *process.environ().values()]
                if process.pid != os.getpid() and any(str(self.state) in word for word in named):
                    found.append(process)
        return found

    @property
    def secrets(self) -> dict[str, str]:
        """The generated passwords."""
        return json.loads((self.state / "secrets.json").read_text())

    @property
    def api(self) -> httpx.Client:
        """A client of Airflow's REST API, logged in as the user would."""
        if self._api is None:
            url = f"http://127.0.0.1:{self.ports['airflow']}"
            login = {"username": "admin", "password": self.secrets["airflow_admin_password"]}
            answer = httpx.post(f"{url}/auth/token", json=login, timeout=60)
            headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            self._api = httpx.Client(base_url=f"{url}/api/v2", headers=headers, timeout=60)
        return self._api

    def trigger(self, dag: str, **conf: object) -> tuple[str, dict[str, str]]:
        """Trigger a DAG, wait for its end; return the run's state and that of each task."""
        return self.wait_for_run(dag, self.begin(dag, **conf))

    def begin(self, dag: str, **conf: object) -> str:
        """Trigger a DAG and give the id of its run, which `asked_runs` remembers."""
        self.wait_until(lambda: self.api.get(f"/dags/{dag}").status_code == 200, timeout_s=180)
        made = self.api.post(f"/dags/{dag}/dagRuns", json={"logical_date": None, "conf": conf})
        assert made.status_code == 200, made.text
        self.asked_runs[dag] = made.json()["dag_run_id"]
        return self.asked_runs[dag]

    def wait_for_run(self, dag: str, run: str) -> tuple[str, dict[str, str]]:
        """Wait for the end of a run; return its state and that of each task."""
        url = f"/dags/{dag}/dagRuns/{run}"
        self.wait_until(lambda: self.api.get(url).json()["state"] in ENDED, timeout_s=900)
        tasks = self.api.get(f"{url}/taskInstances").json()["task_instances"]
        return self.api.get(url).json()["state"], {t["task_id"]: t["state"] for t in tasks}

    def count_runs(self, dag: str, *states: str) -> int:
        """Count the runs of a DAG in the given states."""
        runs = self.api.get(f"/dags/{dag}/dagRuns", params={"limit": 100}).json()["dag_runs"]
        return sum(run["state"] in states for run in runs)

    def read_log(self, dag: str, task: str, *, map_index: int = -1) -> str:
        """The log of a task of the DAG's run that was triggered last, as the UI shows it."""
        url = f"/dags/{dag}/dagRuns/{self.asked_runs[dag]}/taskInstances/{task}/logs/1"
        answer = self.api.get(url, params={"map_index": map_index})
        return json.dumps(answer.json()["content"], ensure_ascii=False)

    def query(self, statement: str) -> list[tuple]:
        """Ask Ringside's database."""
        with psycopg.connect(
            host="127.0.0.1", port=self.ports["postgres"], dbname="ringside", user="ringside",
            password=self.secrets["ringside_db_password"],
        ) as connection:  # fmt: skip
            return connection.execute(statement).fetchall()

    def wait_until(self, is_true, *, timeout_s: float) -> None:
        """Ask again and again until `is_true` answers so, or fail."""
        deadline = time.monotonic() + timeout_s
        while not is_true():
            assert time.monotonic() < deadline, f"not within {timeout_s} s\n{self._read_logs()}"
            time.sleep(0.3)

    @contextmanager
    def steady_traffic(self, symbol: str) -> Iterator[Traffic]:
        """Ask for forecasts from two callers, one keeping its connection, until the block ends."""
        traffic, is_over = Traffic(), threading.Event()
        callers = [
            threading.Thread(target=self._call, args=(symbol, traffic, is_over, keeps))
            for keeps in (True, False)
        ]
        for caller in callers:
            caller.start()
        try:
            yield traffic
        finally:
            is_over.set()
            for caller in callers:
                caller.join(30)

    def _call(self, symbol: str, traffic: Traffic, is_over: threading.Event, keeps: bool) -> None:
        headers = {} if keeps else {"Connection": "close"}
        with httpx.Client(base_url=self.serving_url, headers=headers, timeout=20) as client:
            while not is_over.is_set():
                try:
                    answer = client.get("/v1/forecast", params={"symbol": symbol})
                except httpx.TransportError as error:
                    traffic.failures.append(repr(error))
                    continue
                if answer.status_code != 200:
                    traffic.failures.append(answer.text)
                    continue
                forecasts = answer.json()["forecasts"]
                traffic.versions.append({f["horizon"]: f["version"] for f in forecasts})
                time.sleep(0.02)

    def _read_logs(self) -> str:
        ends = [
            f"==== {log.name}\n{log.read_text(errors='replace')[-1500:]}"
            for log in sorted((self.state / "logs").glob("*.log"))
        ]
        return "\n".join(ends)
