"""Backup and restore on a real engine: what was there comes back, a bad archive changes nothing.

A project of its own with PostgreSQL alone running; the images are those of the platform.
"""

import io
import os
import subprocess
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ringside_containers import backup
from ringside_containers.archive import ArchiveError

pytestmark = pytest.mark.containers

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REPO = Path(__file__).parents[2]
PROJECT = "ringside-backup-test"


@pytest.fixture(scope="module")
def stack():
    """PostgreSQL with a table, an artefact and a docket; all of it goes again."""
    compose = ("docker", "compose", "--project-directory", str(REPO), "-p", PROJECT)
    made = backup.Stack(compose)
    os.environ["COMPOSE_PROJECT_NAME"] = PROJECT
    try:
        backup.start(made, "postgres")
        yield made
    finally:
        subprocess.run([*compose, "down", "--volumes", "--timeout", "5"], check=False)
        del os.environ["COMPOSE_PROJECT_NAME"]


def ask(stack, text, database="ringside"):
    command = stack.in_postgres([*backup._PSQL, "-At", "-d", database, "-c", text])
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def in_service(stack, service, script):
    command = stack.in_service(service, ["sh", "-c", script])
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def in_mlflow(stack, script):
    return in_service(stack, "mlflow", script)


def in_airflow(stack, script):
    return in_service(stack, "airflow-api-server", f"cd /var/lib/ringside && {script}")


@pytest.fixture
def filled(stack):
    ask(
        stack,
        "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT generate_series(1, 5000) AS n;"
        "ALTER TABLE kept OWNER TO ringside; GRANT SELECT ON kept TO ringside_serving",
    )
    in_mlflow(stack, "cd /var/lib/mlflow && rm -rf * && mkdir -p 1/m && echo trees > 1/m/a.ubj")
    in_airflow(
        stack, "rm -rf dockets && mkdir dockets && cd dockets && echo bet > a && chmod 444 a"
    )
    return stack


def spoil(stack):
    ask(stack, "DELETE FROM kept WHERE n > 10; CREATE TABLE later (n int)")
    in_mlflow(stack, "cd /var/lib/mlflow && echo weeds > 1/m/a.ubj && echo x > later")
    in_airflow(stack, "rm -f dockets/a && echo lie > dockets/a && echo x > dockets/later")


def test_what_was_there_comes_back_with_owners_and_rights(filled, tmp_path):
    made = backup.back_up(filled, tmp_path / "a.tar", now=NOW)
    assert made.parts["ringside"].tables["public.kept"].rows == 5000
    assert "dockets/a" in made.parts["state"].files
    assert "1 of them dockets" in made.count()
    spoil(filled)
    assert backup.restore(filled, tmp_path / "a.tar", tell=lambda text: None) == made
    assert ask(filled, "SELECT count(*), sum(n) FROM kept") == "5000|12502500"
    assert ask(filled, "SELECT to_regclass('later') IS NULL") == "t"
    owner = "SELECT tableowner, has_table_privilege('ringside_serving', 'kept', 'SELECT')"
    assert ask(filled, f"{owner} FROM pg_tables WHERE tablename = 'kept'") == "ringside|t"
    assert (
        ask(filled, "SELECT has_database_privilege('ringside_serving', 'ringside', 'CONNECT')")
        == "t"
    )
    assert ask(filled, "SELECT has_database_privilege('mlflow', 'ringside', 'CONNECT')") == "f"
    assert in_mlflow(filled, "cd /var/lib/mlflow && cat 1/m/a.ubj && find . -type f") == (
        "trees\n./1/m/a.ubj"
    )
    assert in_airflow(filled, "cat dockets/a && find dockets -type f -perm 444") == (
        "bet\ndockets/a"
    )
    names = ask(filled, "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1")
    assert names.split() == ["airflow", "mlflow", "postgres", "ringside"]


def test_an_archive_that_was_altered_changes_nothing(filled, tmp_path):
    backup.back_up(filled, tmp_path / "a.tar", now=NOW)
    content = bytearray((tmp_path / "a.tar").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(content)) as bundle:
        at = bundle.getmember("ringside.sql.gz")
    content[at.offset_data + at.size // 2] ^= 0xFF
    (tmp_path / "a.tar").write_bytes(content)
    spoil(filled)
    with pytest.raises(ArchiveError, match=r"ringside\.sql\.gz"):
        backup.restore(filled, tmp_path / "a.tar", tell=lambda text: None)
    assert ask(filled, "SELECT count(*) FROM kept") == "10"
    ask(filled, "DROP TABLE later")
