"""Loads for the bench of the service: what callers met, and what the processes hold."""

import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import numpy as np
import psutil

SECONDS, CONNECTIONS = 8, 8


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
    url: str,
    body: bytes | None,
    *,
    seconds: float = 0,
    goes_on: Callable[[], bool] = lambda: False,
    mixed: set[str] | None = None,
) -> tuple[list[tuple[float, float]], int]:
    """Ask from threads for some time, or as long as something goes on.

    Returns:
        Begin and end of each answer, and how many failed.

    Answers whose forecasts are of more than one version go into `mixed`.
    """
    times: list[tuple[float, float]] = []
    failures: list[str] = []
    ends_at = time.monotonic() + seconds

    def ask() -> None:
        with httpx.Client(trust_env=False, timeout=20) as client:
            while time.monotonic() < ends_at or goes_on():
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
