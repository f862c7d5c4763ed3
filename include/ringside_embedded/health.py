"""Is a part well? One probe for each, and the wait that ends early when its process has failed."""

import threading
import time
from collections.abc import Callable

import httpx

from ringside_embedded.failures import LaunchError
from ringside_embedded.postgres import PostgresError
from ringside_embedded.programs import Platform
from ringside_embedded.supervision import Supervision

Probe = Callable[[], bool]
_POLL_S = 0.25


def make_probes(platform: Platform) -> dict[str, Probe]:
    """Give a probe for each process; a probe never raises."""
    airflow = platform.choices.url("airflow")
    return {
        "postgres": lambda: _accepts(platform),
        "mlflow": lambda: _answers(f"{platform.choices.url('mlflow')}/health"),
        "api-server": lambda: _airflow_part(airflow, "metadatabase"),
        "dag-processor": lambda: _airflow_part(airflow, "dag_processor"),
        "scheduler": lambda: _airflow_part(airflow, "scheduler"),
        "serving": lambda: _answers(f"{platform.choices.url('serving')}/livez"),
    }


def warm_up_execution_api(platform: Platform) -> None:
    """Ask the execution API once: it builds its routes on the first request, for seconds.

    A task that came first would run into its timeout, and a due hour would be lost.
    """
    url = f"{platform.choices.url('airflow')}/execution/health"
    try:
        httpx.get(url, timeout=120).raise_for_status()
    except httpx.HTTPError as error:
        raise LaunchError(
            f"Airflow's execution API did not answer ({error!r}).",
            "Run `make run` again.",
            platform.layout.log_of("api-server"),
        ) from error


def wait_healthy(
    supervision: Supervision, name: str, probe: Probe, *, timeout_s: float, stop: threading.Event
) -> None:
    """Wait until `probe` says yes.

    Raises:
        LaunchError: the process gave up, or was silent for `timeout_s` seconds; the end of its log
            goes with it.
    """
    deadline = time.monotonic() + timeout_s
    while not probe():
        state = supervision.read_state(name)
        log = supervision.log_of(name)
        if state.state in {"FATAL", "EXITED", "STOPPED"}:
            raise LaunchError(
                f"{name} ended and does not come back ({state.complaint or state.state}).",
                "The end of its log says why; repair it and run `make run` again.",
                log,
            )
        if time.monotonic() > deadline:
            raise LaunchError(
                f"{name} was not healthy within {timeout_s:.0f} s.",
                "Its log says what it waits for; on a slow machine just run `make run` again.",
                log,
            )
        if stop.wait(_POLL_S):
            raise LaunchError(
                f"{name} was not waited for.", "Another part failed first.", is_consequence=True
            )


def _accepts(platform: Platform) -> bool:
    try:
        platform.postgres.wait_ready(timeout_s=0)
    except PostgresError:
        return False
    return True


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=3).status_code == 200
    except httpx.HTTPError:
        return False


def _airflow_part(url: str, part: str) -> bool:
    """Ask Airflow about one of its processes; each writes a heartbeat to the metadata database."""
    try:
        health = httpx.get(f"{url}/api/v2/monitor/health", timeout=5).json()
    except (httpx.HTTPError, ValueError):
        return False
    return bool((health.get(part) or {}).get("status") == "healthy")
