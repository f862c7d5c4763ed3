"""Real processes under a real supervisord: they come back, and what was killed leaves nothing."""

import os
import signal
import socket
import sys
import threading
import time
from contextlib import closing

import psutil
import psycopg
import pytest

from processes import find_free_port
from ringside_embedded import handover, supervision
from ringside_embedded.choices import Choices
from ringside_embedded.credentials import read_or_make
from ringside_embedded.databases import make_databases
from ringside_embedded.environments import ROOT, environments_dir
from ringside_embedded.failures import LaunchError
from ringside_embedded.health import make_probes, wait_healthy
from ringside_embedded.layout import Layout
from ringside_embedded.ports import is_free, require_free
from ringside_embedded.programs import Platform, Program, list_programs
from ringside_embedded.supervisor_config import render_files

pytestmark = pytest.mark.integration

# A parent whose child holds the port and outlives it, as MLflow's server does.
FAMILY = """
import subprocess, sys, time
child = "import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child]).wait()
"""


@pytest.fixture
def platform(tmp_path):
    layout = Layout(ROOT, tmp_path / "state", environments_dir())
    layout.make_folders()
    ports = {name: find_free_port() for name in ("airflow", "mlflow", "serving", "postgres")}
    return Platform(layout, Choices(ports, {}, {}), read_or_make(layout.secrets_file)[0])


@pytest.fixture
def files(platform):
    """PostgreSQL, and a family in MLflow's place."""
    database = list_programs(platform)[0]
    words = [sys.executable, "-c", FAMILY.format(port=platform.choices.ports["mlflow"])]
    return render_files(platform.layout, [database, Program("mlflow", words)])


@pytest.fixture
def keeper(platform, files):
    platform.postgres.make()
    keeper = supervision.Supervision(platform.layout)
    try:
        keeper.ensure(files)
        keeper.start("postgres")
        keeper.start("mlflow")
        wait_well(keeper, platform)
        yield keeper
    finally:
        keeper.shut_down()
        keeper.end_leftovers()


def wait_well(keeper, platform):
    """Wait until the database answers and the family's child listens."""
    probes = {
        "postgres": make_probes(platform)["postgres"],
        "mlflow": lambda: not is_free(platform.choices.ports["mlflow"]),
    }
    for name, probe in probes.items():
        wait_healthy(keeper, name, probe, timeout_s=30, stop=threading.Event())


def wait_other_pid(keeper, name, pid):
    deadline = time.monotonic() + 20
    while (now := keeper.read_state(name)).pid in (0, pid):
        assert time.monotonic() < deadline, now
        time.sleep(0.1)


def count_rows(platform):
    with closing(platform.postgres.connect("ringside")) as connection:
        return connection.execute("SELECT count(*) FROM kept").fetchone()[0]


def test_a_killed_database_comes_back_with_its_rows(keeper, platform):
    make_databases(platform)
    with closing(platform.postgres.connect("ringside")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    pid = keeper.read_state("postgres").pid
    os.kill(pid, signal.SIGKILL)
    wait_other_pid(keeper, "postgres", pid)
    wait_well(keeper, platform)
    assert count_rows(platform) == 1


def test_each_role_reaches_its_own_database_only(keeper, platform):
    make_databases(platform)
    make_databases(platform)
    address = {"host": "127.0.0.1", "port": platform.postgres.port, "user": "mlflow"}
    password = platform.database_passwords["mlflow"]
    psycopg.connect(**address, password=password, dbname="mlflow").close()
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(**address, password=password, dbname="ringside")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**address, password="guessed", dbname="mlflow")


def test_a_killed_parent_leaves_no_child_behind(keeper, platform):
    pid = keeper.read_state("mlflow").pid
    (child,) = psutil.Process(pid).children()
    os.kill(pid, signal.SIGKILL)
    assert psutil.wait_procs([child], timeout=15)[1] == []
    wait_other_pid(keeper, "mlflow", pid)
    wait_well(keeper, platform)


def test_after_a_killed_supervisor_the_next_run_ends_the_rest_and_starts_anew(
    keeper, platform, files
):
    old = int(platform.layout.supervisor_pid_file.read_text())
    left = list(handover.find_members(old))
    os.kill(old, signal.SIGKILL)
    psutil.wait_procs([p for p in left if p.pid == old], timeout=5)
    assert not keeper.is_alive()
    assert len(keeper.find_leftovers()) == len(left) - 1 >= 3

    assert keeper.settle(files) == set()
    assert keeper.find_leftovers() == []
    assert is_free(platform.choices.ports["postgres"])
    assert keeper.ensure(files) is False
    keeper.start("postgres")
    keeper.start("mlflow")
    wait_well(keeper, platform)


def test_a_running_platform_is_kept_for_the_same_files_and_stopped_for_others(
    keeper, platform, files
):
    assert keeper.settle(files) == {"postgres", "mlflow"}
    assert keeper.ensure(files) is True
    assert keeper.start("postgres") is True
    others = render_files(platform.layout, list_programs(platform))
    assert keeper.settle(others) == set()
    assert not keeper.is_alive()
    assert is_free(platform.choices.ports["mlflow"])


def test_a_program_that_cannot_start_is_reported_with_its_log(platform):
    words = [sys.executable, "-c", "raise SystemExit('the reason why')"]
    keeper = supervision.Supervision(platform.layout)
    keeper.ensure(render_files(platform.layout, [Program("mlflow", words)]))
    try:
        keeper.start("mlflow")
        with pytest.raises(LaunchError) as caught:
            wait_healthy(keeper, "mlflow", lambda: False, timeout_s=2, stop=threading.Event())
        assert "the reason why" in caught.value.log_end()[-1]
    finally:
        keeper.shut_down()


def test_a_taken_port_is_named_with_its_taker_and_a_free_one_offered(monkeypatch):
    monkeypatch.setenv("RINGSIDE_STATE_DIR", "my state")
    monkeypatch.delenv("RINGSIDE_SERIES", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LaunchError) as caught:
            require_free({"mlflow": port, "serving": 1}, {"mlflow"})
    assert f"Port {port} (mlflow) is taken by" in caught.value.what
    assert f"(process {os.getpid()})" in caught.value.what
    offered = int(caught.value.advice.partition("mlflow=")[2].partition(",")[0])
    assert offered > port
    assert is_free(offered)
    assert "make run STATE='my state' PORTS=" in caught.value.advice
