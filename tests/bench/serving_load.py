"""Loads for the bench of the service: what callers met, and what the processes hold."""

import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import median

import httpx
import numpy as np
import psutil

SECONDS, CONNECTIONS, ROUNDS = 4, 8, 3


@dataclass(frozen=True)
class Target:
    """Where a load goes, and the process whose family works for it."""

    url: str
    pid: int
    body: bytes | None = None


@dataclass(frozen=True)
class Load:
    """What a load met: answers a second, the 99th percentile in ms, and how many failed.

    `cpu_ms` is the time on a processor that one answer took: it can be compared on a busy machine.
    """

    per_s: float
    p99_ms: float
    failed: int
    cpu_ms: float = 0.0


def race(targets: Mapping[str, Target]) -> dict[str, Load]:
    """Press one after the other, in a few rounds, so that a busy moment meets them all.

    Returns:
        The median of each figure, and all failures.
    """
    for target in targets.values():
        press(target, seconds=1)
    rounds = [{name: press(target) for name, target in targets.items()} for _ in range(ROUNDS)]
    return {name: _take_median([each[name] for each in rounds]) for name in targets}


def _take_median(loads: list[Load]) -> Load:
    return Load(
        per_s=median(load.per_s for load in loads),
        p99_ms=median(load.p99_ms for load in loads),
        failed=sum(load.failed for load in loads),
        cpu_ms=median(load.cpu_ms for load in loads),
    )


def press(target: Target, *, seconds: float = SECONDS) -> Load:
    """Ask without a pause from a few kept-alive connections."""
    busy_s, began = _count_cpu_s(target.pid), time.monotonic()
    load = _press(target, seconds)
    answers = load.per_s * (time.monotonic() - began)
    cpu_ms = 1000 * (_count_cpu_s(target.pid) - busy_s) / max(answers, 1)
    return replace(load, cpu_ms=cpu_ms)


def _count_cpu_s(pid: int) -> float:
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(sum(each.cpu_times()[:2]) for each in family)


def _press(target: Target, seconds: float) -> Load:
    if shutil.which("wrk"):
        return _press_with_wrk(target.url, target.body, seconds)
    times, failed = ask_for(target.url, target.body, seconds=seconds)
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
