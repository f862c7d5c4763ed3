"""Fixtures that everybody shares: real PostgreSQL, real MLflow, settings."""

import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from processes import find_free_port, running, wait_for
from ringside.adapters.schema import migrate
from ringside.settings import Settings
from ringside_embedded.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres(tmp_path_factory) -> Iterator[PostgresServer]:
    """A real PostgreSQL server on a free port."""
    folder = tmp_path_factory.mktemp("postgres")
    server = PostgresServer(folder / "data", find_free_port(), secrets.token_hex(16))
    server.make()
    with running(server.command(), folder / "log", cwd="/"):
        server.wait_ready()
        yield server


@pytest.fixture(scope="session")
def _template_database(postgres) -> str:
    """A migrated database that every test copies: faster than migrating each time."""
    postgres.make_database("template_ringside", "template")
    url = f"postgresql+psycopg://template_ringside:template@127.0.0.1:{postgres.port}"
    migrate(Settings(database_url=f"{url}/template_ringside"))
    return "template_ringside"


@pytest.fixture
def database_url(postgres, _template_database) -> Iterator[str]:
    """A fresh migrated database for one test."""
    name = f"test_{secrets.token_hex(6)}"
    owner = _template_database
    with postgres.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {owner} OWNER {owner}")
    yield f"postgresql+psycopg://{owner}:template@127.0.0.1:{postgres.port}/{name}"
    with postgres.connect() as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def settings(database_url, tmp_path) -> Settings:
    """Settings with an own database and state folder; MLflow and serving are not there."""
    return Settings(
        database_url=database_url,
        state_dir=tmp_path / "state",
        mlflow_url="http://127.0.0.1:9",
        serving_url="http://127.0.0.1:9",
    )


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory) -> Iterator[str]:
    """A real MLflow server with a database and artifacts of its own, shared by the session."""
    folder = tmp_path_factory.mktemp("mlflow")
    port = find_free_port()
    log = folder / "log"
    command = [
        str(Path(sys.executable).with_name("mlflow")), "server",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts",
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--allowed-hosts", "localhost:*,127.0.0.1:*",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with running(command, log, env=environment, cwd=folder) as process:
        wait_for(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def full_settings(settings, mlflow_url) -> Settings:
    """Settings with PostgreSQL and MLflow, and a series of the test's own in the registry."""
    symbol = f"T{secrets.token_hex(3).upper()}/USDT"
    return settings.model_copy(update={"mlflow_url": mlflow_url, "series": (symbol,)})
