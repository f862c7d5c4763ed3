"""Measures the service beside an empty endpoint, `mlflow models serve` and BentoML, in one run.

Usage: make bench (or: python tests/bench/measure_serving.py). The load is wrk's, where it is
installed, and else that of a few threads. Rows go to .ringside/bench.json, one object per line.
It judges nothing. BentoML is measured where `RINGSIDE_BENTOML_PYTHON` names a Python that has it.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

REPO = Path(__file__).parents[2]
sys.path[:0] = [str(REPO / "tests")]

import httpx  # noqa: E402 - after the path of the tests
import numpy as np  # noqa: E402 - after the path of the tests
import psutil  # noqa: E402 - after the path of the tests

from mlflow_process import mlflow_server  # noqa: E402 - after the path of the tests
from processes import SERVING_PYTHON, find_free_port, running, wait_for  # noqa: E402 - see above
from ringside.adapters.registry import Registry  # noqa: E402 - after the path of the tests
from ringside.adapters.schema import migrate  # noqa: E402 - after the path of the tests
from ringside.core.titles import Title  # noqa: E402 - after the path of the tests
from ringside.settings import Settings  # noqa: E402 - after the path of the tests
from ringside_embedded.postgres import PostgresServer  # noqa: E402 - after the path of the tests
from serving_process import serving  # noqa: E402 - after the path of the tests
from serving_stage import crown, fill_market, register  # noqa: E402 - after the path of the tests

SECONDS, CONNECTIONS = 8, 8
RELOADS, RELOAD_EVERY_S = 20, 1.5
EMPTY = """
from flask import Flask
app = Flask(__name__)
@app.get("/empty")
def empty():
    return {"status": "live"}
"""
# The same job for the peers: the window's columns in, the quantiles of its last hour out.
PYFUNC = """
import mlflow, numpy as np
from pathlib import Path
from ringside.adapters.model_files import load_contestant
from ringside.core.candles import Candles
from ringside.core.features import compute_features
from ringside.core.forecasting import forecast_quantiles

