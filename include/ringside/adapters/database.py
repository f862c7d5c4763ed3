"""How Ringside reaches its PostgreSQL: the engine, and the door its failures come through."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import (
    Connection,
    Engine,
    NullPool,
    TextClause,
    create_engine,
    func,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ringside.errors import SettingsError, StoreUnavailableError
from ringside.settings import Settings

CONNECT_TIMEOUT_S = 5
SILENCE_TIMEOUT_MS = 20_000  # a host that vanished answers nothing; TCP alone waits 15 minutes
# Compiling a query costs 0.2 s here whenever the planner overrates it, and never pays at our size.
SESSION = "-c TimeZone=UTC -c jit=off"
DRIVER = "postgresql+psycopg"
QUERIES = Path(__file__).resolve().parent.parent / "sql"


def make_engine(settings: Settings, *, pool_size: int = 0) -> Engine:
    """Make the engine of `settings.database_url`; nothing connects before it is first used.

    Args:
        settings: Where the database is.
        pool_size: Connections kept open between transactions. 0 is for jobs: each transaction
            opens its own and closes it, so that nothing is left open behind a job or a fork.
            A server asks for a few and makes its engine after it has forked.

    Raises:
        SettingsError: `database_url` is no URL of PostgreSQL through psycopg 3.
    """
    try:
        url = make_url(settings.database_url.get_secret_value())
    except ArgumentError as error:
        raise SettingsError("RINGSIDE_DATABASE_URL cannot be read as a URL") from error
    if url.drivername != DRIVER:
        raise SettingsError(
            f"RINGSIDE_DATABASE_URL must start with {DRIVER}://, not {url.drivername}://"
        )
    connect_args = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "tcp_user_timeout": SILENCE_TIMEOUT_MS,
        "application_name": "ringside",
        "options": SESSION,
    }
    if pool_size == 0:
        return create_engine(url, poolclass=NullPool, connect_args=connect_args)
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=CONNECT_TIMEOUT_S,
        pool_pre_ping=True,
        connect_args=connect_args,
    )


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Run the body in one transaction: committed at its end, rolled back by any error.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer, or gave up in the middle.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except (OperationalError, InterfaceError, PoolTimeoutError, psycopg.OperationalError) as error:
        url = engine.url
        raise StoreUnavailableError(
            f"PostgreSQL at {url.host}:{url.port}/{url.database} did not answer: {_cause(error)}",
            host=url.host,
            port=url.port,
            database=url.database,
        ) from error


def lock(connection: Connection, kind: str, names: Iterable[str]) -> None:
    """Hold the advisory locks of `names` until the transaction ends, taken in one order."""
    for name in sorted(set(names)):
        key = func.hashtextextended(f"ringside {kind} {name}", 0)
        connection.execute(select(func.pg_advisory_xact_lock(key)))


def read_query(name: str) -> TextClause:
    """Read the query `sql/<name>.sql`; its parameters are bound by name, never formatted in."""
    lines = (QUERIES / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    # A parameter named in a comment would be bound like any other.
    return text("\n".join(line for line in lines if not line.startswith("--")))


def _cause(error: Exception) -> str:
    """Give the driver's own first line, without SQLAlchemy's statement and parameters."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
