"""Values of auxiliary series in PostgreSQL: written raw, audited, published or put in quarantine.

Each has the instant at which it was known.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import BigInteger, Connection, Engine, cast, delete, extract, func, insert, select

from ringside.adapters.database import lock, read_query, transaction
from ringside.adapters.publishing import (
    Asked,
    find_missing_hours,
    require_audited,
    settle_outages,
    write_audit_rows,
    write_fetch,
)
from ringside.adapters.tables import observations, quarantined_observations, raw_observations
from ringside.core.audits import BatchAudit
from ringside.core.known_values import AuxiliarySeries, KnownValues


@dataclass(frozen=True)
class Observation:
    """One value: the source's stamp, when it was known, and the value (None where not sent)."""

    time: datetime
    known_at: datetime
    value: float | None


@dataclass(frozen=True)
class RawValues:
    """One fetched window of one series; the position in `rows` is the `row_number`."""

    batch_id: str
    series: str
    venue: str
    rows: tuple[Observation, ...]


class ObservationStore:
    """The tables of observations. Every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def write_batch(self, batch: RawValues, asked: Asked) -> None:
        """Write a batch as fetched; one that was written before is replaced whole.

        The very same rows again change nothing, so that they need no second audit.
        """
        with transaction(self._engine) as connection:
            lock(connection, "batch", [batch.batch_id])
            write_fetch(
                connection, batch.batch_id, asked,
                symbol=batch.series, venue=batch.venue, rows=len(batch.rows),
            )  # fmt: skip
            if _read_raw(connection, batch.batch_id) == batch:
                return
            old = raw_observations.c.batch_id == batch.batch_id
            connection.execute(delete(raw_observations).where(old))
            now = connection.execute(select(func.clock_timestamp())).scalar_one()
            base = {"batch_id": batch.batch_id, "series": batch.series, "venue": batch.venue}
            values = [
                {**base, **vars(row), "row_number": number, "ingested_at": now}
                for number, row in enumerate(batch.rows)
            ]
            if values:
                connection.execute(insert(raw_observations), values)

    def read_batch(self, batch_id: str) -> tuple[RawValues | None, datetime]:
        """Read a batch as fetched, None without rows, and the instant of reading."""
        with transaction(self._engine) as connection:
            lock(connection, "batch", [batch_id])
            read_at = connection.execute(select(func.clock_timestamp())).scalar_one()
            return _read_raw(connection, batch_id), read_at

    def write_audit(self, audit: BatchAudit, *, as_of: datetime, audited_at: datetime) -> None:
        """Write or replace what the audit found; `audited_at` is when the rows were read."""
        with transaction(self._engine) as connection:
            write_audit_rows(connection, [audit], as_of=as_of, audited_at=audited_at)

    def publish(self, batch_id: str, series: AuxiliarySeries) -> int:
        """Publish the values that the audit let through, quarantine the others; count the changed.

        A value that is there changes only when it differs, so a second time changes nothing.

        Raises:
            AuditFailedError: The batch was not audited, or was fetched again after its audit.
        """
        key = {"batch_id": batch_id}
        with transaction(self._engine) as connection:
            lock(connection, "batch", [batch_id])
            has_rows = bool(require_audited(connection, [batch_id]))
            lock(connection, "publish", [series.name])
            old = quarantined_observations.c.batch_id == batch_id
            connection.execute(delete(quarantined_observations).where(old))
            changed, passed = 0, 0
            if has_rows:
                refused = connection.execute(read_query("quarantine_values"), key).rowcount
                changed = len(connection.execute(read_query("publish_values"), key).all())
                passed = _count_rows(connection, batch_id) - refused
            settle_outages(connection, batch_id, series.name, passed=passed, step=series.step)
            return changed

    def find_missing_times(
        self, series: AuxiliarySeries, *, as_of: datetime, start: datetime | None = None
    ) -> list[datetime]:
        """Find stamps between published values that are worth asking for now, oldest first.

        One that the source has answered without waits for its turn in `outage_hours`.
        """
        with transaction(self._engine) as connection:
            return find_missing_hours(
                connection, series.name, as_of=as_of, start=start, step=series.step
            )

    def read_last_time(self, series: str, *, as_of: datetime) -> datetime | None:
        """Read the stamp of the newest value known at `as_of`; None without any."""
        query = select(func.max(observations.c.time)).where(
            observations.c.series == series, observations.c.known_at <= as_of
        )
        with transaction(self._engine) as connection:
            last: datetime | None = connection.execute(query).scalar_one()
        return last

    def read_known(
        self, series: str, *, as_of: datetime, start: datetime | None = None
    ) -> KnownValues:
        """Read the values known at `as_of`, in the order in which they were known.

        Args:
            series: Name of the auxiliary series.
            as_of: The instant whose knowledge is allowed; aware.
            start: Only values known at this instant or later; aware.
        """
        known_at = cast(extract("epoch", observations.c.known_at), BigInteger)
        query = (
            select(known_at, observations.c.value)
            .where(observations.c.series == series, observations.c.known_at <= as_of)
            .order_by(observations.c.known_at, observations.c.time)
        )
        if start is not None:
            query = query.where(observations.c.known_at >= start)
        with transaction(self._engine) as connection:
            rows = connection.execute(query).all()
        times = np.array([row[0] for row in rows], dtype="int64").astype("datetime64[s]")
        return KnownValues(times, np.array([row[1] for row in rows], dtype="float64"))


def _read_raw(connection: Connection, batch_id: str) -> RawValues | None:
    table = raw_observations
    query = select(table).where(table.c.batch_id == batch_id).order_by(table.c.row_number)
    rows = connection.execute(query).all()
    if not rows:
        return None
    values = tuple(Observation(row.time, row.known_at, row.value) for row in rows)
    return RawValues(batch_id, rows[0].series, rows[0].venue, values)


def _count_rows(connection: Connection, batch_id: str) -> int:
    rows = select(func.count()).where(raw_observations.c.batch_id == batch_id)
    return int(connection.execute(rows).scalar_one())
