"""The Docker engine from outside: find running containers by label, send them a signal.

Over its HTTP API, through whatever socket or filter the URL leads to; nothing else is asked.
"""

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from ringside.errors import ServingUnavailableError, SettingsError

_TIMEOUT = httpx.Timeout(10.0, connect=3.0)


@dataclass(frozen=True)
class RunningContainer:
    """One running container."""

    id: str
    name: str


class ContainerEngine:
    """A Docker engine behind `unix://path` or `tcp://host:port`.

    Raises:
        SettingsError: the URL is of another kind.
    """

    def __init__(self, docker_url: str) -> None:
        self._docker_url = docker_url
        parts = urlsplit(docker_url)
        self._socket: str | None = None
        if parts.scheme == "unix":
            # Docker's own form is unix://var/run/docker.sock as well as unix:///var/...
            path = "/" + f"{parts.netloc}{parts.path}".lstrip("/")
            self._base, self._socket = "http://docker", path
        elif parts.scheme in ("tcp", "http") and parts.netloc:
            self._base = f"http://{parts.netloc}"
        else:
            raise SettingsError(
                f"RINGSIDE_DOCKER_URL must be unix://… or tcp://…, not {docker_url}"
            )

    def find_running(self, *labels: str) -> tuple[RunningContainer, ...]:
        """Find the running containers that carry all labels (`name=value`), by name.

        Raises:
            ServingUnavailableError: the engine did not answer, or refused.
        """
        filters = json.dumps({"label": list(labels), "status": ["running"]})
        answer = self._send("GET", "/containers/json", filters=filters)
        found = [
            RunningContainer(entry["Id"], entry["Names"][0].lstrip("/")) for entry in answer.json()
        ]
        return tuple(sorted(found, key=lambda container: container.name))

    def signal(self, container: RunningContainer, name: str) -> None:
        """Send a signal, for example `HUP`, to the first process of a container.

        Raises:
            ServingUnavailableError: the engine did not answer, or the container is gone.
        """
        self._send("POST", f"/containers/{container.id}/kill", signal=name)

    def _send(self, method: str, path: str, **query: str) -> httpx.Response:
        try:
            transport = httpx.HTTPTransport(uds=self._socket)
            with httpx.Client(
                base_url=self._base, timeout=_TIMEOUT, transport=transport, trust_env=False
            ) as client:
                answer = client.request(method, path, params=query)
            answer.raise_for_status()
        except httpx.HTTPStatusError as error:
            raise ServingUnavailableError(
                f"the Docker engine answered {error.response.status_code} to {method} {path}: "
                f"{error.response.text.strip()[:200]}",
                docker_url=self._docker_url,
            ) from error
        except httpx.HTTPError as error:
            raise ServingUnavailableError(
                f"the Docker engine at {self._docker_url} did not answer: {error!r}"
            ) from error
        return answer
