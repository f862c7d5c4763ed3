"""The composed platform under a project name of its own, driven as its user would drive it."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path

import httpx

from e2e.stack import ENDED, Stack
from processes import REPO, find_free_port

CREDENTIALS = "credentials.json"
SENTRY = "ringside-sentry:0.1.0"
PROBES = REPO / "tests" / "containers" / "probes"
FOREIGN = ("RINGSIDE_", "COMPOSE_", "MLFLOW_", "AWS_")
KILL = "import os, sys; os.kill(int(sys.argv[1]), 9)"
SLOWEST_CPUS = "0.02"


class ComposedStack(Stack):
    """One composed platform; `start` and `stop` may be called again and again.

    Args:
        folder: An empty folder of the platform's own, which user 10001 may enter.
        data: The folder of candle files.
        series: Symbols.
        overlays: Compose files on top of the platform's.
        settings: Variables.
    """

    def __init__(
        self,
        folder: Path,
        data: Path,
        series: tuple[str, ...],
        *,
        overlays: tuple[str, ...] = (),
        **settings: str,
    ) -> None:
        self.project = f"ringside-test-{secrets.token_hex(3)}"
        self.ports = {name: find_free_port() for name in ("airflow", "mlflow", "serving")}
        probes = shutil.copytree(PROBES, folder / "probes")
        for path in (probes, *probes.iterdir()):
            path.chmod(0o755)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)},
            "COMPOSE_PROJECT_NAME": self.project,
            "COMPOSE_FILE": ":".join(["docker-compose.yaml", *overlays]),
            "PROBES": str(probes),
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
        self.asked_runs = {}

    @property
    def has_workers(self) -> bool:
        """Whether tasks run in Celery workers and not in the scheduler's container."""
        return "docker-compose.celery.yaml" in self.environment["COMPOSE_FILE"]

    def start(self) -> str:
        """`make up`."""
        return self.run("make", "up")

    def stop(self) -> None:
        """`make down`; the data stays."""
        self.log_out()
        self.run("make", "down")

    def destroy(self) -> None:
        """Remove every trace of this project, trainings included."""
        self.log_out()
        if left := self.find_containers("training"):
            self.run("docker", "rm", "--force", *left, may_fail=True)
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")

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

    def list_parts(self) -> list[dict[str, object]]:
        """Describe this project's running containers, one-shots and trainings left out."""
        listed = self.run("docker", "compose", "ps", "--format", "json", may_fail=True)
        return [json.loads(line) for line in listed.splitlines() if line.startswith("{")]

    def wait_healthy(self, services: set[str], *, timeout_s: float = 300) -> None:
        """Wait until all of these services are healthy, without doing anything for it."""

        def are_healthy() -> bool:
            states = {(part["Service"], part["Health"]) for part in self.list_parts()}
            return {name for name, _ in states} >= services and all(
                health == "healthy" for name, health in states if name in services
            )

        self.wait_until(are_healthy, timeout_s=timeout_s)

    def find_containers(self, role: str, *, with_ended: bool = True) -> list[str]:
        """Names of this project's containers of a role, by label, as `docker ps` lists them."""
        labels = [f"label=ringside.project={self.project}", f"label=ringside.role={role}"]
        words = [word for label in labels for word in ("--filter", label)]
        listed = self.run(
            "docker", "ps", *(["--all"] if with_ended else []), *words, "--format", "{{.Names}}",
            may_fail=True,
        )  # fmt: skip
        return listed.split()

    def catch_training(self, *, but: tuple[str, ...] = (), timeout_s: float = 120) -> str:
        """Wait for a running training container that is none of `but`, and slow it down."""
        found: list[str] = []

        def is_there() -> bool:
            running = self.find_containers("training", with_ended=False)
            found.extend(name for name in running if name not in but)
            return bool(found)

        self.wait_until(is_there, timeout_s=timeout_s)
        self.slow_down(found[0], "0.3")
        return found[0]

    def slow_down(self, container: str, cpus: str = SLOWEST_CPUS) -> None:
        """Take nearly all CPU from a container, so that a test is in time for what it does."""
        self.run("docker", "update", "--cpus", cpus, container)

    def crash(self, service: str) -> None:
        """Kill a service's container from outside, so that the engine holds it for a crash.

        `docker kill` would count as the user's wish, and the restart policy not apply.
        """
        name = self.compose("ps", "--format", "{{.Name}}", service).split()[0]
        process = self.run("docker", "inspect", "--format", "{{.State.Pid}}", name).strip()
        self.run(
            "docker", "run", "--rm", "--pid", "host", "--user", "root", "--cap-drop", "ALL",
            "--cap-add", "KILL", "--network", "none", SENTRY, "python3", "-c", KILL, process,
        )  # fmt: skip

    def wait_for_run(
        self, dag: str, run: str, *, timeout_s: float = 420
    ) -> tuple[str, dict[str, str]]:
        """Wait for the end of a run; parts of the platform may be away for a while."""
        url = f"/dags/{dag}/dagRuns/{run}"

        def has_ended() -> bool:
            with contextlib.suppress(httpx.TransportError):
                answer = self.api.get(url)
                return answer.status_code == 200 and answer.json()["state"] in ENDED
            return False

        self.wait_until(has_ended, timeout_s=timeout_s)
        tasks = self.api.get(f"{url}/taskInstances").json()["task_instances"]
        return self.api.get(url).json()["state"], {t["task_id"]: t["state"] for t in tasks}

    def run_python(self, service: str, program: str) -> str:
        """Run a program in a running service, as that service's user; return what it printed."""
        return self.compose("exec", "-T", service, "python3", "-c", program).strip()

    @property
    def secrets(self) -> dict[str, str]:
        """All generated passwords and keys, from the volume that only their maker mounts."""
        return json.loads(self.read_kept())

    def read_kept(self) -> str:
        """Read the file of all secrets."""
        volume = f"{self.project}_credentials:/kept:ro"
        return self.run(
            "docker", "run", "--rm", "--network", "none", "--volume", volume,
            SENTRY, "cat", f"/kept/{CREDENTIALS}",
        )  # fmt: skip

    def write_kept(self, text: str) -> None:
        """Write the file of all secrets anew."""
        volume = f"{self.project}_credentials:/kept"
        write = f"import pathlib; pathlib.Path('/kept/{CREDENTIALS}').write_text({text!r})"
        self.run(
            "docker", "run", "--rm", "--network", "none", "--volume", volume,
            SENTRY, "python3", "-c", write,
        )  # fmt: skip

    def query(self, statement: str, *, database: str = "ringside") -> list[tuple]:
        """Ask a database as its superuser, inside the container."""
        wrapped = f"SELECT coalesce(json_agg(row_to_json(asked)), '[]') FROM ({statement}) AS asked"
        said = self.compose(
            "exec", "-T", "postgres", "psql", "-XAt", "-U", "postgres", "-d", database,
            "-c", wrapped,
        )  # fmt: skip
        return [tuple(row.values()) for row in json.loads(said)]

    def wait_until(self, is_true, *, timeout_s: float) -> None:
        """Ask again and again until `is_true` answers so, or fail with the ends of the logs."""
        deadline = time.monotonic() + timeout_s
        while not is_true():
            assert time.monotonic() < deadline, f"not within {timeout_s} s\n{self._read_logs()}"
            time.sleep(0.2)

    def _read_logs(self) -> str:
        return self.run("docker", "compose", "logs", "--tail", "40", may_fail=True)[-12000:]
