"""The serving process from outside: make it reload, and ask what its workers serve."""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from ringside.core.titles import Title
from ringside.errors import ServingUnavailableError
from ringside.settings import Settings

_TIMEOUT = httpx.Timeout(5.0, connect=2.0)


@dataclass(frozen=True)
class Served:
    """What one worker serves for one title."""

    contestant: str
    version: int


@dataclass(frozen=True)
class Worker:
    """One serving worker and what it serves."""

    pid: int
    titles: Mapping[Title, Served]


@dataclass(frozen=True)
class ServingAnswer:
    """One answer of `GET /v1/model`: who gave it, and all workers alive at that moment."""

    answered_by: Worker
    workers: tuple[Worker, ...]


class Reloader(Protocol):
    """Makes every serving worker load the champions anew; one class per way to run serving."""

    def reload(self) -> None:
        """Ask for the reload and return at once.

        Raises:
            ServingUnavailableError: there is nobody to ask.
        """
        ...


class ProcessReloader:
    """Signals a Gunicorn master on this machine."""

    def __init__(self, pid_file: Path) -> None:
        self._pid_file = pid_file

    def reload(self) -> None:
        """Send `SIGHUP` to the master; workers are replaced one generation by the next.

        Raises:
            ServingUnavailableError: there is no process id, or no process of that id.
        """
        try:
            master = int(self._pid_file.read_text(encoding="ascii"))
            os.kill(master, signal.SIGHUP)
        except (OSError, ValueError) as error:
            raise ServingUnavailableError(
                f"no serving process to signal: {error}", pid_file=str(self._pid_file)
            ) from error


def make_reloader(settings: Settings) -> Reloader:
    """Choose how serving is told to reload; a container's reloader joins here."""
    return ProcessReloader(settings.serving_pid_file)


def ask_serving(serving_url: str) -> ServingAnswer:
    """Ask what is served, on a connection of its own, so that any worker may answer.

    Raises:
        ServingUnavailableError: no answer, an error, or an answer that is not understood.
    """
    try:
        with httpx.Client(base_url=serving_url, timeout=_TIMEOUT, trust_env=False) as client:
            answer = client.get("/v1/model", headers={"Connection": "close"})
        answer.raise_for_status()
        content = answer.json()
        return ServingAnswer(
            answered_by=_to_worker(content),
            workers=tuple(_to_worker(worker) for worker in content["workers"]),
        )
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise ServingUnavailableError(
            f"serving at {serving_url} did not say what it serves: {error!r}"
        ) from error


def _to_worker(content: Mapping[str, Any]) -> Worker:
    titles = {
        Title(title["symbol"], int(title["horizon"])): Served(
            title["contestant"], int(title["version"])
        )
        for title in content["titles"]
    }
    return Worker(int(content["pid"]), titles)
