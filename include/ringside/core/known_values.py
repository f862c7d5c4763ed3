"""When a value of an auxiliary series was known, and joining it to candles by that time.

Sources stamp a daily value with its date, hours before the session even opened: joining by the
stamp leaks the future. Here every value counts from the instant at which it was known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from ringside.core.candles import Floats, Times

NEW_YORK = ZoneInfo("America/New_York")
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class AuxiliarySeries:
    """One series beside the candles.

    `ticker` is Yahoo's name; `close` the New York time at which a daily session closes, None for
    hourly bars; a value older than `max_age_hours` is missing.
    """

    name: str
    ticker: str
    close: time | None
    max_age_hours: int

    @property
    def file_name(self) -> str:
        """Name the series' file, without its ending."""
        return f"{self.name}_1d" if self.is_daily else f"{self.name}_gc_1h"

    @property
    def is_daily(self) -> bool:
        """Say whether one value stands for a whole session."""
        return self.close is not None

    @property
    def step(self) -> timedelta:
        """Give the time from one stamp to the next; a daily value is due on weekdays only."""
        return timedelta(days=1) if self.is_daily else _HOUR

    @property
    def reach(self) -> timedelta:
        """Give the time within which a stamp that is due has neighbours, over any weekend."""
        return timedelta(days=3) if self.is_daily else _HOUR

    def known_at(self, stamp: datetime) -> datetime:
        """Tell when the value stamped `stamp` (start of the bar, or the session's date) was known.

        Examples:
            >>> vix = AUXILIARY["vix"]
            >>> [vix.known_at(datetime(2025, m, 10, tzinfo=UTC)).isoformat() for m in (1, 7)]
            ['2025-01-10T21:15:00+00:00', '2025-07-10T20:15:00+00:00']

        Raises:
            ValueError: `stamp` is naive.
        """
        if stamp.tzinfo is None:
            raise ValueError(f"a time zone is needed, got the naive stamp {stamp.isoformat()}")
        stamp = stamp.astimezone(UTC)
        if self.close is None:
            return stamp + _HOUR
        return close_of_session(stamp.date(), self.close)


def close_of_session(day: date, close: time) -> datetime:
    """Give the instant in UTC at which the session of a New York day closes."""
    return datetime.combine(day, close, tzinfo=NEW_YORK).astimezone(UTC)


AUXILIARY: dict[str, AuxiliarySeries] = {
    series.name: series
    for series in (
        # Over a long weekend with a holiday a daily value grows 4 days old, and no older.
        AuxiliarySeries("vix", "^VIX", time(16, 15), max_age_hours=110),
        AuxiliarySeries("ndx", "^NDX", time(16, 0), max_age_hours=110),
        # Gold trades but for an hour a day and the weekend, 49 hours and holidays.
        AuxiliarySeries("gold", "GC=F", None, max_age_hours=80),
    )
}
"""The auxiliary series by name: VIX and NASDAQ-100 by session, gold by the hour."""


@dataclass(frozen=True)
class KnownValues:
    """Values in the order in which they were known, shape (n,).

    `known_at` is `datetime64[s]` in UTC, sorted; a value known at the same instant as another
    comes after it when its own stamp is later.
    """

    known_at: Times
    value: Floats


def keep_known(values: Mapping[str, KnownValues], at: np.datetime64) -> dict[str, KnownValues]:
    """Keep what was known at an instant (UTC), by series."""
    return {
        name: KnownValues(known.known_at[is_past], known.value[is_past])
        for name, known in values.items()
        for is_past in [known.known_at <= at]
    }


@dataclass(frozen=True)
class JoinedValues:
    """What was known at each asked instant, shape (m,).

    `value` is NaN and `age_hours` NaN where nothing was known or the newest was too old.
    """

    value: Floats
    age_hours: Floats


def join_known(known: KnownValues, at: Times, *, max_age_hours: float) -> JoinedValues:
    """Find the newest value known at each instant, with its age since it was known.

    Args:
        known: Values sorted by `known_at`.
        at: Instants in UTC, for a candle its close time, shape (m,), in any order.
        max_age_hours: An older value is missing; exactly as old is not.

    Raises:
        ValueError: `known` is not sorted.
    """
    if np.any(np.diff(known.known_at) < np.timedelta64(0, "s")):
        raise ValueError("the values must be sorted by known_at")
    newest = np.searchsorted(known.known_at, at, side="right") - 1
    value = np.full(len(at), np.nan)
    age_hours = np.full(len(at), np.nan)
    rows = np.flatnonzero(newest >= 0)
    ages = (at[rows] - known.known_at[newest[rows]]) / np.timedelta64(1, "h")
    is_young = ages <= max_age_hours
    value[rows[is_young]] = known.value[newest[rows[is_young]]]
    age_hours[rows[is_young]] = ages[is_young]
    return JoinedValues(value, age_hours)


def find_ages(known: Mapping[str, KnownValues], at: Times) -> list[dict[str, float | None]]:
    """Tell, for each instant, the hours since the newest value of each series was known.

    Returns:
        One dict per instant by the series' name; None where nothing was known yet.
    """
    ages = {
        name: join_known(values, at, max_age_hours=np.inf).age_hours.tolist()
        for name, values in sorted(known.items())
    }
    return [
        {name: None if np.isnan(column[row]) else column[row] for name, column in ages.items()}
        for row in range(len(at))
    ]
