"""The Compose file: every setting reaches the parts, and Airflow is set as `make run` sets it."""

import re
from pathlib import Path

import pytest
import yaml

import ringside
from ringside.settings import Settings
from ringside_containers.__main__ import read_ports
from ringside_containers.preflight import NotReadyError, is_free, parse_version, require_room
from ringside_embedded import programs

ROOT = Path(__file__).parents[2]
# The secrets come as files in /run/secrets.
SECRET = {
    "RINGSIDE_DATABASE_URL",
    "RINGSIDE_RELOAD_TOKEN",
    "RINGSIDE_TRAINING_DATABASE_URL",
}
# Addresses, folders and accounts differ where each part has a container of its own.
PLACED = {
    "CORE__DAGS_FOLDER", "CORE__PLUGINS_FOLDER", "CORE__EXECUTION_API_SERVER_URL",
    "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", "CORE__SIMPLE_AUTH_MANAGER_USERS", "API__HOST",
    "API__PORT", "API__BASE_URL", "LOGGING__BASE_LOG_FOLDER", "CORE__FERNET_KEY",
    "DATABASE__SQL_ALCHEMY_CONN", "API__SECRET_KEY", "API_AUTH__JWT_SECRET",
}  # fmt: skip


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yaml").read_text())


def test_every_setting_reaches_tasks_and_serving(compose):
    settings = {f"RINGSIDE_{name.upper()}" for name in Settings.model_fields} - SECRET

    for service in ("airflow-scheduler", "serving"):
        environment = compose["services"][service]["environment"]
        assert settings - set(environment) == set()


def test_airflow_is_set_as_make_run_sets_it(compose):
    source = Path(programs.__file__).read_text()
    embedded = dict(re.findall(r'"([A-Z_]+__[A-Z_]+)": "([^"]+)"', source))
    environment = compose["services"]["airflow-scheduler"]["environment"]
    composed = {
        name.removeprefix("AIRFLOW__").removesuffix("_CMD"): value
        for name, value in environment.items()
        if name.startswith("AIRFLOW__")
    }

    assert {k: composed.get(k) for k in embedded if k not in PLACED} == {
        k: v for k, v in embedded.items() if k not in PLACED
    }
    assert composed.keys() >= PLACED


def test_images_carry_the_version_of_the_package(compose):
    images = {service["image"] for service in compose["services"].values()}

    assert {image.split(":")[1] for image in images} == {ringside.__version__}


def test_every_service_is_bounded_and_no_image_is_pulled(compose):
    services = compose["services"]
    built = {service["image"] for service in services.values() if "build" in service}

    for name, service in services.items():
        assert service["mem_limit"], name
        assert service["cpus"], name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["image"] in built, name
        assert "healthcheck" in service or service["restart"] == "no", name


def test_one_setting_moves_the_artefacts_and_the_key_stays_in_a_file(compose):
    mlflow, bucket = compose["services"]["mlflow"], compose["services"]["bucket"]

    assert mlflow["environment"] == bucket["environment"]
    chosen = mlflow["environment"]["MLFLOW_ARTIFACTS_DESTINATION"]
    assert chosen == "${RINGSIDE_ARTIFACTS:-/var/lib/mlflow}"
    assert not [name for name in mlflow["environment"] if "SECRET" in name or "ACCESS_KEY" in name]
    assert bucket["profiles"] == ["s3"]
    assert mlflow["depends_on"]["bucket"]["required"] is False
    assert set(bucket["volumes"]) <= set(mlflow["volumes"])


def test_dockets_outlive_containers_and_every_part_of_airflow_sees_them(compose):
    parts = [name for name in compose["services"] if name.startswith("airflow-")]

    assert len(parts) == 4
    for name in parts:
        service = compose["services"][name]
        assert service["environment"]["RINGSIDE_STATE_DIR"] == "/var/lib/ringside", name
        assert "ringside-state:/var/lib/ringside" in service["volumes"], name
        assert "/var/lib/ringside" not in service["tmpfs"], name
    assert "ringside-state" in compose["volumes"]


def test_a_reload_is_no_wish_to_stop(compose):
    lasting = [s for s in compose["services"].values() if "healthcheck" in s]

    assert {service["restart"] for service in lasting} == {"always"}
    assert compose["services"]["serving"]["stop_signal"] == "SIGTERM"


def test_env_example_names_every_variable_of_the_compose_file():
    used, example = (ROOT / "docker-compose.yaml").read_text(), (ROOT / ".env.example").read_text()
    named = set(re.findall(r"\$\{(\w+)", used))
    documented = set(re.findall(r"^#? ?(\w+)=", example, re.MULTILINE))

    assert named - documented == set()


def test_ports_of_make_become_variables_of_compose():
    assert read_ports("airflow=8081, serving=8001") == {
        "RINGSIDE_AIRFLOW_PORT": "8081",
        "RINGSIDE_SERVING_PORT": "8001",
    }


@pytest.mark.parametrize("text", ["airflw=8081", "airflow", "serving=http"])
def test_a_port_that_is_misspelt_is_named(text):
    with pytest.raises(NotReadyError, match=text.partition("=")[0]):
        read_ports(f"mlflow=5001,{text}")


@pytest.mark.parametrize(("memory", "cpus"), [(4 * 2**30, 8), (16 * 2**30, 1)])
def test_too_little_room_is_named(memory, cpus):
    with pytest.raises(NotReadyError, match="needs 6 GiB and 2"):
        require_room(memory, cpus)
    require_room(6 * 2**30, 2)


def test_versions_are_compared_as_numbers():
    assert parse_version("2.26.1-4") == (2, 26) > parse_version("2.9.0")
    assert parse_version("1.41") < parse_version("1.100")


@pytest.mark.enable_socket
def test_taken_port_is_seen():
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)
