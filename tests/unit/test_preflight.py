"""What does not hold is named before anything starts; a script stands in for the docker client."""

import json
import os
import shutil
from pathlib import Path

import pytest

from ringside_containers import preflight
from ringside_containers.preflight import NotReadyError

CONFIG = {
    "name": "ring",
    "services": {
        "serving": {"build": {"args": {"BASE_IMAGE": "python:x"}}},
        "airflow-scheduler": {"environment": {}, "volumes": []},
    },
}
WELL = {
    "version": "1.41", "compose version": "2.26.1-4", "info": f"{8 * 2**30} 4",
    "image inspect": "[]", "ps": "", "compose config": json.dumps(CONFIG),
}  # fmt: skip


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """A docker client that answers as told; an answer that is None is a failure."""

    def answer(**changes):
        cases = ""
        for words, said in (WELL | {k.replace("_", " "): v for k, v in changes.items()}).items():
            says = "echo 'it is broken' >&2; exit 1" if said is None else f"echo '{said}'"
            cases += f'"{words} "*) {says} ;;\n'
        script = f'#!/bin/sh\ncase "$* " in\n{cases}*) exit 1 ;;\nesac\n'
        client = tmp_path / "docker"
        client.write_text(script)
        client.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{Path(shutil.which('sh')).parent}")
    answer()
    return answer


def test_a_machine_that_is_well_passes(engine):
    preflight.require_engine()
    preflight.require_base_image(preflight.read_config())
    preflight.require_source(CONFIG)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"version": None}, "No Docker engine answers: it is broken"),
        ({"version": "1.40"}, "too old"),
        ({"compose_version": None}, "Compose is missing"),
        ({"compose_version": "2.19.9"}, "Compose is 2.19.9; 2.20"),
        ({"info": f"{2**30} 4"}, "1.0 GiB"),
    ],
)
def test_engine_that_will_not_do_is_named(engine, changes, named):
    engine(**changes)

    with pytest.raises(NotReadyError, match=named):
        preflight.require_engine()


def test_missing_client_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NotReadyError, match="no `docker`"):
        preflight.require_engine()


def test_base_image_that_is_nowhere_is_named_with_a_way_out(engine):
    engine(image_inspect=None, pull=None)

    with pytest.raises(
        NotReadyError, match=r"python:x .* cannot be pulled: it is broken\n.*stand-in"
    ):
        preflight.require_base_image(CONFIG)


def test_wrong_variable_is_shown_in_compose_own_words(engine):
    engine(compose_config=None)

    with pytest.raises(NotReadyError, match="it is broken"):
        preflight.read_config()


@pytest.mark.parametrize(
    "mount", [{"type": "volume"}, {"type": "bind", "source": "/nowhere/at/all"}]
)
def test_source_file_needs_its_folder(mount):
    scheduler = {
        "environment": {"RINGSIDE_SOURCE": "file"},
        "volumes": [{"target": "/data", **mount}],
    }

    with pytest.raises(NotReadyError, match=r"DATA"):
        preflight.require_source({"services": {"airflow-scheduler": scheduler}})


@pytest.mark.enable_socket
def test_taken_port_is_named_unless_this_platform_holds_it(engine):
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        config = CONFIG | {"services": {"airflow-api-server": {"ports": [{"published": port}]}}}

        with pytest.raises(NotReadyError, match=f"Port {port} .*PORTS=airflow="):
            preflight.require_free_ports(config)
        engine(ps=f"127.0.0.1:{port}->8080/tcp")
        preflight.require_free_ports(config)
