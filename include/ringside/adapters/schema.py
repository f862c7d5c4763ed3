"""Brings Ringside's tables to the newest revision; the revisions live in `migrations/`."""

from pathlib import Path

from sqlalchemy import func, select

from ringside.adapters.database import make_engine, transaction
from ringside.settings import Settings

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
MIGRATION_LOCK = 0x52494E47  # any number that nothing else in this database locks


def migrate(settings: Settings) -> str:
    """Upgrade the tables to the newest revision, all steps in one transaction.

    Running it again changes nothing. Of two at once the second waits and then finds nothing to do.

    Returns:
        The revision the tables are at now.

    Raises:
        SettingsError: `database_url` is no URL of PostgreSQL through psycopg 3.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext

    config = Config()
    # Alembic reads `%` as the start of an interpolation; a folder's name may hold one.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with transaction(make_engine(settings)) as connection:
        connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        revision = MigrationContext.configure(connection).get_current_revision()
    return str(revision)
