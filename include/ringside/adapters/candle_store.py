"""Candles in PostgreSQL: written raw, audited, then published or put into quarantine."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, func, select

from ringside.adapters.audit_suites import VALUES
from ringside.adapters.candle_transfer import copy_raw, pack_rows, unpack_rows
from ringside.adapters.database import lock, read_query, transaction
from ringside.adapters.publishing import (
    Asked,
    PublishedBatch,
    find_empty_answers,
    find_missing_hours,
    publish_batch,
    require_audited,
    settle_outages,
    write_audit_rows,
    write_fetch,
)
from ringside.adapters.tables import audits as audits_table
from ringside.adapters.tables import candles as candles_table
from ringside.adapters.tables import fetches, raw_candles
from ringside.core.audits import BatchAudit, Finding
from ringside.core.candles import HOUR, Candles, to_datetime, to_datetime64
from ringside.core.windows import Span


@dataclass(frozen=True)
class RawBatch:
    """One fetched window of one symbol; the position in `candles` is the `row_number`."""

    batch_id: str
    venue: str
    candles: Candles


class CandleStore:
    """The candle tables. Every method is one transaction; a kill leaves all of it or nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def write_batch(self, batch: RawBatch, asked: Asked | None = None) -> None:
        """Write a batch as fetched; one that was written before is replaced whole.

        The very same rows again change nothing, so that they need no second audit.

        With `asked` the hours that the answer lacks are known, and recorded when it is published.
        """
        candles = batch.candles
        with transaction(self._engine) as connection:
            lock(connection, "batch", [batch.batch_id])
            if asked is not None:
                write_fetch(
                    connection, batch.batch_id, asked,
                    symbol=candles.symbol, venue=batch.venue, rows=len(candles),
                )  # fmt: skip
            if _is_written(connection, batch):
                return
            connection.execute(delete(raw_candles).where(raw_candles.c.batch_id == batch.batch_id))
            ingested_at = connection.execute(select(func.clock_timestamp())).scalar_one()
            copy_raw(connection, batch.batch_id, batch.venue, candles, ingested_at=ingested_at)

    def holds_batch(self, batch_id: str) -> bool:
        """Say whether the batch stands there as it was fetched, with at least one candle."""
        rows = select(func.count()).where(raw_candles.c.batch_id == batch_id).scalar_subquery()
        query = select(fetches.c.rows == rows).where(fetches.c.batch_id == batch_id)
        with transaction(self._engine) as connection:
            is_whole = connection.execute(query.where(fetches.c.rows > 0)).scalar_one_or_none()
        return bool(is_whole)

    def read_batches(self, batch_ids: Sequence[str]) -> tuple[list[RawBatch], datetime]:
        """Read batches as fetched, and the instant of reading; a batch without rows is left out.

        A batch that is written again later has a later `ingested_at` than that instant.
        """
        batch = (raw_candles.c.batch_id, raw_candles.c.symbol, raw_candles.c.venue)
        query = (
            select(*batch, pack_rows(raw_candles, order_by="row_number"))
            .where(raw_candles.c.batch_id.in_(batch_ids))
            .group_by(*batch)
            .order_by(raw_candles.c.batch_id)
        )
        with transaction(self._engine) as connection:
            lock(connection, "batch", batch_ids)
            read_at = connection.execute(select(func.clock_timestamp())).scalar_one()
            rows = connection.execute(query).all()
        batches = [
            RawBatch(batch_id, venue, unpack_rows(symbol, packed))
            for batch_id, symbol, venue, packed in rows
        ]
        return batches, read_at

    def write_audits(
        self, audits: Iterable[BatchAudit], *, as_of: datetime, audited_at: datetime
    ) -> None:
        """Write or replace what the audit found; `audited_at` is when the rows were read."""
        with transaction(self._engine) as connection:
            write_audit_rows(connection, audits, as_of=as_of, audited_at=audited_at)

    def publish(self, batch_ids: Sequence[str]) -> list[PublishedBatch]:
        """Publish the rows the audit let through, put the others into quarantine: all or nothing.

        Raises:
            AuditFailedError: A batch was not audited, or was fetched again after its audit.
        """
        with transaction(self._engine) as connection:
            lock(connection, "batch", batch_ids)
            symbols = require_audited(connection, batch_ids)
            empty = find_empty_answers(connection, batch_ids)
            # Two runs that publish the same symbol take turns; the order rules out a deadlock.
            lock(connection, "publish", [*symbols.values(), *empty.values()])
            done = [publish_batch(connection, batch, symbols[batch]) for batch in sorted(symbols)]
            for batch in sorted(empty):
                settle_outages(connection, batch, empty[batch], passed=0)
            return done

    def read_failures(self, batch_ids: Sequence[str]) -> dict[str, tuple[str, list[Finding]]]:
        """Read, for each batch with refused rows, its symbol and what the audit found."""
        query = (
            select(audits_table.c.batch_id, audits_table.c.symbol, audits_table.c.failures)
            .where(audits_table.c.batch_id.in_(batch_ids))
            .where(func.jsonb_array_length(audits_table.c.failures) > 0)
            .order_by(audits_table.c.batch_id)
        )
        with transaction(self._engine) as connection:
            rows = connection.execute(query).all()
        return {row.batch_id: (row.symbol, [Finding(**f) for f in row.failures]) for row in rows}

    def read_candles(
        self,
        symbol: str,
        *,
        as_of: datetime,
        count: int | None = None,
        start: datetime | None = None,
    ) -> Candles:
        """Read published candles that have closed at `as_of`, oldest first, without repeats.

        Args:
            symbol: The series.
            as_of: The instant whose knowledge is allowed; aware.
            count: Only the last so many candles; an hour without a candle does not count.
            start: Only candles that open at this instant or later; aware.
        """
        table = candles_table
        query = select(table).where(_is_closed(symbol, as_of))
        if start is not None:
            query = query.where(table.c.open_time >= start)
        newest = query.order_by(table.c.open_time.desc()).limit(count).subquery()
        with transaction(self._engine) as connection:
            packed = select(pack_rows(newest, order_by="open_time"))
            return unpack_rows(symbol, connection.execute(packed).scalar_one())

    def read_last_open_time(self, symbol: str, *, as_of: datetime) -> datetime | None:
        """Read when the newest published candle closed at `as_of` opened; None without any."""
        query = select(func.max(candles_table.c.open_time)).where(_is_closed(symbol, as_of))
        with transaction(self._engine) as connection:
            last: datetime | None = connection.execute(query).scalar_one()
        return last

    def find_missing_hours(
        self, symbol: str, *, as_of: datetime, start: datetime | None = None
    ) -> list[datetime]:
        """Find hours between published candles that are worth asking for now, oldest first.

        An hour that the source has answered without waits for its turn in `outage_hours`.
        """
        with transaction(self._engine) as connection:
            return find_missing_hours(connection, symbol, as_of=as_of, start=start)

    def count_settled_hours(self, symbol: str, span: Span, *, as_of: datetime) -> int:
        """Count the hours of a span that have a candle or are not worth asking for now."""
        values = {"symbol": symbol, "start": span[0], "end": span[1], "as_of": as_of}
        with transaction(self._engine) as connection:
            query = read_query("count_settled_hours")
            return int(connection.execute(query, values).scalar_one())


def _is_written(connection: Connection, batch: RawBatch) -> bool:
    """Say whether the batch stands there already, row by row and from the same venue."""
    table = raw_candles
    query = (
        select(table.c.venue, pack_rows(table, order_by="row_number"))
        .where(table.c.batch_id == batch.batch_id)
        .group_by(table.c.venue)
    )
    rows = connection.execute(query).all()
    if [row[0] for row in rows] != [batch.venue]:
        return not rows and not len(batch.candles)
    old, new = unpack_rows(batch.candles.symbol, rows[0][1]), batch.candles
    return bool(np.array_equal(old.open_time, new.open_time)) and all(
        np.array_equal(getattr(old, name), getattr(new, name), equal_nan=True) for name in VALUES
    )


def _is_closed(symbol: str, as_of: datetime) -> ColumnElement[bool]:
    """Say which published candles of a symbol are known at `as_of`."""
    last_open = to_datetime(to_datetime64(as_of) - HOUR)
    return and_(candles_table.c.symbol == symbol, candles_table.c.open_time <= last_open)
