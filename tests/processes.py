"""Starting servers for tests and waiting for them; every one is ended with its children."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

REPO = Path(__file__).parents[1]
SERVING_PYTHON = (
    Path(os.environ.get("RINGSIDE_ENV_DIR", REPO / ".ringside" / "env"))
    / "serving"
    / "bin"
    / "python"
)


def find_free_port() -> int:
    """Ask the kernel for a port that nobody holds now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], log: Path, **options) -> Iterator[subprocess.Popen]:
    """Run a server for the length of the block and end it, and all it started, afterwards."""
    with log.open("ab") as sink:
        process = subprocess.Popen(
            command, stdout=sink, stderr=sink, start_new_session=True, **options
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(5)


def wait_for(url: str, process: subprocess.Popen, log: Path, timeout_s: float = 240) -> None:
    """Wait until `url` answers 200, or fail with the end of the server's log."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended:\n{log.read_text()[-3000:]}"
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"{url} did not answer in {timeout_s} s:\n{log.read_text()[-3000:]}")


def count_pss_mib(pid: int, *, is_master_in: bool = True) -> float:
    """Proportional set size of a process and its children, in MiB."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(each.memory_full_info().pss for each in family[0 if is_master_in else 1 :]) / 2**20
