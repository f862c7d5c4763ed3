"""The peers of the bench: an empty endpoint, `mlflow models serve` and BentoML, doing our job."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from serving_load import Target

from processes import REPO, SERVING_PYTHON, find_free_port, running, wait_for

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

NAMES = ("open", "high", "low", "close", "volume")

class Peer(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.models = [load_contestant(Path(p)) for p in context.artifacts.values()]
    def predict(self, context, model_input, params=None):
        answers = []
        for row in model_input.to_dict("records"):
            opened = np.array(row["open_time"], dtype="datetime64[s]")
            columns = {n: np.asarray(row[n], float) for n in NAMES}
            table = compute_features(Candles("B", opened, **columns), rows=1)
            told = [forecast_quantiles(m.contestant, table)[0] for m in self.models]
            answers.append([quantiles.tolist() for quantiles in told])
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

NAMES = ("open", "high", "low", "close", "volume")

@bentoml.service(workers=2)
class Peer:
    def __init__(self):
        self.models = [load_contestant(Path(p)) for p in os.environ["PEER_MODELS"].split(":")]
    @bentoml.api
    def predict(self, windows: list[dict]) -> list:
        answers = []
        for row in windows:
            opened = np.array(row["open_time"], dtype="datetime64[s]")
            columns = {n: np.asarray(row[n], float) for n in NAMES}
            table = compute_features(Candles("B", opened, **columns), rows=1)
            told = [forecast_quantiles(m.contestant, table)[0] for m in self.models]
            answers.append([quantiles.tolist() for quantiles in told])
        return answers
"""


@contextmanager
def peers(
    folder: Path, models: list[Path], windows: dict[int, list]
) -> Iterator[dict[str, dict[int, Target]]]:
    """Each peer that is at hand, up, with its question by number of windows."""
    python = os.environ.get("RINGSIDE_BENTOML_PYTHON")
    with ExitStack() as started:
        url, pid = started.enter_context(mlflow_peer(folder, models))
        found = {"mlflow models serve": _ask_each(url, pid, "dataframe_records", windows)}
        if python:
            url, pid = started.enter_context(bento_peer(folder, models, Path(python)))
            found["BentoML"] = _ask_each(url, pid, "windows", windows)
        yield found


def _ask_each(url: str, pid: int, name: str, windows: dict[int, list]) -> dict[int, Target]:
    return {n: Target(url, pid, json.dumps({name: w}).encode()) for n, w in windows.items()}


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


@contextmanager
def empty_peer(folder: Path) -> Iterator[Target]:
    """The floor: a Flask endpoint that does nothing, under Gunicorn."""
    (folder / "empty.py").write_text(EMPTY)
    port = find_free_port()
    command = [str(SERVING_PYTHON), "-m", "gunicorn", "-k", "gthread", "-w", "2", "--threads", "4"]
    command += ["-b", f"127.0.0.1:{port}", "--no-control-socket", "empty:app"]
    with running(command, folder / "empty.log", cwd=folder) as process:
        url = f"http://127.0.0.1:{port}/empty"
        wait_for(url, process, folder / "empty.log")
        yield Target(url, process.pid)
