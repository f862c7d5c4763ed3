import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from builders import START
from containers.round_trip import TRACES, write_trace
from ringside.adapters.database import make_engine, transaction
from ringside.adapters.schema import migrate
from ringside.adapters.tables import forecasts, metadata
from ringside.settings import Settings

pytestmark = pytest.mark.integration
REPO = Path(__file__).parents[2]


@pytest.fixture
def empty(postgres):
    """Settings of a database without any table."""
    postgres.make_database("empty", "empty")
    url = f"postgresql+psycopg://empty:empty@127.0.0.1:{postgres.port}/empty"
    yield Settings(database_url=url)
    with postgres.connect() as connection:
        connection.execute("DROP DATABASE empty WITH (FORCE)")


def test_the_migrations_make_exactly_the_tables_of_the_code(settings):
    with transaction(make_engine(settings)) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrating_again_changes_nothing(settings):
    assert migrate(settings) == migrate(settings)


def test_several_may_migrate_an_empty_database_at_once(empty):
    with ThreadPoolExecutor(4) as pool:
        revisions = list(pool.map(migrate, [empty] * 4))
    assert len(set(revisions)) == 1


def test_the_built_wheel_migrates_from_anywhere(empty, tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=REPO, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    code = (
        "from ringside.adapters.database import read_query\n"
        "from ringside.adapters.schema import migrate\n"
        "from ringside.settings import Settings\n"
        "read_query('find_missing_hours')\n"
        "print(migrate(Settings()))\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path / "installed"),
        "RINGSIDE_DATABASE_URL": empty.database_url.get_secret_value(),
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, migrate(empty)), done.stderr


@pytest.mark.parametrize(
    "change",
    ["UPDATE forecasts SET q50 = 0", "DELETE FROM forecasts", "TRUNCATE forecasts CASCADE"],
)
def test_forecasts_are_append_only(settings, change):
    numbers = dict.fromkeys(("anchor_close", "sigma", "q05", "q25", "q50", "q75", "q95"), 1.0)
    row = {
        "symbol": "BTC/USDT", "horizon": 1, "contestant": "persistence", "model_version": 1,
        "as_of": START, "target_time": START, "issued_at": START, "kind": "live",
        "prev_hash": "", "row_hash": "", "hash_form": 2, **numbers,
    }  # fmt: skip
    engine = make_engine(settings)
    with transaction(engine) as connection:
        connection.execute(insert(forecasts).values(row))
    with pytest.raises(IntegrityError, match="append-only"), transaction(engine) as connection:
        connection.execute(text(change))
    with transaction(engine) as connection:
        assert connection.execute(select(forecasts.c.q50)).scalar_one() == 1.0


@pytest.mark.parametrize("table", TRACES)
def test_what_the_container_tests_compare_is_in_the_tables(settings, table):
    statement = write_trace(TRACES[table], START.isoformat())
    with make_engine(settings).connect() as connection:
        assert connection.execute(text(statement)).one().rows == 0
