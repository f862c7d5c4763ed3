"""What the user chose: ports, data source, series. Kept in the state folder for the next run."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from ringside_embedded.credentials import write_private
from ringside_embedded.failures import LaunchError
from ringside_embedded.layout import Layout
from ringside_embedded.ports import Ports, merge_ports, parse_ports

# Variables of the launcher itself, or ones that it sets for the parts.
_OWN = {
    "RINGSIDE_PORTS",
    "RINGSIDE_STATE_DIR",
    "RINGSIDE_ENV_DIR",
    "RINGSIDE_DATABASE_URL",
    "RINGSIDE_MLFLOW_URL",
    "RINGSIDE_SERVING_URL",
}
# What says which data the stores hold; the next run takes the same without being told.
_REMEMBERED = (
    "RINGSIDE_SOURCE",
    "RINGSIDE_SOURCE_PATH",
    "RINGSIDE_SERIES",
    "RINGSIDE_VENUE",
    "RINGSIDE_SERIES_VENUES",
    "RINGSIDE_VENUE_URLS",
    "RINGSIDE_SIMULATION_SEED",
)


@dataclass(frozen=True)
class Choices:
    """Ports, and the `RINGSIDE_*` variables to hand to every part."""

    ports: Ports
    variables: dict[str, str]
    passed_on: dict[str, str]  # AIRFLOW__* and MLFLOW_* of the .env file: one may tune the parts

    def url(self, part: str) -> str:
        """Give the address of a part on the loopback."""
        return f"http://127.0.0.1:{self.ports[part]}"


def read_choices(layout: Layout, environment: Mapping[str, str] = os.environ) -> Choices:
    """Gather the choices: the environment (make's variables) over `.env` over the last run's.

    Raises:
        LaunchError: `PORTS` or the file of the last run cannot be read.
    """
    file = {k: v for k, v in dotenv_values(layout.root / ".env").items() if v}
    last = _read_last(layout.choices_file)
    given = {**file, **{k: v for k, v in environment.items() if v}}
    variables = {**last.variables, **_pick(given, "RINGSIDE_")}
    if (
        "RINGSIDE_SOURCE" in given
        and "RINGSIDE_SOURCE_PATH" not in given
        and given["RINGSIDE_SOURCE"] != "file"
    ):
        variables.pop("RINGSIDE_SOURCE_PATH", None)
    if "RINGSIDE_SOURCE_PATH" in variables:
        path = layout.root / Path(variables["RINGSIDE_SOURCE_PATH"]).expanduser()
        variables["RINGSIDE_SOURCE_PATH"] = str(path.resolve())
    return Choices(
        ports=merge_ports(last.ports, parse_ports(given.get("RINGSIDE_PORTS", ""))),
        variables=variables,
        passed_on=_pick(file, "AIRFLOW__") | _pick(file, "MLFLOW_"),
    )


def remember_ports(layout: Layout, ports: Ports) -> None:
    """Keep the ports as soon as they are used; the rest stays as it was remembered."""
    _write_last(layout, ports, _read_last(layout.choices_file).variables)


def remember_choices(layout: Layout, choices: Choices) -> None:
    """Keep everything, once the stores have accepted the data source."""
    variables = {k: choices.variables[k] for k in _REMEMBERED if k in choices.variables}
    _write_last(layout, choices.ports, variables)


def _write_last(layout: Layout, ports: Ports, variables: Mapping[str, str]) -> None:
    content = {"ports": ports, "variables": variables}
    write_private(layout.choices_file, json.dumps(content, indent=2) + "\n")


def _pick(variables: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {k: v for k, v in variables.items() if k.startswith(prefix) and k not in _OWN}


def _read_last(file: Path) -> Choices:
    if not file.exists():
        return Choices({}, {}, {})
    try:
        content = json.loads(file.read_text())
        return Choices(dict(content["ports"]), dict(content["variables"]), {})
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise LaunchError(
            f"{file} cannot be read ({error!r}).",
            "Remove it and name your choices again: PORTS=, SOURCE=, DATA=, SERIES=.",
        ) from error
