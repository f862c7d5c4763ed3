"""Databases, roles and tables: what has to be there before the parts that use it start."""

import json
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version

import psycopg

from ringside.adapters import schema
from ringside.errors import RingsideError
from ringside.jobs import clock
from ringside_embedded.credentials import write_private
from ringside_embedded.data_source import make_settings
from ringside_embedded.failures import LaunchError
from ringside_embedded.programs import Platform, make_base_environment


def make_databases(platform: Platform) -> str:
    """Make the three databases with a role each, or bring their passwords to the secrets'."""
    try:
        for name, password in platform.database_passwords.items():
            platform.postgres.make_database(name, password)
    except psycopg.Error as error:
        raise LaunchError(
            f"The databases could not be made: {str(error).strip()}.",
            "If the file of secrets is not the one this data was made with, put that one back.",
            platform.layout.log_of("postgres"),
        ) from error
    return ", ".join(platform.database_passwords)


def migrate_airflow(platform: Platform) -> str:
    """Bring Airflow's tables to its version; seconds of start-up are saved where they are there.

    Raises:
        LaunchError: `airflow db migrate` failed.
    """
    mark = platform.layout.airflow_home / "migrated.json"
    if mark.exists() and mark.read_text() == _describe_tables(platform):
        return "up to date"
    log = platform.layout.log_of("airflow-migrate")
    environment = {**make_base_environment(platform.layout), **platform.airflow_variables}
    with log.open("wb") as sink:
        done = subprocess.run(  # noqa: S603 -- our own command
            [platform.layout.platform_program("airflow"), "db", "migrate"],
            env=environment, cwd=platform.layout.root, stdin=subprocess.DEVNULL,
            stdout=sink, stderr=sink, check=False,
        )  # fmt: skip
    if done.returncode != 0:
        raise LaunchError(
            f"`airflow db migrate` ended with status {done.returncode}.",
            "The end of its log says why.",
            log,
        )
    write_private(mark, _describe_tables(platform))
    return "migrated"


def _describe_tables(platform: Platform) -> str:
    """Name Airflow's version and the revision its tables are at, as text to compare."""
    with platform.postgres.connect("airflow") as connection:
        found = connection.execute("SELECT to_regclass('public.alembic_version')").fetchone()
        if found is None or found[0] is None:
            return json.dumps([version("apache-airflow"), None])
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    return json.dumps([version("apache-airflow"), sorted(row[0] for row in rows)])


def migrate_ringside(platform: Platform) -> str:
    """Bring Ringside's tables to the newest revision and set the market clock on first use.

    Raises:
        LaunchError: the stores hold another source's candles, or a setting is wrong.
    """
    settings = make_settings(platform)
    try:
        schema.migrate(settings)
        facts = clock.set_clock(settings, real_now=datetime.now(UTC))
    except RingsideError as error:
        raise LaunchError(f"{error}", "Then run `make run` again.") from error
    return str(facts)
