"""Runs once before Airflow's parts start: tables, roles, connection, pool, market clock.

Running it again changes nothing. Exit codes are those of `ringside`.
"""

import logging
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from alembic.util.exc import CommandError
from sqlalchemy import make_url, text

from ringside.adapters import schema
from ringside.adapters.database import make_engine, transaction
from ringside.errors import PermanentError, RetryableError
from ringside.jobs import clock
from ringside.settings import Settings

DATABASE_CONNECTION = "ringside_db"
TRAINING_POOL = "training"
_GRANTS = Path(__file__).with_name("grants.sql")
_log = logging.getLogger(__name__)


def main() -> int:
    """Prepare both databases; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        settings = Settings()
        revision = schema.migrate(settings)
        grant(settings)
        _log.info("Ringside's tables are at revision=%s", revision)
        clock.set_clock(settings, real_now=datetime.now(UTC))
    except RetryableError as error:
        _log.error("%s", error)
        return 75
    except (PermanentError, ValueError) as error:
        _log.error("%s", error)
        return 65
    except CommandError as error:
        _log.error("the tables are of another version of Ringside than this image: %s", error)
        return 65
    if subprocess.run(["airflow", "db", "migrate"], check=False).returncode != 0:  # noqa: S607
        return 75
    register(settings)
    return 0


def grant(settings: Settings) -> None:
    """Give the roles of training and serving their rights on the tables there are now."""
    with transaction(make_engine(settings)) as connection:
        connection.execute(text(_GRANTS.read_text(encoding="utf-8")))


def register(settings: Settings) -> None:
    """Tell Airflow of Ringside's database and of the slots for training."""
    from airflow.models import Pool
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    url = make_url(settings.database_url.get_secret_value())
    with create_session() as session:
        rows = session.query(Connection).filter_by(conn_id=DATABASE_CONNECTION)
        connection = rows.one_or_none() or Connection(conn_id=DATABASE_CONNECTION)
        connection.conn_type = "postgres"
        connection.description = "Ringside's PostgreSQL"
        connection.host, connection.port = url.host, url.port
        connection.schema, connection.login = url.database, url.username
        connection.set_password(url.password)
        session.add(connection)
        if Pool.get_pool(TRAINING_POOL, session=session) is None:  # its owner may have resized it
            about = "One model is fitted at a time."
            session.add(
                Pool(pool=TRAINING_POOL, slots=1, description=about, include_deferred=False)
            )
    _log.info("Airflow knows connection=%s pool=%s", DATABASE_CONNECTION, TRAINING_POOL)


if __name__ == "__main__":
    sys.exit(main())
