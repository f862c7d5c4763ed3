"""The composed platform under a project name of its own, driven as its user would drive it."""

import json
import os
import secrets
import subprocess
from pathlib import Path

from e2e.stack import Stack
from processes import REPO, find_free_port

CREDENTIALS = "credentials.json"


class ComposedStack(Stack):
    """One composed platform; `start` and `stop` may be called again and again."""

    def __init__(self, data: Path, series: tuple[str, ...], **settings: str) -> None:
        self.project = f"ringside-test-{secrets.token_hex(3)}"
        self.ports = {name: find_free_port() for name in ("airflow", "mlflow", "serving")}
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("RINGSIDE_")},
            "COMPOSE_PROJECT_NAME": self.project,
            "RINGSIDE_PORTS": ",".join(f"{name}={port}" for name, port in self.ports.items()),
            "RINGSIDE_SOURCE": "file",
            "RINGSIDE_SOURCE_PATH": str(data),
            "RINGSIDE_SERIES": ",".join(series),
            **settings,
        }
        for name, port in self.ports.items():
            self.environment[f"RINGSIDE_{name.upper()}_PORT"] = str(port)
        self.serving_url = f"http://127.0.0.1:{self.ports['serving']}"
        self._api = None

    def start(self) -> str:
        """`make up`."""
        return self.run("make", "up")

    def stop(self) -> None:
        """`make down`; the data stays."""
        self.log_out()
        self.run("make", "down")

    def destroy(self) -> None:
        """Remove every trace of this project."""
        self.log_out()
        self.compose("down", "--volumes", "--timeout", "5")

    def log_out(self) -> None:
        """Forget the client; the next call logs in anew."""
        if self._api is not None:
            self._api.close()
            self._api = None

    def compose(self, *words: str) -> str:
        """Run a command of Compose; fail with all it said when it fails."""
        return self.run("docker", "compose", *words)

    def run(self, *command: str, may_fail: bool = False) -> str:
        """Run a command in this project's environment; return what it wrote."""
        done = subprocess.run(
            command, env=self.environment, cwd=REPO, capture_output=True, text=True,
            timeout=900, check=False,
        )  # fmt: skip
        assert may_fail or done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def find_containers(self, role: str, *, with_ended: bool = True) -> list[str]:
        """Names of this project's containers of a role, by label."""
        labels = [f"label=ringside.project={self.project}", f"label=ringside.role={role}"]
        words = [word for label in labels for word in ("--filter", label)]
        listed = self.run(
            "docker", "ps", *(["--all"] if with_ended else []), *words, "--format", "{{.Names}}"
        )
        return listed.split()

    def run_python(self, service: str, program: str) -> str:
        """Run a program in a running service, as that service's user; return what it printed."""
        return self.compose("exec", "-T", service, "python3", "-c", program).strip()

    @property
    def secrets(self) -> dict[str, str]:
        """All generated passwords and keys, from the volume that only their maker mounts."""
        volume = f"{self.project}_credentials:/kept:ro"
        said = self.run(
            "docker", "run", "--rm", "--network", "none", "--volume", volume,
            "ringside-sentry:0.1.0", "cat", f"/kept/{CREDENTIALS}",
        )  # fmt: skip
        return json.loads(said)

    def query(self, statement: str) -> list[tuple]:
        """Ask Ringside's database as its superuser, inside the container."""
        wrapped = f"SELECT coalesce(json_agg(row_to_json(asked)), '[]') FROM ({statement}) AS asked"
        said = self.compose(
            "exec", "-T", "postgres", "psql", "-XAt", "-U", "postgres", "-d", "ringside",
            "-c", wrapped,
        )  # fmt: skip
        return [tuple(row.values()) for row in json.loads(said)]

    def _read_logs(self) -> str:
        return self.run("docker", "compose", "logs", "--tail", "40", may_fail=True)[-12000:]
