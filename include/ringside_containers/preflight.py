"""What must hold before the composed platform starts; each failure is named with what to do.

Standard library only: it runs with whatever Python the host has.
"""

import json
import re
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OLDEST_API = (1, 41)  # Docker Engine 20.10
OLDEST_COMPOSE = (2, 20)
LEAST_MEMORY_GIB = 6
LEAST_CPUS = 2
_GIB = 2**30


class NotReadyError(Exception):
    """This machine cannot run the platform as it is; the message says what to do."""


@dataclass(frozen=True)
class Answer:
    """What a command said, and its exit status."""

    status: int
    said: str
    complained: str


def ask(command: Sequence[str]) -> Answer:
    """Run a command and keep what it says; a program that is not there has status 127."""
    try:
        done = subprocess.run(  # noqa: S603 -- our own commands
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        return Answer(127, "", str(error))
    return Answer(done.returncode, done.stdout.strip(), done.stderr.strip())


def require_engine() -> None:
    """Require a Docker engine and Compose, new enough and with room.

    Raises:
        NotReadyError: one of them is missing, too old or too small.
    """
    engine = ask(["docker", "version", "--format", "{{.Server.APIVersion}}"])
    if engine.status == 127:
        raise NotReadyError("There is no `docker` on the PATH. Install Docker, or use `make run`.")
    if engine.status != 0:
        raise NotReadyError(
            f"No Docker engine answers: {engine.complained}\n"
            "Start it (and see that you may use its socket), or use `make run`, which needs none."
        )
    if parse_version(engine.said) < OLDEST_API:
        raise NotReadyError(
            f"Docker Engine is too old (API {engine.said}); 20.10 (API 1.41) or newer is needed."
        )
    compose = ask(["docker", "compose", "version", "--short"])
    if compose.status != 0 or parse_version(compose.said) < OLDEST_COMPOSE:
        found = f"is {compose.said}" if compose.status == 0 else "is missing"
        raise NotReadyError(
            f"Docker Compose {found}; 2.20 or newer is needed (docker-compose-plugin)."
        )
    room = ask(["docker", "info", "--format", "{{.MemTotal}} {{.NCPU}}"])
    require_room(*map(int, room.said.split()))


def require_room(memory_bytes: int, cpus: int) -> None:
    """Require memory and CPUs of the engine.

    Raises:
        NotReadyError: there is too little.
    """
    if memory_bytes < LEAST_MEMORY_GIB * _GIB or cpus < LEAST_CPUS:
        raise NotReadyError(
            f"The Docker engine has {memory_bytes / _GIB:.1f} GiB and {cpus} CPU; the platform "
            f"needs {LEAST_MEMORY_GIB} GiB and {LEAST_CPUS}."
        )


def read_config() -> dict[str, Any]:
    """Read the composed platform with all variables filled in.

    Raises:
        NotReadyError: Compose does not accept the files or a variable.
    """
    config = ask(["docker", "compose", "config", "--format", "json"])
    if config.status != 0:
        raise NotReadyError(f"Compose does not accept the configuration:\n{config.complained}")
    return dict(json.loads(config.said))


def require_free_ports(config: dict[str, Any]) -> None:
    """Require the published ports, but for those that this platform holds already.

    Raises:
        NotReadyError: somebody else listens on one.
    """
    held = ask(
        ["docker", "ps", "--filter", f"label=com.docker.compose.project={config['name']}",
         "--format", "{{.Ports}}"]
    ).said  # fmt: skip
    ours = {int(port) for port in re.findall(r":(\d+)->", held)}
    for service, port in list_ports(config):
        if port not in ours and not is_free(port):
            part = find_part(service)
            raise NotReadyError(
                f"Port {port} of {service} is taken on this machine. Name another one: "
                f"make up PORTS={part}=…, or RINGSIDE_{part.upper()}_PORT=…"
            )


def list_ports(config: dict[str, Any]) -> list[tuple[str, int]]:
    """List (service, first published port) of all services."""
    return [
        (name, int(str(port["published"]).split("-")[0]))
        for name, service in sorted(config["services"].items())
        for port in service.get("ports", [])
    ]


def find_part(service: str) -> str:
    """Give the short name of a service, as in `PORTS`."""
    return service.split("-")[0]


def is_free(port: int) -> bool:
    """Say whether nobody listens on a port of the loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def require_source(config: dict[str, Any]) -> None:
    """Require the folder of candles where the source is `file`.

    Raises:
        NotReadyError: none is named, or there is no such folder.
    """
    service = config["services"]["airflow-scheduler"]
    if service["environment"].get("RINGSIDE_SOURCE") != "file":
        return
    mount = next(volume for volume in service["volumes"] if volume["target"] == "/data")
    if mount["type"] != "bind":
        raise NotReadyError("SOURCE=file needs the folder of the candles: make up DATA=that/folder")
    if not Path(mount["source"]).is_dir():
        raise NotReadyError(f"DATA: there is no folder {mount['source']}.")


def require_base_image(config: dict[str, Any]) -> None:
    """Require the image that all others are built from, here or in a registry.

    Raises:
        NotReadyError: it is not here and cannot be pulled.
    """
    image = config["services"]["serving"]["build"]["args"]["BASE_IMAGE"]
    if ask(["docker", "image", "inspect", image]).status == 0:
        return
    pulled = ask(["docker", "pull", "--quiet", image])
    if pulled.status != 0:
        raise NotReadyError(
            f"The base image {image} is not here and cannot be pulled: {pulled.complained}\n"
            "Without a registry, `tests/containers/base_image.sh` makes a stand-in on Debian."
        )


def parse_version(text: str) -> tuple[int, ...]:
    """Read the leading numbers of a version: `2.26.1-4` is (2, 26)."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])
