"""Quarantined rows that a person let through: who, why, and the candle they became."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Engine, func, select
from sqlalchemy.dialects.postgresql import insert

from ringside.adapters.audit_suites import VALUES
from ringside.adapters.database import lock, read_query, transaction
from ringside.adapters.tables import quarantined_candles, releases
from ringside.core.audits import BatchAudit, Finding
from ringside.errors import CandleDataError


@dataclass(frozen=True)
class ReleasedRow:
    """One quarantined row that is published now."""

    batch_id: str
    row_number: int
    symbol: str
    open_time: datetime


class ReleaseStore:
    """The table `releases`, and what a release does to `candles`."""

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
        table = quarantined_candles
        query = select(table).where(table.c.batch_id == batch_id).order_by(table.c.row_number)
        if row_numbers:
            query = query.where(table.c.row_number.in_(row_numbers))
        with transaction(self._engine) as connection:
            lock(connection, "batch", [batch_id])
            rows = connection.execute(query).all()
            _require_rows(batch_id, row_numbers, rows)
            lock(connection, "publish", [row.symbol for row in rows])
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
                    connection.execute(read_query("release_row"), key)
        return [ReleasedRow(batch_id, row.row_number, row.symbol, row.open_time) for row in rows]

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


def _require_rows(batch_id: str, wanted: Sequence[int], rows: Sequence[object]) -> None:
    """Refuse a release of rows that are not in quarantine, or that are no whole candles."""
    found = {row.row_number: row for row in rows}  # type: ignore[attr-defined]  # rows of a table
    lost = sorted(set(wanted) - set(found))
    if lost or not found:
        what = f"row {lost[0]}" if lost else "any row"
        raise CandleDataError(f"quarantine does not hold {what} of batch {batch_id!r}")
    for number, row in found.items():
        empty = [name for name in VALUES if getattr(row, name) is None]
        if empty:
            raise CandleDataError(
                f"row {number} of batch {batch_id!r} has no {empty[0]}; it cannot become a candle"
            )
