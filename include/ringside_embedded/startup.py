"""Brings the platform up, part by part, in the order that loses nothing.

PostgreSQL comes first. Then MLflow and Airflow start side by side; Airflow's scheduler comes last
of its processes, when the execution API has answered once, or the first due task would be lost.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from ringside_embedded.airflow_api import AirflowApi
from ringside_embedded.credentials import write_private
from ringside_embedded.databases import make_databases, migrate_airflow, migrate_ringside
from ringside_embedded.failures import LaunchError
from ringside_embedded.health import Probe, make_probes, wait_healthy, warm_up_execution_api
from ringside_embedded.postgres import PostgresError
from ringside_embedded.programs import Platform, list_programs
from ringside_embedded.steps import Steps
from ringside_embedded.supervision import Supervision
from ringside_embedded.supervisor_config import render_files

STEP_COUNT = 11
TRAINING_POOL = "training"
_HEALTHY_WITHIN_S = 180.0
_STILL_HEALTHY_WITHIN_S = 20.0


@dataclass
class Startup:
    """One start of one platform."""

    platform: Platform
    supervision: Supervision
    steps: Steps
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._probes: dict[str, Probe] = make_probes(self.platform)
        self._fresh: set[str] = set()  # started in this run

    def bring_up(self) -> None:
        """Start every part and wait until all are healthy; what is healthy already stays.

        Raises:
            LaunchError: a part failed; the others are left as they are.
        """
        self._start_supervisord()
        self._start_postgres()
        with self.steps.step("Databases") as step:
            step.outcome = make_databases(self.platform)
        # Before anything else starts: with another source's settings no task may run.
        with self.steps.step("Ringside's tables and market clock") as step:
            step.outcome = migrate_ringside(self.platform)
        with ThreadPoolExecutor(max_workers=3) as pool:
            mlflow = pool.submit(self._chain, lambda: self._start_part("mlflow", "MLflow"))
            chains = [mlflow, pool.submit(self._chain, self._start_airflow)]
            chains.append(pool.submit(self._chain, lambda: self._start_serving(mlflow)))
        _raise_first(chains)

    def _chain(self, work: Callable[[], None]) -> None:
        """Run one chain of steps; when it fails, the others stop waiting."""
        try:
            work()
        except BaseException:
            self.stop.set()
            raise

    def _start_supervisord(self) -> None:
        files = render_files(self.platform.layout, list_programs(self.platform))
        with self.steps.step("Process supervisor") as step:
            was_up = self.supervision.ensure(files)
            step.outcome = "already up" if was_up else "up"

    def _start_postgres(self) -> None:
        with self.steps.step("PostgreSQL") as step:
            try:
                is_new = self.platform.postgres.make()
            except PostgresError as error:
                raise LaunchError(f"PostgreSQL: {error}.", "Then run `make run` again.") from error
            step.outcome = self._bring_up("postgres") + (", new" if is_new else "")

    def _start_part(self, name: str, title: str) -> None:
        with self.steps.step(title) as step:
            step.outcome = self._bring_up(name)

    def _bring_up(self, name: str) -> str:
        """Start one process and wait; one that runs but is not well is started once more."""
        self._launch(name)
        if name not in self._fresh:
            try:
                self._wait(name, _STILL_HEALTHY_WITHIN_S)
            except LaunchError:
                if self.stop.is_set():
                    raise
                self.supervision.restart(name)
            else:
                return "already up"
        self._wait(name, _HEALTHY_WITHIN_S)
        return "healthy"

    def _launch(self, name: str) -> None:
        if not self.supervision.start(name):
            self._fresh.add(name)

    def _wait(self, name: str, timeout_s: float) -> None:
        probe = self._probes[name]
        wait_healthy(self.supervision, name, probe, timeout_s=timeout_s, stop=self.stop)

    def _start_airflow(self) -> None:
        platform = self.platform
        logins = platform.layout.airflow_home / "passwords.json"
        write_private(logins, platform.write_airflow_logins())
        with self.steps.step("Airflow's metadata") as step:
            step.outcome = migrate_airflow(platform)
        self._launch("dag-processor")  # it needs the API server only later
        self._start_part("api-server", "Airflow API server")
        with self.steps.step("Airflow's execution API, connection and pool"):
            warm_up_execution_api(platform)
            self._register(AirflowApi.of(platform))
        self._start_part("dag-processor", "Airflow DAG processor")
        self._start_part("scheduler", "Airflow scheduler")

    def _register(self, api: AirflowApi) -> None:
        """Tell Airflow of Ringside's database and of the slots for training."""
        api.log_in()
        api.ensure_connection(
            "ringside_db",
            {
                "conn_type": "postgres",
                "description": "Ringside's PostgreSQL",
                "host": "127.0.0.1",
                "port": self.platform.postgres.port,
                "schema": "ringside",
                "login": "ringside",
                "password": self.platform.database_passwords["ringside"],
            },
        )
        api.ensure_pool(TRAINING_POOL, 1, "One model is fitted at a time.")

    def _start_serving(self, mlflow: "Future[None]") -> None:
        if mlflow.exception() is None:  # it takes the champions from there
            self._start_part("serving", "Serving")


def _raise_first(chains: list["Future[None]"]) -> None:
    """Raise the failure that came by itself before those of chains that only stopped waiting."""
    failures = [error for error in (chain.exception() for chain in chains) if error is not None]
    failures.sort(key=lambda error: getattr(error, "is_consequence", False))
    if failures:
        raise failures[0]
