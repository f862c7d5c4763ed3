import os
import socket
import subprocess
import sys

import pytest
from sqlalchemy import text

from ringside.adapters.database import make_engine, transaction
from ringside.errors import SettingsError, StoreUnavailableError
from ringside.settings import Settings

pytestmark = pytest.mark.integration


def test_a_database_that_does_not_answer_is_named_without_its_password():
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        url = f"postgresql+psycopg://someone:hunter2@127.0.0.1:{port}/candles"
        with (
            pytest.raises(StoreUnavailableError) as caught,
            transaction(make_engine(Settings(database_url=url))),
        ):
            pytest.fail("there is nothing to connect to")
    assert f"127.0.0.1:{port}/candles" in str(caught.value)
    assert "hunter2" not in f"{caught.value} {caught.value.facts}"


@pytest.mark.parametrize("url", ["no url at all", "postgresql+psycopg2://a:b@127.0.0.1/c"])
def test_a_url_of_something_else_is_a_settings_error(url):
    with pytest.raises(SettingsError, match="RINGSIDE_DATABASE_URL"):
        make_engine(Settings(database_url=url))


def test_times_come_back_in_utc(settings):
    with transaction(make_engine(settings)) as connection:
        assert connection.execute(text("SELECT now()")).scalar_one().utcoffset().seconds == 0


def test_a_job_leaves_no_connection_open(settings):
    engine = make_engine(settings)
    with transaction(engine) as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with transaction(engine) as connection:
        others = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
        assert connection.execute(others, {"pid": pid}).scalar_one() == 0


def test_a_pooled_engine_survives_a_restart_of_the_server(settings):
    engine = make_engine(settings, pool_size=1)
    with transaction(engine) as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with transaction(make_engine(settings)) as other:
        other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    with transaction(engine) as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()


def test_importing_the_engine_loads_no_heavy_library():
    code = "import sys, ringside.adapters.database; print(sorted(set(sys.modules) & {%s}))"
    heavy = "'pandas', 'numpy', 'alembic', 'great_expectations'"
    command = [sys.executable, "-c", code % heavy]
    environment = {**os.environ, "PYTHONPATH": "include"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"
