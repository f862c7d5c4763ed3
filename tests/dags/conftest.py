"""A throw-away Airflow home for parsing: no scheduler, no database, nothing runs."""

import os
import re
import tempfile
import time
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]

# Airflow reads its home when it is first imported, which any test module here may do.
_home = tempfile.TemporaryDirectory(prefix="ringside-airflow-")
os.environ |= {
    "AIRFLOW_HOME": _home.name,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(REPO / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPO / "plugins"),
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
}


@pytest.fixture(scope="session")
def dag_bag():
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(REPO / "dags")


@pytest.fixture
def database_connection(monkeypatch):
    """Airflow's connection to a database that nobody has to run; its password is `s3cret`."""
    url = "postgres://ringside:s3cret@127.0.0.1:9/ringside"
    monkeypatch.setenv("AIRFLOW_CONN_RINGSIDE_DB", url)
    return url


class Instance:
    """A task instance that only carries XComs, by task and key."""

    def __init__(self, xcoms=None):
        self.xcoms = xcoms or {}

    def xcom_push(self, key, value):
        self.xcoms[key] = value

    def xcom_pull(self, task_ids, key):
        return self.xcoms.get(key)


@pytest.fixture
def instance():
    return Instance()


@pytest.fixture
def no_chosen_settings(monkeypatch):
    for name in [name for name in os.environ if name.startswith("RINGSIDE_")]:
        monkeypatch.delenv(name)


class TaskLog:
    """Reads the task's log, which Airflow prints here, while it grows."""

    def __init__(self, capfd):
        self._capfd = capfd
        self._text = ""

    def read(self):
        self._text += self._capfd.readouterr().out
        return self._text

    def wait_for(self, pattern, timeout_s=20):
        deadline = time.monotonic() + timeout_s
        while not (found := re.search(pattern, self.read())):
            assert time.monotonic() < deadline, f"{pattern!r} did not come, only {self._text}"
            time.sleep(0.02)
        return found


@pytest.fixture
def task_log(capfd):
    return TaskLog(capfd)
