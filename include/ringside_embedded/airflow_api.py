"""Airflow's REST API, as far as the launcher needs it: connections, pools, runs and their logs."""

import time
from dataclasses import dataclass
from typing import Any

import httpx

from ringside_embedded.failures import LaunchError
from ringside_embedded.programs import ADMIN, Platform

RUNNING_STATES = frozenset({"queued", "running"})


@dataclass(frozen=True)
class DagRun:
    """One run of one DAG; `ended_at` is ISO text, or None while it runs."""

    dag_id: str
    run_id: str
    state: str
    queued_at: str
    ended_at: str | None


class AirflowApi:
    """A logged-in client of one Airflow."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=30)
        self._login = {"username": user, "password": password}

    @classmethod
    def of(cls, platform: Platform) -> "AirflowApi":
        """Make the client of a platform's Airflow, as its administrator."""
        password = platform.credentials.airflow_admin_password
        return cls(platform.choices.url("airflow"), ADMIN, password)

    def log_in(self) -> None:
        """Get a token; done again by itself when it has run out."""
        answer = self._client.post("/auth/token", json=self._login)
        if answer.status_code == 401:
            raise LaunchError(
                "Airflow refuses the login of the file of secrets.",
                "Was the file replaced? `make stop`, then `make run`, writes Airflow's file anew.",
            )
        answer.raise_for_status()
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def ensure_connection(self, connection_id: str, content: dict[str, object]) -> None:
        """Create a connection, or bring it to `content`."""
        body = {"connection_id": connection_id, **content}
        if self._ask("PATCH", f"connections/{connection_id}", body, may_lack=True) is None:
            self._ask("POST", "connections", body)

    def ensure_pool(self, name: str, slots: int, description: str) -> None:
        """Create a pool; one that is there keeps the size its owner gave it."""
        if self._ask("GET", f"pools/{name}", may_lack=True) is None:
            self._ask("POST", "pools", {"name": name, "slots": slots, "description": description})

    def find_dag_state(self, dag_id: str) -> str:
        """Say `ready`, `paused` or `absent` (not parsed yet)."""
        dag = self._ask("GET", f"dags/{dag_id}", may_lack=True)
        if dag is None:
            return "absent"
        return "paused" if dag["is_paused"] else "ready"

    def read_import_errors(self) -> list[tuple[str, str]]:
        """List the DAG files that could not be read, as (file, error)."""
        errors = self._require("importErrors")["import_errors"]
        return [(error["filename"], error["stack_trace"]) for error in errors]

    def trigger(self, dag_id: str) -> DagRun:
        """Start a run by hand, without a logical date: one could block a scheduled run."""
        body = {"logical_date": None}
        run = self._ask("POST", f"dags/{dag_id}/dagRuns", body)
        return _to_run(run or {})

    def read_runs(self, dag_id: str, *, limit: int = 10) -> list[DagRun]:
        """List the newest runs first."""
        found = self._ask(
            "GET", f"dags/{dag_id}/dagRuns?order_by=-run_after&limit={limit}", may_lack=True
        )
        return [_to_run(run) for run in (found or {"dag_runs": []})["dag_runs"]]

    def read_run(self, run: DagRun) -> DagRun:
        """Read the run's state as it is now."""
        return _to_run(self._require(f"dags/{run.dag_id}/dagRuns/{run.run_id}"))

    def read_tasks(self, run: DagRun) -> list[dict[str, Any]]:
        """List the task instances of a run."""
        tasks = self._require(f"dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances?limit=500")
        instances: list[dict[str, Any]] = tasks["task_instances"]
        return instances

    def read_task_log(self, run: DagRun, task: dict[str, Any], *, lines: int = 15) -> list[str]:
        """Give the last lines of a task's log, with the text of its error."""
        path = f"dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{task['task_id']}/logs"
        found = self._require(
            f"{path}/{max(task['try_number'], 1)}?map_index={task['map_index']}&full_content=true"
        )
        said = [_to_line(entry) for entry in found["content"]]
        return [line for text in said for line in text.splitlines() if line.strip()][-lines:]

    def _require(self, path: str) -> dict[str, Any]:
        found = self._ask("GET", path)
        if found is None:
            raise LaunchError(f"Airflow has no {path}.", "Run `make run` again.")
        return found

    def _ask(
        self, method: str, path: str, body: object = None, *, may_lack: bool = False
    ) -> dict[str, Any] | None:
        """Send one request; a lost connection and a stale token are each tried once more."""
        for is_last in (False, True):
            try:
                answer = self._client.request(method, f"/api/v2/{path}", json=body)
            except httpx.TransportError as error:
                if is_last or method == "POST":
                    raise LaunchError(
                        f"Airflow's API does not answer ({error!r}).",
                        "`make status` shows what runs; `make run` brings everything back.",
                    ) from error
                time.sleep(2)
                continue
            if answer.status_code == 401 and not is_last:
                self.log_in()
                continue
            break
        if answer.status_code == 404 and may_lack:
            return None
        if answer.is_error:
            raise LaunchError(
                f"Airflow answered {answer.status_code} to {method} {path}: {answer.text[:500]}",
                "Read the log of the API server: make logs PART=api-server",
            )
        content: dict[str, Any] = answer.json()
        return content


def _to_run(run: dict[str, Any]) -> DagRun:
    return DagRun(
        run["dag_id"], run["dag_run_id"], run["state"], run["queued_at"], run.get("end_date")
    )


def _to_line(entry: object) -> str:
    """Write one structured log entry the way a person reads it."""
    if not isinstance(entry, dict):
        return str(entry)
    errors = [f"{e.get('exc_type')}: {e.get('exc_value')}" for e in entry.get("error_detail") or []]
    return "\n".join([str(entry.get("event", "")), *errors])
