"""`python3 -m ringside_containers up|down`, as make does it; needs the standard library only."""

import json
import os
import re
import subprocess
import sys
from typing import Any

from ringside_containers import preflight
from ringside_containers.preflight import NotReadyError, ask

_HEALTHY_WITHIN_S = 600
# `make run` takes the same setting, and publishes PostgreSQL as well.
_PARTS = ("airflow", "mlflow", "serving", "postgres")
_PORT = re.compile(r"\d{2,5}(-\d{2,5})?")
_SHOW_PASSWORD = ["exec", "-T", "airflow-api-server", "cat", "/run/secrets/airflow_admin_password"]


def up() -> None:
    """Check, build, make secrets, start, wait for health, and say where everything is.

    Raises:
        NotReadyError: something does not hold or does not start; what runs is left as it is.
    """
    preflight.require_engine()
    config = preflight.read_config()
    preflight.require_free_ports(config)
    preflight.require_source(config)
    preflight.require_base_image(config)
    say("Building the images")
    compose("build", "--quiet", advice="The end of the build's output says why.")
    say("Making the secrets that are missing")
    secrets = ask(["docker", "compose", "run", "--rm", "--no-deps", "-T", "secrets"])
    if secrets.status != 0:
        raise NotReadyError(f"The secrets cannot be used: {secrets.complained or secrets.said}")
    say("Starting; the first time takes a minute or two")
    try:
        compose("up", "--detach", "--wait", "--wait-timeout", str(_HEALTHY_WITHIN_S), advice="")
    except NotReadyError as error:
        raise NotReadyError(f"{error}\n{_find_failed(config)}") from error
    _show_addresses(config)


def down() -> None:
    """Stop and remove all containers, those of running trainings too; the data stays.

    Raises:
        NotReadyError: no engine answers, or it refuses.
    """
    preflight.require_engine()
    project = preflight.read_config()["name"]
    compose("stop", "airflow-scheduler", advice="")
    labels = [f"label=ringside.project={project}", "label=ringside.role=training"]
    left = ask(["docker", "ps", "-aq", *(w for label in labels for w in ("--filter", label))])
    if left.said:
        ask(["docker", "rm", "--force", *left.said.split()])
    compose("down", advice="")
    say("Everything is down; the data stays in its volumes. `make up` goes on where it stopped.")


def compose(*words: str, advice: str) -> None:
    """Run Compose and let it speak.

    Raises:
        NotReadyError: it failed.
    """
    if subprocess.run(["docker", "compose", *words], check=False).returncode != 0:  # noqa: S603, S607
        raise NotReadyError(f"`docker compose {words[0]}` failed. {advice}".strip())


def say(text: str) -> None:
    """Tell the user one line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _find_failed(config: dict[str, Any]) -> str:
    """Give the state of what is not well, with the end of its log."""
    listed = ask(["docker", "compose", "ps", "--all", "--format", "json"]).said
    parts = [json.loads(line) for line in listed.splitlines() if line.startswith("{")]
    lines = []
    for part in parts:
        is_done = part["State"] == "exited" and part["ExitCode"] == 0
        if part["Health"] != "healthy" and not is_done and part["State"] != "created":
            log = ask(["docker", "logs", "--tail", "15", part["Name"]])
            lines += [f"{part['Service']}: {part['Status']}", log.said, log.complained]
    return "\n".join(filter(None, lines)) or f"See `docker compose -p {config['name']} logs`."


def _show_addresses(config: dict[str, Any]) -> None:
    ports = dict(preflight.list_ports(config))
    password = ask(["docker", "compose", *_SHOW_PASSWORD]).said
    shown = password if sys.stdout.isatty() else f"`docker compose {' '.join(_SHOW_PASSWORD)}`"
    say("\nEverything is up and healthy.")
    say(f"  Airflow    http://127.0.0.1:{ports['airflow-api-server']}")
    say(f"             user admin, password {shown}")
    say(f"  MLflow     http://127.0.0.1:{ports['mlflow']}")
    say(f"  Forecasts  http://127.0.0.1:{ports['serving']}/v1/forecast?symbol=BTC/USDT")
    say("First round trip: trigger ingest_candles, train_challenger, decide_title in Airflow.")
    say("`make down` stops everything and keeps the data.")


def read_ports(text: str) -> dict[str, str]:
    """Read `PORTS`, such as `airflow=8081,serving=8001`, as variables of the Compose file.

    Raises:
        NotReadyError: a name or a number is none.
    """
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    ports = {name.strip(): port.strip() for name, _, port in pairs}
    wrong = [f"{name}={port}" for name, port in ports.items() if not _PORT.fullmatch(port)]
    wrong += [name for name in ports if name not in _PARTS]
    if wrong:
        raise NotReadyError(
            f"PORTS is not understood at {wrong[0]!r}; "
            "it looks like PORTS=airflow=8081,mlflow=5001,serving=8001"
        )
    return {f"RINGSIDE_{name.upper()}_PORT": port for name, port in ports.items()}


def main(words: list[str]) -> int:
    """Run one command; returns the exit status."""
    commands = {"up": up, "down": down}
    if len(words) != 1 or words[0] not in commands:
        sys.stderr.write(f"usage: python3 -m ringside_containers {'|'.join(commands)}\n")
        return 2
    if folder := os.environ.get("RINGSIDE_SOURCE_PATH"):
        os.environ["RINGSIDE_SOURCE_PATH"] = os.path.abspath(folder)  # noqa: PTH100 - no link followed
    try:
        os.environ.update(read_ports(os.environ.get("RINGSIDE_PORTS", "")))
        commands[words[0]]()
    except NotReadyError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
