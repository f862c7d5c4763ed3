"""Killed in the middle, and afterwards the same as without: tables, aliases, champion.

The platform is put back, while it runs, to before its first training; then the same training and
decision are taken again, with the engine, the tasks' container, PostgreSQL and serving taken away
in the middle of them.
"""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from containers.round_trip import BEATEN, BEST, take_snapshot, wait_champions
from processes import REPO

pytestmark = pytest.mark.containers

ENGINE = REPO / "tests" / "containers" / "engine.sh"
SERVICES = {
    "airflow-api-server", "airflow-dag-processor", "airflow-scheduler", "mlflow", "postgres",
    "serving", "socket-filter",
}  # fmt: skip


def find_engine() -> int:
    """The process id of the engine that engine.sh has started; 0 where it has not."""
    home = Path(os.environ.get("RINGSIDE_ENGINE_DIR", "/var/lib/ringside-engine"))
    file = home / "dockerd.pid"
    pid = int(file.read_text()) if file.exists() else 0
    return pid if pid and Path(f"/proc/{pid}").exists() else 0


@pytest.fixture(scope="module")
def restored(round_trip, stack):
    """The platform as it was before its first training, put back while everything runs."""
    stack.run("make", "restore", f"FROM={round_trip.archive}", "YES=1")
    stack.log_out()
    return take_snapshot(stack, round_trip.as_of)


def test_backup_is_put_back_while_everything_runs(restored, round_trip, stack):
    assert round_trip.before != round_trip.after
    assert restored == round_trip.before
    stack.wait_healthy(SERVICES, timeout_s=60)


@pytest.fixture(scope="module")
def trained(restored, round_trip, stack):
    """The end of a training in whose first half the engine, in whose second Airflow was killed."""
    run = stack.begin("train_challenger", as_of=round_trip.as_of)

    container = stack.catch_training()
    stack.wait_until(lambda: count_versions(stack) > 0, timeout_s=90)
    stack.slow_down(container)
    lose_engine(stack)
    assert 0 < count_versions(stack) < len(round_trip.after["versions"])

    again = stack.catch_training(but=(container,), timeout_s=240)
    stack.run("docker", "update", "--cpus", "1", again)
    record = stack.catch_training(but=(container, again), timeout_s=180)
    stack.slow_down(record)
    stack.crash("airflow-worker" if stack.has_workers else "airflow-scheduler")
    return stack.wait_for_run("train_challenger", run, timeout_s=420)


def count_versions(stack):
    return stack.query("SELECT count(*) FROM model_versions", database="mlflow")[0][0]


def lose_engine(stack):
    """Kill the engine outright, start it again, and do nothing else.

    An engine that is the user's own may run what is not ours; there, all our parts die at once.
    """
    if pid := find_engine():
        os.kill(pid, signal.SIGKILL)
        subprocess.run([ENGINE], cwd=REPO, check=True, timeout=120, capture_output=True)
    else:
        for service in SERVICES:
            stack.crash(service)
    stack.log_out()
    stack.wait_healthy(SERVICES | ({"airflow-worker", "redis"} if stack.has_workers else set()))


def test_training_outlives_the_engine_and_the_scheduler(trained, stack):
    assert trained[0] == "success"
    assert stack.find_containers("training") == []
    wait_champions(stack, BEATEN)


def test_decision_outlives_the_database_and_the_service(trained, round_trip, stack):
    run = stack.begin("decide_title", as_of=round_trip.as_of)
    stack.crash("postgres")
    stack.crash("serving")

    state, _ = stack.wait_for_run("decide_title", run)

    assert state == "success"
    wait_champions(stack, BEST)
    assert take_snapshot(stack, round_trip.as_of) == round_trip.after
    stack.wait_healthy(SERVICES)
    stack.run_python("airflow-scheduler", VERIFY)


VERIFY = """
from ringside.cli import verify_ledger
verify_ledger()
"""
