"""Serving from outside: make every replica reload, and ask each what its workers serve."""

import logging
import os
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import httpx
from pydantic import SecretStr

from ringside.adapters.container_engine import ContainerEngine, RunningContainer
from ringside.core.titles import Title
from ringside.errors import ServingUnavailableError, SettingsError
from ringside.settings import Settings

_TIMEOUT = httpx.Timeout(5.0, connect=2.0)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Served:
    """What one worker serves for one title."""

    contestant: str
    version: int


@dataclass(frozen=True)
class Worker:
    """One serving worker and what it serves.

    `replica` is the address it answers at and `generation` the start or reload that made it:
    two replicas, or a container before and after a restart, may well use the same process id.
    """

    pid: int
    titles: Mapping[Title, Served]
    replica: str = ""
    generation: str = ""

    @property
    def key(self) -> str:
        """Name that no other worker ever had."""
        return f"{self.pid}@{self.replica}#{self.generation}"


@dataclass(frozen=True)
class ServingAnswer:
    """Answers of `GET /v1/model`: who gave them, and all workers alive at that moment."""

    answered_by: tuple[Worker, ...]
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


class DockerReloader:
    """Signals the first process of every running serving container of one project."""

    def __init__(self, docker_url: str, project: str) -> None:
        self._engine = ContainerEngine(docker_url)
        self._labels = ("ringside.role=serving", f"ringside.project={project}")

    def find_containers(self) -> tuple[RunningContainer, ...]:
        """Find the containers of all replicas.

        Raises:
            ServingUnavailableError: the engine did not answer.
        """
        return self._engine.find_running(*self._labels)

    def reload(self) -> None:
        """Send `SIGHUP` to every replica.

        Raises:
            ServingUnavailableError: no container runs, or the engine refused one of the signals.
        """
        replicas = self.find_containers()
        if not replicas:
            raise ServingUnavailableError(f"no running container is {' '.join(self._labels)}")
        for replica in replicas:
            self._engine.signal(replica, "HUP")
            _log.info("signalled container=%s id=%s", replica.name, replica.id[:12])


class KubernetesReloader:
    """Asks the pod behind each address of the serving name; nobody there can be signalled.

    A pod that is not there yet needs no asking: it reads the registry when it starts.
    """

    def __init__(self, settings: Settings, token: SecretStr) -> None:
        self._settings = settings
        self._token = token

    def reload(self) -> None:
        """Send `POST /v1/reload` to every replica, also past one that fails.

        Raises:
            ServingUnavailableError: the name has no address, or a replica did not accept.
        """
        refusals = [
            refusal for url in find_replicas(self._settings) if (refusal := self._find_refusal(url))
        ]
        if refusals:
            raise ServingUnavailableError(f"not every replica reloads: {'; '.join(refusals)}")

    def _find_refusal(self, serving_url: str) -> str:
        """Ask one replica; say how it failed, empty where it accepted."""
        headers = {"Authorization": f"Bearer {self._token.get_secret_value()}"}
        try:
            with httpx.Client(base_url=serving_url, timeout=_TIMEOUT, trust_env=False) as client:
                answer = client.post("/v1/reload", headers=headers)
        except httpx.HTTPError as error:
            return f"{serving_url}: {error!r}"
        if answer.status_code != HTTPStatus.ACCEPTED:
            return f"{serving_url} answered {answer.status_code}"
        _log.info("asked replica=%s to reload", serving_url)
        return ""


def make_reloader(settings: Settings) -> Reloader:
    """Choose how serving is told to reload, as the setting `serving_runner` says.

    Raises:
        SettingsError: the runner is `kubernetes` and there is no token.
    """
    if settings.serving_runner == "docker":
        return DockerReloader(settings.docker_url, settings.project)
    if settings.serving_runner == "kubernetes":
        if settings.reload_token is None:
            raise SettingsError("the serving runner `kubernetes` needs RINGSIDE_RELOAD_TOKEN")
        return KubernetesReloader(settings, settings.reload_token)
    return ProcessReloader(settings.serving_pid_file)


def find_replicas(settings: Settings) -> tuple[str, ...]:
    """Find the URL of each replica: one per address of the name in `serving_url`.

    Raises:
        ServingUnavailableError: the name has no address, or fewer than containers run.
    """
    url = httpx.URL(settings.serving_url)
    try:
        found = socket.getaddrinfo(url.host, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise ServingUnavailableError(f"{url.host} has no address: {error}") from error
    addresses = sorted({str(entry[4][0]) for entry in found})
    if settings.serving_runner == "docker":
        running = DockerReloader(settings.docker_url, settings.project).find_containers()
        if len(addresses) < len(running):
            raise ServingUnavailableError(
                f"{len(running)} serving containers run, and {url.host} has only the addresses "
                f"{', '.join(addresses)}"
            )
    return tuple(str(url.copy_with(host=address)) for address in addresses)


def ask_replicas(settings: Settings) -> ServingAnswer:
    """Ask every replica what it serves, and tell it as one answer with all workers of all.

    Raises:
        ServingUnavailableError: one of them did not answer.
    """
    answers = [ask_serving(url) for url in find_replicas(settings)]
    return ServingAnswer(
        answered_by=tuple(worker for answer in answers for worker in answer.answered_by),
        workers=tuple(worker for answer in answers for worker in answer.workers),
    )


def ask_serving(serving_url: str) -> ServingAnswer:
    """Ask one replica what is served, on a connection of its own, so that any worker may answer.

    Raises:
        ServingUnavailableError: no answer, an error, or an answer that is not understood.
    """
    try:
        with httpx.Client(base_url=serving_url, timeout=_TIMEOUT, trust_env=False) as client:
            answer = client.get("/v1/model", headers={"Connection": "close"})
        answer.raise_for_status()
        content = answer.json()
        return ServingAnswer(
            answered_by=(_to_worker(content, serving_url),),
            workers=tuple(_to_worker(worker, serving_url) for worker in content["workers"]),
        )
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise ServingUnavailableError(
            f"serving at {serving_url} did not say what it serves: {error!r}"
        ) from error


def _to_worker(content: Mapping[str, Any], replica: str) -> Worker:
    titles = {
        Title(title["symbol"], int(title["horizon"])): Served(
            title["contestant"], int(title["version"])
        )
        for title in content["titles"]
    }
    generation = f"{content['generation']} {content['loaded_at']}"
    return Worker(int(content["pid"]), titles, replica, generation)
