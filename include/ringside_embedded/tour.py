"""The first round trip, driven through Airflow as a user would: each DAG once, in order."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console

from ringside_embedded.airflow_api import RUNNING_STATES, AirflowApi, DagRun
from ringside_embedded.failures import LaunchError
from ringside_embedded.records import Records
from ringside_embedded.steps import Step, Steps

_PARSED_WITHIN_S = 120.0
_LONGEST_RUN_S = 45 * 60.0
_POLL_S = 1.0
_AWAITS_PERSON = "awaiting_input"
_CLEAN_AUDIT = "require_clean_audit"


@dataclass(frozen=True)
class Stop:
    """One stop of the tour: a DAG, and what shows that it need not run again."""

    dag_id: str
    is_done: Callable[[Records], bool]


STOPS = (
    Stop("ingest_candles", Records.has_candles),
    Stop("train_challenger", Records.has_champions),
    Stop("decide_title", Records.has_verdicts),
    Stop("issue_forecasts", Records.has_forecasts),
    Stop("publish_reports", Records.has_reports),
)


class Tour:
    """Takes one platform through the stops that its records do not show yet."""

    def __init__(self, api: AirflowApi, records: Records, console: Console) -> None:
        self._api = api
        self._records = records
        self._console = console
        self._steps = Steps(console, len(STOPS))

    def take(self) -> None:
        """Run what is missing.

        Raises:
            LaunchError: a run failed; the message names the task, the log is its end.
        """
        self._api.log_in()
        with self._steps.show():
            for stop in STOPS:
                with self._steps.step(stop.dag_id) as step:
                    if stop.is_done(self._records):
                        step.outcome = "on record"
                    else:
                        step.outcome = self._run(stop.dag_id, step)

    def _run(self, dag_id: str, step: Step) -> str:
        self._wait_parsed(dag_id)
        run = self._find_or_start(dag_id)
        deadline = time.monotonic() + _LONGEST_RUN_S
        while (run := self._api.read_run(run)).state in RUNNING_STATES:
            tasks = self._api.read_tasks(run)
            states = Counter(str(task["state"] or "waiting") for task in tasks)
            step.say(", ".join(f"{count} {state}" for state, count in sorted(states.items())))
            if states[_AWAITS_PERSON] and not states["running"] and not states["queued"]:
                return "[yellow]waits for a person[/]: Required Actions in Airflow's menu"
            if time.monotonic() > deadline:
                raise LaunchError(
                    f"{dag_id} still runs after {_LONGEST_RUN_S / 60:.0f} minutes.",
                    "It goes on in Airflow; `make run` again waits for it again.",
                )
            time.sleep(_POLL_S)
        return run.state if run.state == "success" else self._explain(run)

    def _find_or_start(self, dag_id: str) -> DagRun:
        """Take the run that is under way, by schedule or by an asset; else start one."""
        under_way = [run for run in self._api.read_runs(dag_id) if run.state in RUNNING_STATES]
        return under_way[0] if under_way else self._api.trigger(dag_id)

    def _wait_parsed(self, dag_id: str) -> None:
        deadline = time.monotonic() + _PARSED_WITHIN_S
        while (state := self._api.find_dag_state(dag_id)) == "absent":
            for file, error in self._api.read_import_errors():
                raise LaunchError(
                    f"Airflow cannot read {file}: {error.strip().splitlines()[-1]}",
                    "Repair the file; Airflow reads it again by itself; then `make run`.",
                )
            if time.monotonic() > deadline:
                raise LaunchError(
                    f"Airflow has not read {dag_id} within {_PARSED_WITHIN_S:.0f} s.",
                    "make logs PART=dag-processor says why.",
                )
            time.sleep(_POLL_S)
        if state == "paused":
            raise LaunchError(
                f"{dag_id} is paused.", "Switch it on in Airflow and run `make run` again."
            )

    def _explain(self, run: DagRun) -> str:
        """Say what failed; refused rows are no reason to stop while the good ones are published."""
        failed = [task for task in self._api.read_tasks(run) if task["state"] == "failed"]
        names = sorted({str(task["task_id"]) for task in failed})
        if names == [_CLEAN_AUDIT] and self._records.has_candles():
            return "[yellow]rows refused[/], the others are published; see its log and the audits"
        end = self._api.read_task_log(run, failed[0]) if failed else []
        where = ", ".join(names) or "no task of its own"
        raise LaunchError(
            f"{run.dag_id} failed in {where} (run {run.run_id}).",
            "Its page in Airflow shows the whole log; once repaired, `make run` goes on from here.",
            said=end,
        )
