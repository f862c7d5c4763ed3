"""Publishing inside one transaction: audited rows, quarantine, and hours that no answer had.

Candles and auxiliary values go the same way; the name of an auxiliary series is its symbol here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Integer, cast, column, delete, extract, func, select, table
from sqlalchemy.dialects.postgresql import insert

from ringside.adapters.database import read_query
from ringside.adapters.tables import audits, fetches, quarantined_candles, raw_candles
from ringside.core.audits import BatchAudit
from ringside.errors import AuditFailedError

HOUR = timedelta(hours=1)
fetched_times = table(
    "fetched_times",
    column("batch_id"),
    column("symbol"),
    column("open_time"),
    column("ingested_at"),
)
"""View of all rows as fetched, candles and auxiliary values."""


@dataclass(frozen=True)
class Asked:
    """What the source was asked for: open times in [start, end), as of an instant.

    `venues` may fill the series, the authority first; a later one never replaces an earlier one.
    """

    start: datetime
    end: datetime
    as_of: datetime
    venues: tuple[str, ...]


@dataclass(frozen=True)
class PublishedBatch:
    """What publishing one batch did, in rows."""

    batch_id: str
    symbol: str
    published: int
    revised: int
    unchanged: int
    quarantined: int


def write_fetch(
    connection: Connection, batch_id: str, asked: Asked, *, symbol: str, venue: str, rows: int
) -> None:
    """Write or replace what was asked for, and how many rows came."""
    values = {
        "symbol": symbol,
        "venue": venue,
        "venues": list(asked.venues),
        "start_time": asked.start,
        "end_time": asked.end,
        "as_of": asked.as_of,
        "rows": rows,
    }
    put = insert(fetches).values(batch_id=batch_id, **values)
    connection.execute(put.on_conflict_do_update(index_elements=["batch_id"], set_=values))


def write_audit_rows(
    connection: Connection, done: Iterable[BatchAudit], *, as_of: datetime, audited_at: datetime
) -> None:
    """Write or replace what the audit found; `audited_at` is when the rows were read."""
    for audit in sorted(done, key=lambda each: each.batch_id):
        values = {
            "symbol": audit.symbol,
            "as_of": as_of,
            "rows": audit.rows,
            "is_refused": audit.is_refused,
            "failures": [asdict(finding) for finding in audit.failures],
            "warnings": [asdict(finding) for finding in audit.warnings],
            "audited_at": audited_at,
        }
        put = insert(audits).values(batch_id=audit.batch_id, **values)
        connection.execute(put.on_conflict_do_update(index_elements=["batch_id"], set_=values))


def publish_batch(connection: Connection, batch_id: str, symbol: str) -> PublishedBatch:
    """Publish one audited batch; the caller holds the locks."""
    key = {"batch_id": batch_id}
    old = quarantined_candles.c.batch_id == batch_id
    connection.execute(delete(quarantined_candles).where(old))
    quarantined = connection.execute(read_query("quarantine_batch"), key).rowcount
    counts = connection.execute(read_query("publish_batch"), key).one()
    is_of_batch = raw_candles.c.batch_id == batch_id
    rows = connection.execute(select(func.count()).where(is_of_batch)).scalar_one()
    settle_outages(connection, batch_id, symbol, passed=rows - quarantined)
    unchanged = rows - quarantined - counts.published - counts.revised
    return PublishedBatch(
        batch_id, symbol, counts.published, counts.revised, unchanged, quarantined
    )


def settle_outages(
    connection: Connection, batch_id: str, symbol: str, *, passed: int, step: timedelta = HOUR
) -> None:
    """Record the hours that the answer lacks, and strike those that are published now.

    `passed` counts the rows that the audit let through; each has an hour of its own. `step` is the
    time from one candle, or value, to the next.
    """
    if passed < _count_hours_asked(connection, batch_id):
        values = {"batch_id": batch_id, "step": step}
        connection.execute(read_query("record_outage_hours"), values)
    healed = {"batch_id": batch_id, "symbol": symbol}
    connection.execute(read_query("strike_healed_hours"), healed)


def find_missing_hours(
    connection: Connection,
    symbol: str,
    *,
    as_of: datetime,
    start: datetime | None,
    step: timedelta = HOUR,
) -> list[datetime]:
    """Find what lies between published candles, or values, and is worth asking for now."""
    values = {"symbol": symbol, "start": start, "as_of": as_of, "step": step}
    return list(connection.execute(read_query("find_missing_hours"), values).scalars())


def _count_hours_asked(connection: Connection, batch_id: str) -> int:
    """Count the hours that a batch was asked for; 0 where it is not known."""
    span = extract("epoch", fetches.c.end_time - fetches.c.start_time) / 3600
    query = select(cast(span, Integer)).where(fetches.c.batch_id == batch_id)
    return connection.execute(query).scalar_one_or_none() or 0


def require_audited(connection: Connection, batch_ids: Sequence[str]) -> dict[str, str]:
    """Give the symbol of each batch that has rows; refuse one whose rows no audit has seen."""
    audited_at = func.max(audits.c.audited_at)
    query = (
        select(
            fetched_times.c.batch_id,
            func.max(fetched_times.c.symbol).label("symbol"),
            (audited_at > func.max(fetched_times.c.ingested_at)).label("is_audited"),
        )
        .outerjoin(audits, audits.c.batch_id == fetched_times.c.batch_id)
        .where(fetched_times.c.batch_id.in_(batch_ids))
        .group_by(fetched_times.c.batch_id)
    )
    rows = connection.execute(query).all()
    unseen = sorted(row.batch_id for row in rows if not row.is_audited)
    if unseen:
        raise AuditFailedError(
            f"nothing is published: batch {unseen[0]} was not audited since it was last fetched;"
            " run the audit again, then publish",
            batch_ids=unseen,
        )
    return {row.batch_id: row.symbol for row in rows}


def find_empty_answers(connection: Connection, batch_ids: Sequence[str]) -> dict[str, str]:
    """Give the symbol of each batch whose answer held no candle."""
    query = (
        select(fetches.c.batch_id, fetches.c.symbol)
        .where(fetches.c.batch_id.in_(batch_ids))
        .where(fetches.c.rows == 0)
    )
    return {row.batch_id: row.symbol for row in connection.execute(query)}