class Peer(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.models = [load_contestant(Path(p)) for p in context.artifacts.values()]
    def predict(self, context, model_input, params=None):
        answers = []
        for row in model_input.to_dict("records"):
            opened = np.array(row["open_time"], dtype="datetime64[s]")
            columns = {n: np.asarray(row[n], float) for n in ("open", "high", "low", "close", "volume")}
            table = compute_features(Candles("B", opened, **columns), rows=1)
            answers.append([forecast_quantiles(m.contestant, table)[0].tolist() for m in self.models])
        return answers
mlflow.models.set_model(Peer())
"""
BENTO = """
import bentoml, numpy as np, os
from pathlib import Path
from ringside.adapters.model_files import load_contestant
from ringside.core.candles import Candles
from ringside.core.features import compute_features
from ringside.core.forecasting import forecast_quantiles

@bentoml.service(workers=2)
class Peer:
    def __init__(self):
        self.models = [load_contestant(Path(p)) for p in os.environ["PEER_MODELS"].split(":")]
    @bentoml.api
    def predict(self, windows: list[dict]) -> list:
        answers = []
        for row in windows:
            opened = np.array(row["open_time"], dtype="datetime64[s]")
            columns = {n: np.asarray(row[n], float) for n in ("open", "high", "low", "close", "volume")}
            table = compute_features(Candles("B", opened, **columns), rows=1)
            answers.append([forecast_quantiles(m.contestant, table)[0].tolist() for m in self.models])
        return answers
"""


@dataclass(frozen=True)
class Row:
    """One figure of ours beside a peer's or a floor's, in `unit`."""

    name: str
    ours: float
    peer: float
    peer_name: str
    unit: str

    def as_json(self) -> str:
        """Write the row as one line with its ratio."""
        return json.dumps({**asdict(self), "ratio": round(self.ours / self.peer, 3)})


@dataclass(frozen=True)
class Load:
    """What a load met: answers a second, the 99th percentile in ms, and how many failed."""

    per_s: float
    p99_ms: float
    failed: int


def press(url: str, body: bytes | None = None, *, seconds: float = SECONDS) -> Load:
    """Ask without a pause from a few kept-alive connections."""
    if shutil.which("wrk"):
        return _press_with_wrk(url, body, seconds)
    times, failed = ask_for(url, body, seconds=seconds)
    took = [ended - began for began, ended in times]
    return Load(len(took) / seconds, float(np.quantile(took, 0.99)) * 1000, failed)


def _press_with_wrk(url: str, body: bytes | None, seconds: float) -> Load:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if body is not None:
            script.write('wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n')
            script.write(f"wrk.body = [==[{body.decode()}]==]\n")
            script.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{int(seconds)}", "--latency"]
        command += ["-s", script.name] if body is not None else []
        command += ["--timeout", "30s", url]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text
    )
    lost = sum(map(int, errors.groups())) if errors else 0
    return Load(
        float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
        float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit],
        (int(failed[1]) if failed else 0) + lost,
    )


def ask_for(
    url: str, body: bytes | None, *, seconds: float, mixed: set[str] | None = None
) -> tuple[list[tuple[float, float]], int]:
    """Ask from threads; give begin and end of each answer, and how many failed.

    Answers whose forecasts are of more than one version go into `mixed`.
    """
    times: list[tuple[float, float]] = []
    failures: list[str] = []
    ends_at = time.monotonic() + seconds

    def ask() -> None:
        with httpx.Client(trust_env=False, timeout=20) as client:
            while time.monotonic() < ends_at:
                began = time.monotonic()
                try:
                    answer = client.post(url, content=body) if body else client.get(url)
                    if answer.status_code != 200:
                        failures.append(answer.text)
                    elif (
                        mixed is not None
                        and len({f["version"] for f in answer.json()["forecasts"]}) > 1
                    ):
                        mixed.add(answer.text)
                except httpx.HTTPError as error:
                    failures.append(repr(error))
                times.append((began, time.monotonic()))

    callers = [threading.Thread(target=ask) for _ in range(CONNECTIONS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return times, len(failures)


def count_pss_mib(pid: int, *, is_master_in: bool = True) -> float:
    """Proportional set size of a process and its children, in MiB."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(each.memory_full_info().pss for each in family[0 if is_master_in else 1 :]) / 2**20


@contextmanager
def stage(folder: Path) -> Iterator[tuple[Settings, list[Title], object]]:
    """PostgreSQL, MLflow and candles, as the platform has them."""
    server = PostgresServer(folder / "postgres", find_free_port(), secrets.token_hex(16))
    server.make()
    (folder / "mlflow").mkdir()
    with ExitStack() as started:
        started.enter_context(running(server.command(), folder / "postgres.log", cwd="/"))
        server.wait_ready()
        server.make_database("ringside", "bench")
        artifacts = str(folder / "mlflow" / "artifacts")
        settings = Settings(
            database_url=f"postgresql+psycopg://ringside:bench@127.0.0.1:{server.port}/ringside",
            state_dir=folder / "state",
            mlflow_url=started.enter_context(mlflow_server(folder / "mlflow", artifacts)),
        )
        migrate(settings)
        candles = fill_market(settings)
        yield settings, [Title(settings.series[0], h) for h in settings.horizons], candles


def make_windows(candles: object, count: int, *, length: int = 721) -> list[dict[str, list]]:
    """The last candles as so many windows."""
    names = ("open", "high", "low", "close", "volume")
    columns = {name: getattr(candles, name)[-length:].tolist() for name in names}
    opened = [str(at) for at in candles.open_time[-length:]]
    return [{"open_time": opened, **columns}] * count


def measure_peers(folder: Path, models: list[Path], windows: dict[int, list]) -> dict[str, dict]:
    """Load of each peer by number of windows, and its memory."""
    found = {}
    with mlflow_peer(folder, models) as (url, pid):
        loads = {
            n: press(url, json.dumps({"dataframe_records": w}).encode()) for n, w in windows.items()
        }
        found["mlflow models serve"] = {"loads": loads, "pss": count_pss_mib(pid)}
    python = os.environ.get("RINGSIDE_BENTOML_PYTHON")
    if python:
        with bento_peer(folder, models, Path(python)) as (url, pid):
            loads = {n: press(url, json.dumps({"windows": w}).encode()) for n, w in windows.items()}
            found["BentoML"] = {"loads": loads, "pss": count_pss_mib(pid)}
    return found


@contextmanager
def mlflow_peer(folder: Path, models: list[Path]) -> Iterator[tuple[str, int]]:
    """`mlflow models serve` with two workers and our models in a pyfunc."""
    import mlflow

    (folder / "peer.py").write_text(PYFUNC)
    target = folder / "peer"
    mlflow.pyfunc.save_model(
        str(target),
        python_model=str(folder / "peer.py"),
        artifacts={f"m{i}": str(path) for i, path in enumerate(models)},
        pip_requirements=[],
    )
    port = find_free_port()
    command = [str(Path(sys.executable).with_name("mlflow")), "models", "serve", "-m", str(target)]
    command += ["--env-manager", "local", "-p", str(port), "-w", "2"]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    with running(command, folder / "peer.log", env=environment) as process:
        wait_for(f"http://127.0.0.1:{port}/ping", process, folder / "peer.log", timeout_s=120)
        yield f"http://127.0.0.1:{port}/invocations", process.pid


@contextmanager
def bento_peer(folder: Path, models: list[Path], python: Path) -> Iterator[tuple[str, int]]:
    """BentoML with two workers and our models, in an environment of its own."""
    (folder / "bento_peer.py").write_text(BENTO)
    port = find_free_port()
    command = [str(python), "-m", "bentoml", "serve", "bento_peer:Peer", "-p", str(port)]
    environment = {
        **os.environ,
        "PEER_MODELS": ":".join(map(str, models)),
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(folder / "bentoml"),
        "PYTHONPATH": str(REPO / "include"),
    }
    with running(command, folder / "bento.log", env=environment, cwd=folder) as process:
        wait_for(f"http://127.0.0.1:{port}/readyz", process, folder / "bento.log", timeout_s=120)
        yield f"http://127.0.0.1:{port}/predict", process.pid


def measure_empty(folder: Path) -> Load:
    """The floor: a Flask endpoint that does nothing, under Gunicorn."""
    (folder / "empty.py").write_text(EMPTY)
    port = find_free_port()
    command = [str(SERVING_PYTHON), "-m", "gunicorn", "-k", "gthread", "-w", "2", "--threads", "4"]
    command += ["-b", f"127.0.0.1:{port}", "--no-control-socket", "empty:app"]
    with running(command, folder / "empty.log", cwd=folder) as process:
        url = f"http://127.0.0.1:{port}/empty"
        wait_for(url, process, folder / "empty.log")
        press(url, seconds=2)
        return press(url)


def measure_reloads(
    service: object, registry: Registry, lines: list[dict[Title, int]], url: str
) -> list[Row]:
    """The 99th percentile in the second around each reload, beside that of quiet seconds."""
    reloads: list[float] = []
    mixed: set[str] = set()

    def reload() -> None:
        for number in range(RELOADS):
            time.sleep(RELOAD_EVERY_S)
            crown(registry, lines[number % 2])
            reloads.append(time.monotonic())
            service.hup()

    reloading = threading.Thread(target=reload)
    quiet, _ = ask_for(url, None, seconds=10)
    reloading.start()
    times, failed = ask_for(url, None, seconds=RELOADS * RELOAD_EVERY_S + 4, mixed=mixed)
    reloading.join()
    near = [
        e - b for b, e in times if any(at - 0.2 <= b <= at + 1 or b <= at <= e for at in reloads)
    ]
    p99 = [float(np.quantile(took, 0.99)) * 1000 for took in (near, [e - b for b, e in quiet])]
    return [
        Row("reload_p99_ms", p99[0], p99[1], "without reloads", "ms"),
        Row("reload_failed_requests", failed, len(times), "requests under 20 reloads", "requests"),
        Row("reload_mixed_answers", len(mixed), len(times), "requests under 20 reloads", "answers"),
    ]


def measure(folder: Path) -> list[Row]:
    """Take every figure once."""
    rows: list[Row] = []
    empty = measure_empty(folder)
    with stage(folder) as (settings, titles, candles), Registry(settings.mlflow_url) as registry:
        lines = [
            {title: register(registry, title, "xgboost", seed=seed) for title in titles}
            for seed in (1, 2)
        ]
        crown(registry, lines[1])
        with serving(settings, folder / "service.log", "/readyz") as service:
            forecast_url = f"{service.url}/v1/forecast?symbol={settings.series[0]}"
            press(forecast_url, seconds=2)
            kept = press(forecast_url)
            rows.append(Row("forecast_kept_per_s", kept.per_s, empty.per_s, "empty Flask", "1/s"))
            rows.append(Row("forecast_kept_p99_ms", kept.p99_ms, empty.p99_ms, "empty Flask", "ms"))
            windows = {n: make_windows(candles, n) for n in (1, 100)}
            ours = {
                n: press(f"{service.url}/v1/predict", _write_body(settings, w))
                for n, w in windows.items()
            }
            pss = count_pss_mib(service.process.pid, is_master_in=False)
            rows.append(Row("two_workers_pss_mib", pss, 250, "goal", "MiB"))
            rows += measure_reloads(service, registry, lines, forecast_url)
        models = [settings.models_dir / t.model_name / str(v) for t, v in lines[1].items()]
        for name, peer in measure_peers(folder, models, windows).items():
            for count, load in peer["loads"].items():
                if load.failed:
                    sys.exit(f"{name} failed {load.failed} requests")
                rows.append(
                    Row(
                        f"predict_{count}_windows_per_s", ours[count].per_s, load.per_s, name, "1/s"
                    )
                )
                rows.append(
                    Row(
                        f"predict_{count}_windows_p99_ms",
                        ours[count].p99_ms,
                        load.p99_ms,
                        name,
                        "ms",
                    )
                )
            rows.append(Row("two_workers_pss_mib", pss, peer["pss"], name, "MiB"))
    return rows


def _write_body(settings: Settings, windows: list[dict]) -> bytes:
    stamped = [{**w, "open_time": [f"{at}Z" for at in w["open_time"]]} for w in windows]
    return json.dumps({"symbol": settings.series[0], "windows": stamped}).encode()


def main() -> None:
    """Measure in a temporary folder, print the table, append the rows to .ringside/bench.json."""
    with tempfile.TemporaryDirectory(prefix="ringside-bench-") as name:
        rows = measure(Path(name))
    target = REPO / ".ringside" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    with target.open("a") as sink:
        sink.writelines(row.as_json() + "\n" for row in rows)
    print(f"{'figure':28} {'ours':>9} {'beside':>9} {'ratio':>8}  beside is")
    for row in rows:
        ratio = row.ours / row.peer
        print(f"{row.name:28} {row.ours:9.2f} {row.peer:9.2f} {ratio:8.3f}  {row.peer_name}")


if __name__ == "__main__":
    main()
