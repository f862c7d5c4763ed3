"""Candles in PostgreSQL: written raw, audited, then published or put into quarantine."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import numpy as np
from psycopg import Connection as DriverConnection
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Double,
    Engine,
    Table,
    and_,
    cast,
    delete,
    extract,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import insert

from ringside.adapters.audit_suites import VALUES
from ringside.adapters.database import lock, read_query, transaction
from ringside.adapters.publishing import (
    PublishedBatch,
    find_empty_answers,
    publish_batch,
    require_audited,
    settle_outages,
)
from ringside.adapters.tables import audits as audits_table
from ringside.adapters.tables import candles as candles_table
from ringside.adapters.tables import fetches, raw_candles
from ringside.core.audits import BatchAudit, Finding
from ringside.core.candles import HOUR, Candles, to_datetime, to_datetime64
from ringside.core.windows import Span

_COPY_RAW = """COPY raw_candles (
    batch_id, row_number, symbol, venue, open_time, open, high, low, close, volume, ingested_at
) FROM STDIN"""


@dataclass(frozen=True)
class RawBatch:
    """One fetched window of one symbol; the position in `candles` is the `row_number`."""

    batch_id: str
    venue: str
    candles: Candles


@dataclass(frozen=True)
class Asked:
    """What the source was asked for: open times in [start, end), as of an instant.

    `venues` may fill the series, the authority first; a later one never replaces an earlier one.
    """

    start: datetime
    end: datetime
    as_of: datetime
    venues: tuple[str, ...]


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
                _write_fetch(connection, batch, asked)
            if _is_written(connection, batch):
                return
            connection.execute(delete(raw_candles).where(raw_candles.c.batch_id == batch.batch_id))
            ingested_at = connection.execute(select(func.clock_timestamp())).scalar_one()
            columns = [[_to_null(v) for v in getattr(candles, name).tolist()] for name in VALUES]
            opens = map(to_datetime, candles.open_time)
            driver = _driver_connection(connection)
            with driver.cursor() as cursor, cursor.copy(_COPY_RAW) as copy:
                for number, (opened, *values) in enumerate(zip(opens, *columns, strict=True)):
                    row = (batch.batch_id, number, candles.symbol, batch.venue, opened, *values)
                    copy.write_row((*row, ingested_at))

    def read_batches(self, batch_ids: Sequence[str]) -> tuple[list[RawBatch], datetime]:
        """Read batches as fetched, and the instant of reading; a batch without rows is left out.

        A batch that is written again later has a later `ingested_at` than that instant.
        """
        query = (
            select(raw_candles.c.batch_id, raw_candles.c.symbol, raw_candles.c.venue)
            .add_columns(*_numbers_of(raw_candles))
            .where(raw_candles.c.batch_id.in_(batch_ids))
            .order_by(raw_candles.c.batch_id, raw_candles.c.row_number)
        )
        with transaction(self._engine) as connection:
            lock(connection, "batch", batch_ids)
            read_at = connection.execute(select(func.clock_timestamp())).scalar_one()
            rows = connection.execute(query).all()
        batches = []
        for (batch_id, symbol, venue), group in groupby(rows, key=lambda row: tuple(row[:3])):
            candles = _to_candles(symbol, [row[3:] for row in group])
            batches.append(RawBatch(batch_id, venue, candles))
        return batches, read_at

    def write_audits(
        self, audits: Iterable[BatchAudit], *, as_of: datetime, audited_at: datetime
    ) -> None:
        """Write or replace what the audit found; `audited_at` is when the rows were read."""
        with transaction(self._engine) as connection:
            for audit in sorted(audits, key=lambda each: each.batch_id):
                values = {
                    "symbol": audit.symbol,
                    "as_of": as_of,
                    "rows": audit.rows,
                    "is_refused": audit.is_refused,
                    "failures": [asdict(finding) for finding in audit.failures],
                    "warnings": [asdict(finding) for finding in audit.warnings],
                    "audited_at": audited_at,
                }
                connection.execute(
                    insert(audits_table)
                    .values(batch_id=audit.batch_id, **values)
                    .on_conflict_do_update(index_elements=["batch_id"], set_=values)
                )

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
                settle_outages(connection, batch)
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
        query = select(*_numbers_of(table)).where(_is_closed(symbol, as_of))
        if start is not None:
            query = query.where(table.c.open_time >= start)
        query = query.order_by(table.c.open_time.desc()).limit(count)
        with transaction(self._engine) as connection:
            rows = connection.execute(query).all()
        return _to_candles(symbol, [tuple(row) for row in reversed(rows)])

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
        values = {"symbol": symbol, "start": start, "as_of": as_of}
        with transaction(self._engine) as connection:
            rows = connection.execute(read_query("find_missing_hours"), values)
            return list(rows.scalars())

    def count_settled_hours(self, symbol: str, span: Span, *, as_of: datetime) -> int:
        """Count the hours of a span that have a candle or are not worth asking for now."""
        values = {"symbol": symbol, "start": span[0], "end": span[1], "as_of": as_of}
        with transaction(self._engine) as connection:
            query = read_query("count_settled_hours")
            return int(connection.execute(query, values).scalar_one())


def _is_written(connection: Connection, batch: RawBatch) -> bool:
    """Say whether the batch stands there already, row by row and from the same venue."""
    query = (
        select(raw_candles.c.venue, *_numbers_of(raw_candles))
        .where(raw_candles.c.batch_id == batch.batch_id)
        .order_by(raw_candles.c.row_number)
    )
    rows = connection.execute(query).all()
    if len(rows) != len(batch.candles) or {row[0] for row in rows} - {batch.venue}:
        return False
    old, new = _to_candles(batch.candles.symbol, [row[1:] for row in rows]), batch.candles
    return bool(np.array_equal(old.open_time, new.open_time)) and all(
        np.array_equal(getattr(old, name), getattr(new, name), equal_nan=True) for name in VALUES
    )


def _write_fetch(connection: Connection, batch: RawBatch, asked: Asked) -> None:
    """Write or replace what was asked for."""
    values = {
        "symbol": batch.candles.symbol,
        "venue": batch.venue,
        "venues": list(asked.venues),
        "start_time": asked.start,
        "end_time": asked.end,
        "as_of": asked.as_of,
        "rows": len(batch.candles),
    }
    connection.execute(
        insert(fetches)
        .values(batch_id=batch.batch_id, **values)
        .on_conflict_do_update(index_elements=["batch_id"], set_=values)
    )


def _is_closed(symbol: str, as_of: datetime) -> ColumnElement[bool]:
    """Say which published candles of a symbol are known at `as_of`."""
    last_open = to_datetime(to_datetime64(as_of) - HOUR)
    return and_(candles_table.c.symbol == symbol, candles_table.c.open_time <= last_open)


def _numbers_of(table: Table) -> list[ColumnElement[Any]]:
    """Give the open time in seconds since 1970 and the values as doubles: no Decimal is built."""
    opened = cast(extract("epoch", table.c.open_time), BigInteger)
    return [opened, *(cast(table.c[name], Double) for name in VALUES)]


def _to_candles(symbol: str, rows: Sequence[Sequence[Any]]) -> Candles:
    """Turn rows of open time (seconds) and five values into candles; NULL becomes NaN."""
    opened = np.array([row[0] for row in rows], dtype="int64").astype("datetime64[s]")
    values = np.array([row[1:] for row in rows], dtype="float64").reshape(len(rows), len(VALUES))
    return Candles(symbol, opened, *values.T)


def _to_null(value: float) -> float | None:
    return None if math.isnan(value) else value


def _driver_connection(connection: Connection) -> DriverConnection[Any]:
    """Give psycopg's own connection, for COPY; it takes part in the same transaction."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, DriverConnection):
        raise TypeError(f"COPY needs a psycopg connection, got {type(driver).__name__}")
    return driver
