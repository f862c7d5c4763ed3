"""The overlays of the Compose file change what they are for, and nothing of the house rules."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def read(name):
    return yaml.safe_load((ROOT / name).read_text())["services"]


@pytest.mark.parametrize(
    "service",
    ["airflow-init", "airflow-api-server", "airflow-dag-processor", "airflow-scheduler"],
)
def test_every_part_of_airflow_knows_the_same_executor(service):
    services = read("docker-compose.celery.yaml")
    told = services[service]["environment"]
    assert told["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert told == services["airflow-worker"]["environment"]


def test_workers_are_what_the_scheduler_is_and_redis_is_bounded_and_shut_in():
    composed = yaml.safe_load((ROOT / "docker-compose.celery.yaml").read_text())
    worker, redis = composed["services"]["airflow-worker"], composed["services"]["redis"]
    assert worker["extends"] == {"file": "docker-compose.yaml", "service": "airflow-scheduler"}
    assert redis["networks"] == ["broker"]
    assert "broker" in worker["networks"]  # `extends` takes the networks of the base file only
    assert "broker" in composed["services"]["airflow-scheduler"]["networks"]
    assert composed["networks"]["broker"] == {"internal": True}
    assert "ports" not in redis
    assert redis["cap_drop"] == ["ALL"]
    assert redis["read_only"]
    assert {"mem_limit", "cpus", "build", "pids_limit"} <= redis.keys()
