"""The ports of the platform: read from one setting, checked, another offered when one is taken."""

import os
import shlex
import socket
from collections.abc import Mapping

import psutil

from ringside_embedded.failures import LaunchError

Ports = dict[str, int]
DEFAULT_PORTS: Mapping[str, int] = {
    "airflow": 8080,
    "mlflow": 5000,
    "serving": 8000,
    "postgres": 5433,
}
# The other variables that `make run` takes, by the names it exports them under.
MAKE_VARIABLES: Mapping[str, str] = {
    "STATE": "RINGSIDE_STATE_DIR",
    "SOURCE": "RINGSIDE_SOURCE",
    "DATA": "RINGSIDE_SOURCE_PATH",
    "SERIES": "RINGSIDE_SERIES",
}
_EXAMPLE = "PORTS=airflow=8080,mlflow=5000,serving=8000,postgres=5433"


def parse_ports(text: str) -> Ports:
    """Read `airflow=8080,mlflow=5000`; parts that are not named are not in the answer.

    Raises:
        LaunchError: a part is unknown, or a port is no number from 1024 to 65535.
    """
    ports: Ports = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (piece.strip() for piece in word.partition("="))
        if name not in DEFAULT_PORTS or not number.isdecimal():
            raise LaunchError(
                f"PORTS does not understand `{word}`.", f"It looks like this: {_EXAMPLE}"
            )
        if not 1024 <= int(number) <= 65535:
            raise LaunchError(f"PORTS has `{word}`.", "A port is a number from 1024 to 65535.")
        ports[name] = int(number)
    return ports


def merge_ports(*layers: Mapping[str, int]) -> Ports:
    """Lay later layers over earlier ones, over the defaults.

    Raises:
        LaunchError: two parts would share a port.
    """
    ports: Ports = dict(DEFAULT_PORTS)
    for layer in layers:
        ports.update(layer)
    if len(set(ports.values())) < len(ports):
        raise LaunchError(
            f"Two parts have the same port: {format_ports(ports)}.", "Give each its own in PORTS."
        )
    return ports


def format_ports(ports: Mapping[str, int]) -> str:
    """Write ports the way `PORTS=` takes them."""
    return ",".join(f"{name}={number}" for name, number in ports.items())


def is_free(port: int) -> bool:
    """Say whether a server could listen on this port of the loopback now."""
    with socket.socket() as probe:
        # Connections that just ended must not make the port look taken; listeners still do.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def require_free(ports: Mapping[str, int], needed: set[str]) -> None:
    """Check the ports of the `needed` parts.

    Raises:
        LaunchError: some are taken; the message names the taker where it can be known, and the
            command with free ports.
    """
    taken = {name: ports[name] for name in needed if not is_free(ports[name])}
    if not taken:
        return
    offer = {name: _find_free_from(port + 1, set(ports.values())) for name, port in taken.items()}
    what = " ".join(
        f"Port {port} ({name}) is taken{_name_taker(port)}." for name, port in taken.items()
    )
    words = [f"{name}={shlex.quote(os.environ[variable])}"
             for name, variable in MAKE_VARIABLES.items() if os.environ.get(variable)]  # fmt: skip
    words.append(f"PORTS={format_ports({**ports, **offer})}")
    raise LaunchError(what, f"With free ones: make run {' '.join(words)}")


def _find_free_from(port: int, avoid: set[int]) -> int:
    while port in avoid or not is_free(port):
        port += 1
    avoid.add(port)
    return port


def _name_taker(port: int) -> str:
    """Name the process that listens on `port`; others' processes are known to root only."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return ""
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
            if connection.pid is None:
                return ""
            try:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
            except psutil.NoSuchProcess:
                return ""
    return ""
