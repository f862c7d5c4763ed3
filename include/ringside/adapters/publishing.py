"""Publishing inside one transaction: audited rows, quarantine, and hours that no answer had."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Integer, and_, cast, delete, extract, func, select

from ringside.adapters.database import read_query
from ringside.adapters.tables import (
    audits,
    candles,
    fetches,
    outage_hours,
    quarantined_candles,
    raw_candles,
)
from ringside.errors import AuditFailedError


@dataclass(frozen=True)
class PublishedBatch:
    """What publishing one batch did, in rows."""

    batch_id: str
    symbol: str
    published: int
    revised: int
    unchanged: int
    quarantined: int


def publish_batch(connection: Connection, batch_id: str, symbol: str) -> PublishedBatch:
    """Publish one audited batch; the caller holds the locks."""
    key = {"batch_id": batch_id}
    old = quarantined_candles.c.batch_id == batch_id
    connection.execute(delete(quarantined_candles).where(old))
    quarantined = connection.execute(read_query("quarantine_batch"), key).rowcount
    counts = connection.execute(read_query("publish_batch"), key).one()
    is_of_batch = raw_candles.c.batch_id == batch_id
    rows = connection.execute(select(func.count()).where(is_of_batch)).scalar_one()
    settle_outages(connection, batch_id, passed=rows - quarantined)
    unchanged = rows - quarantined - counts.published - counts.revised
    return PublishedBatch(
        batch_id, symbol, counts.published, counts.revised, unchanged, quarantined
    )


def settle_outages(connection: Connection, batch_id: str, *, passed: int) -> None:
    """Record the hours that the answer lacks, and strike those that have a candle now.

    `passed` counts the rows that the audit let through; each has an hour of its own.
    """
    if passed < _count_hours_asked(connection, batch_id):
        connection.execute(read_query("record_outage_hours"), {"batch_id": batch_id})
    healed = and_(
        candles.c.batch_id == batch_id,
        candles.c.symbol == outage_hours.c.symbol,
        candles.c.open_time == outage_hours.c.open_time,
    )
    connection.execute(delete(outage_hours).where(select(candles).where(healed).exists()))


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
            raw_candles.c.batch_id,
            func.max(raw_candles.c.symbol).label("symbol"),
            (audited_at > func.max(raw_candles.c.ingested_at)).label("is_audited"),
        )
        .outerjoin(audits, audits.c.batch_id == raw_candles.c.batch_id)
        .where(raw_candles.c.batch_id.in_(batch_ids))
        .group_by(raw_candles.c.batch_id)
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
