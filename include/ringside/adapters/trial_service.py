"""A real serving process of its own, for one examination: Gunicorn on a free loopback port."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from ringside.errors import ModelRefusedError, ServingUnavailableError, SettingsError
from ringside.settings import Settings

# A busy machine must not refuse a model: only what hangs takes this long.
START_WITHIN_S = 120.0
ANSWER_WITHIN_S = 30.0
_END_WITHIN_S = 10.0
_POLL_S = 0.05
_SHOWN_LINES = 15


@dataclass(frozen=True)
class TrialAnswer:
    """One answer: its status, its body and how long it took."""

    status: int
    body: dict[str, object]
    seconds: float


class TrialService:
    """Asks one Gunicorn, and knows how it ended."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self._url = url
        self._process = process
        self._log = log

    def ask(self, path: str, body: Mapping[str, object] | None = None) -> TrialAnswer:
        """Ask for a JSON document on a new connection; with a `body`, by POST.

        Raises:
            ModelRefusedError: no answer in time, or none at all: the process is dead or hangs.
        """
        began = time.monotonic()
        try:
            answer = httpx.request(
                "GET" if body is None else "POST",
                self._url + path,
                json=body,
                timeout=ANSWER_WITHIN_S,
                trust_env=False,
            )
            seconds = time.monotonic() - began
            return TrialAnswer(answer.status_code, answer.json(), seconds)
        except (httpx.HTTPError, ValueError) as error:
            raise ModelRefusedError(
                f"the service gave no answer to {path} with it: {error!r}", log=self.read_end()
            ) from error

    def await_model(self) -> TrialAnswer:
        """Wait until a worker is up, and return what it serves.

        Raises:
            ModelRefusedError: no worker came up with the model in time.
            ServingUnavailableError: the master itself ended; no model can make it do that.
        """
        deadline = time.monotonic() + START_WITHIN_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServingUnavailableError(
                    f"the service of the examination ended with {self._process.returncode}",
                    log=self.read_end(),
                )
            with contextlib.suppress(ModelRefusedError):
                return self.ask("/v1/model")
            time.sleep(_POLL_S)
        raise ModelRefusedError(
            f"no worker came up with it within {START_WITHIN_S:g} s", log=self.read_end()
        )

    def read_end(self) -> str:
        """Read the last lines that the service logged."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_SHOWN_LINES:])


@contextmanager
def trial_service(settings: Settings, folder: Path) -> Iterator[TrialService]:
    """Run the service with one worker and a state folder of its own, for the length of the block.

    Args:
        settings: What the service shall see: series, horizons, stores.
        folder: An empty folder for its state and its log.

    Raises:
        SettingsError: the service's environment or its code is not where the settings say.
    """
    python, code = find_service(settings)
    port = _find_free_port()
    log = folder / "service.log"
    command = [str(python), "-m", "gunicorn", "-c", str(code / "gunicorn.conf.py"), "wsgi:app"]
    with log.open("wb") as sink:
        process = subprocess.Popen(  # noqa: S603 - our own service
            command,
            env=_make_environment(settings, folder, code, port),
            cwd=code,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    try:
        yield TrialService(f"http://127.0.0.1:{port}", process, log)
    finally:
        _end(process)


def find_service(settings: Settings) -> tuple[Path, Path]:
    """Find the Python and the code of the service.

    Raises:
        SettingsError: one of them is not there.
    """
    python = settings.serving_python or Path(sys.executable)
    code = settings.serving_folder.resolve()
    if not python.is_file() or not (code / "gunicorn.conf.py").is_file():
        raise SettingsError(
            "the service cannot be started for an examination: check RINGSIDE_SERVING_PYTHON and "
            "RINGSIDE_SERVING_FOLDER",
            serving_python=str(python),
            serving_folder=str(code),
        )
    return python, code


def _make_environment(settings: Settings, folder: Path, code: Path, port: int) -> dict[str, str]:
    # the package this very code is of, so that both run the same lines
    package = Path(__file__).resolve().parents[2]
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(map(str, (package, code))),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "RINGSIDE_DATABASE_URL": settings.database_url.get_secret_value(),
        "RINGSIDE_MLFLOW_URL": settings.mlflow_url,
        "RINGSIDE_STATE_DIR": str(folder / "state"),
        "RINGSIDE_SERIES": ",".join(settings.series),
        "RINGSIDE_HORIZONS": ",".join(map(str, settings.horizons)),
        "RINGSIDE_AUXILIARY": ",".join(settings.auxiliary),
        "RINGSIDE_SERVING_BIND": f"127.0.0.1:{port}",
        "RINGSIDE_SERVING_WORKERS": "1",
    }


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the master and its workers; what does not leave by itself is killed."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_END_WITHIN_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
