"""Fixtures that everybody shares: real PostgreSQL, real MLflow, settings."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from hypothesis import settings as hypothesis_settings

from mlflow_process import mlflow_server
from processes import find_free_port, running
from ringside.adapters.schema import migrate
from ringside.settings import Settings
from ringside_embedded.postgres import PostgresServer

# Doctests are looked for in every module, and two of this name cannot be imported as one.
collect_ignore_glob = ["*conftest.py"]

# A busy machine is no failure.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")


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


@pytest.fixture(scope="session")
def copy_database(postgres, _template_database) -> Callable[..., AbstractContextManager[str]]:
    """A way to copy a database for the length of a block: a migrated one, or that of a URL."""
    owner = _template_database

    @contextmanager
    def copy(url: str = owner) -> Iterator[str]:
        name, template = f"test_{secrets.token_hex(6)}", url.rpartition("/")[2]
        with postgres.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {owner}")
        yield f"postgresql+psycopg://{owner}:template@127.0.0.1:{postgres.port}/{name}"
        with postgres.connect() as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    return copy


@pytest.fixture
def database_url(copy_database) -> Iterator[str]:
    """A fresh migrated database for one test."""
    with copy_database() as url:
        yield url


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
    with mlflow_server(folder, str(folder / "artifacts")) as url:
        yield url


@pytest.fixture
def full_settings(settings, mlflow_url) -> Settings:
    """Settings with PostgreSQL and MLflow, and a series of the test's own in the registry."""
    symbol = f"T{secrets.token_hex(3).upper()}/USDT"
    return settings.model_copy(update={"mlflow_url": mlflow_url, "series": (symbol,)})
