"""A task that is killed, cleared or out of time takes its training container along."""

import re
from datetime import datetime, timedelta

import pytest

from containers.round_trip import PLANTED

pytestmark = pytest.mark.containers

TRAIN = "enter_challenger.train"


@pytest.fixture
def earlier(round_trip):
    """Market times at which nothing was trained yet, each day before the other."""
    day = datetime.fromisoformat(round_trip.as_of)
    return ((day - timedelta(days=n)).isoformat() for n in range(1, 9))


@pytest.fixture
def training(stack, earlier):
    """A run of the training, and its container in the middle of it."""
    run = stack.begin("train_challenger", as_of=next(earlier))
    container = stack.catch_training()
    stack.slow_down(container)
    return run, container


def wait_gone(stack, container):
    stack.wait_until(lambda: container not in stack.find_containers("training"), timeout_s=60)


def test_task_marked_as_failed_takes_its_container_along(training, stack):
    run, container = training
    url = f"/dags/train_challenger/dagRuns/{run}/taskInstances/{TRAIN}/0"

    answer = stack.api.patch(url, json={"new_state": "failed"})

    assert answer.status_code == 200, answer.text
    wait_gone(stack, container)
    state, _ = stack.wait_for_run("train_challenger", run)
    assert state == "failed"
    assert stack.find_containers("training") == []


def test_cleared_task_stops_its_container_and_begins_anew(training, stack):
    run, container = training
    wish = {"dry_run": False, "dag_run_id": run, "task_ids": [TRAIN], "only_failed": False}

    answer = stack.api.post("/dags/train_challenger/clearTaskInstances", json=wish)

    assert answer.status_code == 200, answer.text
    wait_gone(stack, container)
    state, _ = stack.wait_for_run("train_challenger", run)
    assert state == "success"
    assert stack.find_containers("training") == []


def test_task_out_of_time_takes_its_container_along(stack, earlier):
    run = stack.begin("outlast_its_limit", symbol=PLANTED, as_of=next(earlier))
    container = stack.catch_training()
    stack.slow_down(container)

    state, _ = stack.wait_for_run("outlast_its_limit", run)

    assert state == "failed"
    assert stack.find_containers("training") == []
    log = stack.read_log("outlast_its_limit", "train")
    assert "created container=" in log
    assert re.search("[Tt]imeout", log)
