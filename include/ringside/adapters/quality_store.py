"""Reads how sound the data of a series is: quarantine, outages, withheld forecasts, input ages."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import numpy as np
from sqlalchemy import Engine, func, select

from ringside.adapters.database import transaction
from ringside.adapters.tables import (
    forecasts,
    outage_hours,
    quarantined_candles,
    withheld_forecasts,
)
from ringside.core.candles import Times, to_datetime64
from ringside.core.data_quality import Quality

REASONS = 8
"""Reasons named for withheld forecasts, the commonest first; the others are summed up."""


class QualityStore:
    """Reads, of one series, what was known at `as_of`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read_quality(self, symbol: str, open_time: Times, *, as_of: datetime) -> Quality:
        """Bring together what the stores say of a series' data.

        Args:
            symbol: Which series.
            open_time: Of its published candles, sorted.
            as_of: The instant whose knowledge is allowed; aware.
        """
        refused, reasons = self._read_quarantine(symbol, as_of)
        return Quality(
            as_of=as_of,
            open_time=open_time,
            quarantined=refused,
            reasons=reasons,
            withheld=self._read_withheld(symbol, as_of),
            input_ages=self._read_ages(symbol, as_of),
            outage_hours=self._count_outages(symbol, as_of),
        )

    def _read_quarantine(self, symbol: str, as_of: datetime) -> tuple[Times, Mapping[str, int]]:
        """Read when each row in quarantine opened, and how many rows each check refused."""
        table = quarantined_candles.c
        query = (
            select(table.open_time, table.reasons)
            .where(table.symbol == symbol, table.open_time <= as_of)
            .order_by(table.open_time)
        )
        with transaction(self._engine) as connection:
            rows = connection.execute(query).all()
        times = np.array([to_datetime64(row.open_time) for row in rows], "datetime64[s]")
        checks = Counter(
            name for row in rows for name in {one["expectation"] for one in row.reasons}
        )
        return times, dict(checks.most_common())

    def _read_withheld(self, symbol: str, as_of: datetime) -> Mapping[str, int]:
        table = withheld_forecasts.c
        count = func.count().label("count")
        query = (
            select(table.reason, count)
            .where(table.symbol == symbol, table.as_of <= as_of)
            .group_by(table.reason)
            .order_by(count.desc(), table.reason)
        )
        with transaction(self._engine) as connection:
            rows = [(reason, number) for reason, number in connection.execute(query)]
        found = dict(rows[:REASONS])
        if len(rows) > REASONS:
            found["…"] = sum(number for _, number in rows[REASONS:])
        return found

    def _read_ages(self, symbol: str, as_of: datetime) -> Mapping[str, float]:
        """Read the ages that the newest forecast names; empty where none does."""
        table = forecasts.c
        query = (
            select(table.input_ages)
            .where(table.symbol == symbol, table.as_of <= as_of, table.input_ages.is_not(None))
            .order_by(table.as_of.desc(), table.id.desc())
            .limit(1)
        )
        with transaction(self._engine) as connection:
            ages = connection.execute(query).scalar_one_or_none()
        return dict(sorted(ages.items())) if ages else {}

    def _count_outages(self, symbol: str, as_of: datetime) -> int:
        table = outage_hours.c
        query = select(func.count()).where(table.symbol == symbol, table.first_asked_at <= as_of)
        with transaction(self._engine) as connection:
            return int(connection.execute(query).scalar_one())
