"""Quarantined rows that a person let through: who, why, and the candle or value they became."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Table, func, select
from sqlalchemy.dialects.postgresql import insert

from ringside.adapters.audit_suites import VALUES
from ringside.adapters.database import lock, read_query, transaction
from ringside.adapters.tables import quarantined_candles, quarantined_observations, releases
from ringside.core.audits import BatchAudit, Finding
from ringside.errors import CandleDataError


@dataclass(frozen=True)
class Quarantine:
    """A table of refused rows: columns of the series, of the hour and of what must be there."""

    table: Table
    symbol: str
    open_time: str
    values: tuple[str, ...]
    query: str


QUARANTINES = (
    Quarantine(quarantined_candles, "symbol", "open_time", VALUES, "release_row"),
    Quarantine(quarantined_observations, "series", "time", ("value",), "release_value"),
)


@dataclass(frozen=True)
class ReleasedRow:
    """One quarantined row that is published now; an auxiliary series is named as `symbol`."""

    batch_id: str
    row_number: int
    symbol: str
    open_time: datetime


class ReleaseStore:
    """The table `releases`, and what a release does to `candles` and `observations`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def release(
        self, batch_id: str, row_numbers: Sequence[int], *, released_by: str, reason: str
    ) -> list[ReleasedRow]:
        """Publish quarantined rows as they are, and record who let them through and why.

        The rows stay in quarantine as evidence. Doing it again changes nothing; the first release
        of a row is the one on record.

        Args:
            batch_id: The batch, as quarantine and the audit page name it.
            row_numbers: Its rows; empty for all that wait in quarantine.
            released_by: Who decided.
            reason: Why, in their words.

        Raises:
            CandleDataError: No such row is in quarantine, or it lacks a value.
            StoreUnavailableError: PostgreSQL did not answer.
        """
        with transaction(self._engine) as connection:
            lock(connection, "batch", [batch_id])
            held, rows = _find_rows(connection, batch_id, row_numbers)
            lock(connection, "publish", [getattr(row, held.symbol) for row in rows])
            now = connection.execute(select(func.clock_timestamp())).scalar_one()
            for row in rows:
                values = {
                    "batch_id": batch_id, "row_number": row.row_number,
                    "released_by": released_by, "reason": reason, "released_at": now,
                }  # fmt: skip
                added = connection.execute(
                    insert(releases).values(values).on_conflict_do_nothing()
                ).rowcount
                if added:
                    key = {"batch_id": batch_id, "row_number": row.row_number}
                    connection.execute(read_query(held.query), key)
        return [
            ReleasedRow(
                batch_id, row.row_number, getattr(row, held.symbol), getattr(row, held.open_time)
            )
            for row in rows
        ]

    def excuse_released(self, audits: Sequence[BatchAudit]) -> list[BatchAudit]:
        """Turn failures of rows that a person has released before into warnings.

        Only a row with the very values that were released is excused; another value is new.
        """
        batch_ids = [audit.batch_id for audit in audits if audit.failures and not audit.is_refused]
        if not batch_ids:
            return list(audits)
        with transaction(self._engine) as connection:
            rows = connection.execute(read_query("find_released_rows"), {"batch_ids": batch_ids})
            words = {(r.batch_id, r.row_number): f"{r.released_by}: {r.reason}" for r in rows}
        return [_excuse(audit, words) for audit in audits]


def _excuse(audit: BatchAudit, words: dict[tuple[str, int], str]) -> BatchAudit:
    failures: list[Finding] = []
    excused: list[Finding] = []
    for finding in audit.failures:
        told = words.get(
            (audit.batch_id, finding.row_number if finding.row_number is not None else -1)
        )
        if told is None or audit.is_refused:
            failures.append(finding)
        else:
            excused.append(replace(finding, reason=f"{finding.reason}; released by {told}"))
    return replace(audit, failures=tuple(failures), warnings=(*audit.warnings, *excused))


def _find_rows(
    connection: Connection, batch_id: str, wanted: Sequence[int]
) -> tuple[Quarantine, Sequence[Row[Any]]]:
    """Find the rows in the quarantine that holds the batch; without `wanted` all of the batch."""
    for held in QUARANTINES:
        table = held.table
        query = select(table).where(table.c.batch_id == batch_id).order_by(table.c.row_number)
        if wanted:
            query = query.where(table.c.row_number.in_(wanted))
        rows = connection.execute(query).all()
        if rows:
            _require_whole(batch_id, wanted, rows, held.values)
            return held, rows
    what = f"row {min(wanted)}" if wanted else "any row"
    raise CandleDataError(f"quarantine does not hold {what} of batch {batch_id!r}")


def _require_whole(
    batch_id: str, wanted: Sequence[int], rows: Sequence[Row[Any]], names: Sequence[str]
) -> None:
    """Refuse a release of rows that are not in quarantine, or that lack a value."""
    lost = sorted(set(wanted) - {row.row_number for row in rows})
    if lost:
        raise CandleDataError(f"quarantine does not hold row {lost[0]} of batch {batch_id!r}")
    for row in rows:
        empty = [name for name in names if getattr(row, name) is None]
        if empty:
            raise CandleDataError(
                f"row {row.row_number} of batch {batch_id!r} has no {empty[0]};"
                " it cannot be published"
            )
