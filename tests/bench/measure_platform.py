"""Measures the embedded platform from clone to forecast, in a clone and a state folder of its own.

Usage: make bench (or: python tests/bench/measure_platform.py [--keep]). Every figure stands beside
a floor measured in the same run; rows go to .ringside/bench.json, one object per line. It judges
nothing.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil
from figures import Row

REPO = Path(__file__).parents[2]
EMPTY_DAG = '''
"""As many empty tasks in a row as one hourly cycle has."""
from datetime import UTC, datetime
from airflow.sdk import dag, task

@dag(schedule=None, start_date=datetime(2025, 1, 1, tzinfo=UTC), catchup=False)
def bench_empty() -> None:
    before = None
    for number in range({count}):
        @task(task_id=f"empty_{{number}}")
        def empty() -> None:
            pass
        now = empty()
        if before is not None:
            before >> now
        before = now

bench_empty()
'''
CYCLE = {"ingest_candles": 5, "issue_forecasts": 2}


class Platform:
    """A clone of this checkout with free ports and its own state, driven as a user would."""

    def __init__(self, folder: Path, series: str, **settings: str) -> None:
        self.clone = folder / "clone"
        self.state = folder / "state"
        self.ports = {name: _free_port() for name in ("airflow", "mlflow", "serving", "postgres")}
        self.series = series
        self.environment = {**os.environ, **settings}

    def make_clone(self) -> None:
        """Clone what is committed, and add the empty DAG beside ours."""
        subprocess.run(["git", "clone", "-q", str(REPO), str(self.clone)], check=True)
        dag = EMPTY_DAG.format(count=sum(CYCLE.values()))
        (self.clone / "dags" / "bench_empty.py").write_text(dag)

    def make(self, target: str, *extra: str) -> float:
        """Run one make target; return its wall time in seconds."""
        ports = ",".join(f"{name}={port}" for name, port in self.ports.items())
        words = [f"PORTS={ports}", f"STATE={self.state}", f"SERIES={self.series}", *extra]
        began = time.monotonic()
        done = subprocess.run(
            ["make", "-C", str(self.clone), target, *words],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            env=self.environment,
        )  # fmt: skip
        if done.returncode != 0:
            sys.exit(f"make {target} failed:\n{done.stdout[-4000:]}")
        return time.monotonic() - began

    def client(self) -> httpx.Client:
        """An authenticated client of Airflow's REST API."""
        secrets = json.loads((self.state / "secrets.json").read_text())
        url = f"http://127.0.0.1:{self.ports['airflow']}"
        login = {"username": "admin", "password": secrets["airflow_admin_password"]}
        token = httpx.post(f"{url}/auth/token", json=login, timeout=30).json()["access_token"]
        return httpx.Client(
            base_url=f"{url}/api/v2", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )

    def time_run(self, dag: str) -> float:
        """Trigger a DAG, wait for the end; return seconds from trigger to the last task's end."""
        with self.client() as client:
            began = time.monotonic()
            made = client.post(f"/dags/{dag}/dagRuns", json={"logical_date": None})
            made.raise_for_status()
            run = made.json()["dag_run_id"]
            while client.get(f"/dags/{dag}/dagRuns/{run}").json()["state"] not in (
                "success",
                "failed",
            ):
                time.sleep(0.2)
        return time.monotonic() - began

    def time_cycle(self) -> float:
        """Seconds from triggering `ingest_candles` to the end of the run it causes."""
        with self.client() as client:
            before = _count_ended(client, "issue_forecasts")
            began = time.monotonic()
            client.post("/dags/ingest_candles/dagRuns", json={"logical_date": None})
            while _count_ended(client, "issue_forecasts") == before:
                time.sleep(0.2)
        return time.monotonic() - began

    def idle_mib(self) -> float:
        """Proportional set size of supervisord and all of its session, in MiB.

        Sessions, because PostgreSQL and Airflow overwrite the environment of their processes.
        """
        keeper = int((self.state / "run" / "supervisord.pid").read_text())
        total = 0
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) == keeper:
                    total += process.memory_full_info().pss
            except (ProcessLookupError, psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return total / 2**20


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _count_ended(client: httpx.Client, dag: str) -> int:
    runs = client.get(f"/dags/{dag}/dagRuns", params={"limit": 100}).json()["dag_runs"]
    return sum(run["state"] in ("success", "failed") for run in runs)


def time_imports(python: Path) -> float:
    """Seconds to import Great Expectations and pandas in a bare process."""
    began = time.monotonic()
    subprocess.run([str(python), "-c", "import great_expectations, pandas"], check=True)
    return time.monotonic() - began


def time_parse(python: Path, dag: Path | None) -> float:
    """Seconds to import `airflow.sdk` in a bare process, and one DAG file after it."""
    code = "import airflow.sdk" + (f"; import runpy; runpy.run_path({str(dag)!r})" if dag else "")
    began = time.monotonic()
    subprocess.run([str(python), "-c", code], check=True, capture_output=True)
    return time.monotonic() - began


def measure(folder: Path) -> list[Row]:
    """Take every figure once, in the order a user would meet them."""
    one = Platform(folder / "one", "BTC/USDT")
    (folder / "one").mkdir()
    began = time.monotonic()
    one.make_clone()
    one.make("run", "SOURCE=simulated")
    rows = [Row("clone_to_forecast_s", time.monotonic() - began, 240, "goal", "s")]
    python = one.clone / ".ringside/env/platform/bin/python"
    rows.append(Row("second_run_s", one.make("run", "SOURCE=simulated"), 30, "goal", "s"))
    time.sleep(20)
    rows.append(Row("idle_pss_mib", one.idle_mib(), 1638, "goal", "MiB"))
    floor = one.time_run("bench_empty") + time_imports(python)
    cycle = one.time_cycle()
    rows.append(Row("hourly_cycle_s", cycle, floor, "empty tasks and bare imports", "s"))
    for dag in sorted((REPO / "dags").glob("*.py")):
        floor = time_parse(python, None)
        rows.append(Row(f"parse_{dag.stem}_s", time_parse(python, dag), floor, "airflow.sdk", "s"))
    one.make("stop")
    rows.append(Row("all_healthy_s", one.make("run", "SOURCE=simulated"), 40, "goal", "s"))
    one.make("stop")
    # A cycle costs the same whatever the models were fitted on; short fits spare minutes.
    short = {"RINGSIDE_TRAIN_DAYS": "60", "RINGSIDE_RECORD_WEEKS": "1"}
    ten = Platform(folder / "ten", ",".join(f"S{n}/USDT" for n in range(10)), **short)
    (folder / "ten").mkdir()
    ten.clone = one.clone
    ten.make("run", "SOURCE=simulated")
    rows.append(Row("hourly_cycle_10_series_s", ten.time_cycle(), cycle, "one series", "s"))
    ten.make("stop")
    return rows


def main() -> None:
    """Measure in a temporary folder, print the table, append the rows to .ringside/bench.json."""
    folder = Path(tempfile.mkdtemp(prefix="ringside-bench-"))
    try:
        rows = measure(folder)
    finally:
        if "--keep" not in sys.argv:
            shutil.rmtree(folder, ignore_errors=True)
    target = REPO / ".ringside" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    with target.open("a") as sink:
        sink.writelines(row.as_json() + "\n" for row in rows)
    print(f"{'figure':32} {'ours':>9} {'beside':>9} {'ratio':>6}  beside is")
    for row in rows:
        ratio = row.ours / row.peer
        print(f"{row.name:32} {row.ours:9.2f} {row.peer:9.2f} {ratio:6.2f}  {row.peer_name}")


if __name__ == "__main__":
    main()
