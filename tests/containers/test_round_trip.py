"""The platform's promise in containers: from nothing to a promoted champion, no caller failed.

`--celery` runs the same with tasks in two Celery workers, `--s3` with artefacts in a bucket.
"""

import json

import httpx
import pytest

from containers.round_trip import BEATEN, BEST
from ringside_containers.archive import open_archive
from s3_process import list_keys

pytestmark = pytest.mark.containers


def test_history_is_ingested_audited_and_published(round_trip, stack):
    state, tasks = round_trip.states["ingest_candles"]

    assert (state, set(tasks.values())) == ("success", {"success"})
    assert stack.query("SELECT count(*) FROM candles")[0][0] >= 125 * 24


def test_training_runs_in_a_container_that_is_gone_afterwards(round_trip):
    assert round_trip.states["train_challenger"][0] == "success"
    assert len(round_trip.trainings) == 3  # train, examine and record
    assert round_trip.left_over == []
    assert round_trip.first_champions == BEATEN


def test_better_challenger_reaches_callers_without_a_failed_request(round_trip):
    state, tasks = round_trip.states["decide_title"]
    traffic = round_trip.traffic

    assert (state, tasks["promote_challenger"], tasks["record_title"]) == ("success",) * 3
    assert traffic.failures == []
    assert len(traffic.versions) > 100
    assert traffic.versions[0] != traffic.versions[-1]
    assert round_trip.champions == BEST


def test_task_log_shows_what_the_training_said(round_trip):
    said = ("created container=", "training symbol=PLANTED/USDT", "trained symbol=PLANTED/USDT")

    assert [words for words in said if words not in round_trip.training_log] == []


LIST = "import os; print(sum(len(files) for _, _, files in os.walk('/var/lib/mlflow')))"


def test_artefacts_are_in_the_volume_or_in_the_bucket_and_in_a_backup(
    round_trip, stack, store, tmp_path
):
    versions = len(round_trip.after["versions"])
    stack.run("make", "backup", f"TO={tmp_path / 'after.tar'}")

    kept = open_archive(tmp_path / "after.tar", tmp_path).parts["artefacts"].files
    manifests = sum(name.endswith("/manifest.json") for name in kept)
    assert manifests >= versions > 0
    assert store or manifests == versions  # in a bucket, a restore removes nothing
    in_volume = int(stack.run_python("mlflow", LIST))
    in_bucket = len(list_keys(store)) if store else 0
    assert (in_volume, in_bucket) == ((0, len(kept)) if store else (len(kept), 0))


RELOAD = """
from ringside.adapters.serving import make_reloader
from ringside.settings import Settings
make_reloader(Settings()).reload()
"""


def read_generation(port):
    answer = httpx.get(f"http://127.0.0.1:{port}/v1/model", timeout=20).json()
    return {worker["generation"] for worker in answer["workers"]}


def test_second_serving_replica_is_signalled_too(round_trip, stack):
    first = stack.ports["serving"]
    stack.environment["RINGSIDE_SERVING_PORT"] = f"{first}-{first + 3}"
    stack.compose("up", "--detach", "--wait", "--no-build", "--scale", "serving=2")
    try:
        inspected = json.loads(stack.run("docker", "inspect", *stack.find_containers("serving")))
        ports = [int(c["NetworkSettings"]["Ports"]["8000/tcp"][0]["HostPort"]) for c in inspected]
        before = [read_generation(port) for port in ports]

        stack.run_python("airflow-scheduler", RELOAD)

        assert len(ports) == 2
        assert before == [{1}, {1}]
        stack.wait_until(lambda: [read_generation(p) for p in ports] == [{2}, {2}], timeout_s=30)
    finally:
        stack.environment["RINGSIDE_SERVING_PORT"] = str(first)
        stack.compose("up", "--detach", "--wait", "--no-build")


def test_every_worker_takes_tasks(round_trip, stack):
    runs = stack.query("SELECT DISTINCT hostname FROM task_instance", database="airflow")

    assert len({name for (name,) in runs if name}) == (2 if stack.has_workers else 1)
