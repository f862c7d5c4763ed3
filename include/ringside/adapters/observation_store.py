"""Values of auxiliary series in PostgreSQL, each with the instant at which it was known."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import BigInteger, Engine, cast, delete, extract, func, select
from sqlalchemy.dialects.postgresql import insert

from ringside.adapters.database import lock, transaction
from ringside.adapters.tables import observations, quarantined_observations
from ringside.core.audits import BatchAudit, Finding
from ringside.core.known_values import KnownValues


@dataclass(frozen=True)
class Observation:
    """One value: the source's stamp, when it was known, and the value (None where not sent)."""

    time: datetime
    known_at: datetime
    value: float | None


class ObservationStore:
    """The tables of observations. Every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def publish(self, audit: BatchAudit, rows: Sequence[Observation]) -> int:
        """Publish the rows that the audit let through, quarantine the others; count the changed.

        A value that is there changes only when it differs, so a second time changes nothing.
        """
        bad = _sort_findings(audit, len(rows))
        good = [row for number, row in enumerate(rows) if number not in bad]
        with transaction(self._engine) as connection:
            lock(connection, "publish", [audit.symbol])
            old = quarantined_observations.c.batch_id == audit.batch_id
            connection.execute(delete(quarantined_observations).where(old))
            now = connection.execute(select(func.clock_timestamp())).scalar_one()
            base = {"series": audit.symbol, "venue": audit.venue}
            for number, found in bad.items():
                refused = {
                    **base, **asdict(rows[number]), "batch_id": audit.batch_id,
                    "row_number": number, "quarantined_at": now,
                    "reasons": [{"expectation": f.expectation, "reason": f.reason} for f in found],
                }  # fmt: skip
                connection.execute(insert(quarantined_observations).values(refused))
            if not good:
                return 0
            values = [{**base, **asdict(row), "published_at": now} for row in good]
            put = insert(observations).values(values)
            changed = put.on_conflict_do_update(
                index_elements=["series", "time"],
                set_={n: put.excluded[n] for n in ("known_at", "value", "venue", "published_at")},
                where=(observations.c.value != put.excluded.value)
                | (observations.c.known_at != put.excluded.known_at),
            ).returning(observations.c.time)
            return len(connection.execute(changed).all())

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


def _sort_findings(audit: BatchAudit, rows: int) -> dict[int, list[Finding]]:
    """Give the findings of each refused row; all rows when the batch is refused as a whole."""
    of_all = [finding for finding in audit.failures if finding.row_number is None]
    found: dict[int, list[Finding]] = {number: list(of_all) for number in range(rows) if of_all}
    for finding in audit.failures:
        if finding.row_number is not None:
            found.setdefault(finding.row_number, []).append(finding)
    return found
