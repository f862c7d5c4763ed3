"""How sound the data behind a series is: gaps, quarantine, forecasts withheld, ages of inputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from ringside.core.candles import HOUR, Times, to_datetime64


@dataclass(frozen=True)
class Quality:
    """What is known of a series' data at `as_of`.

    `open_time` of every published candle, sorted; `quarantined` the open time of every row in
    quarantine, sorted; `reasons` how many rows each check refused, `withheld` how many forecasts
    were not issued for each reason, `input_ages` the age in hours of each input behind the newest
    forecast, `outage_hours` how many hours the source has answered without.
    """

    as_of: datetime
    open_time: Times
    quarantined: Times
    reasons: Mapping[str, int] = field(default_factory=dict)
    withheld: Mapping[str, int] = field(default_factory=dict)
    input_ages: Mapping[str, float] = field(default_factory=dict)
    outage_hours: int = 0

    @property
    def newest_age_hours(self) -> float | None:
        """Hours since the newest candle closed; None without candles."""
        if len(self.open_time) == 0:
            return None
        return float((to_datetime64(self.as_of) - self.open_time[-1] - HOUR) / HOUR)

    @property
    def missing(self) -> Times:
        """The hours between the first and the last candle that have none."""
        return find_missing(self.open_time)


def find_missing(open_time: Times) -> Times:
    """Find the hours between sorted candles that have none.

    Examples:
        >>> find_missing(np.array(["2026-01-01T00", "2026-01-01T02"], "datetime64[s]")).tolist()
        [datetime.datetime(2026, 1, 1, 1, 0)]
    """
    if len(open_time) == 0:
        return open_time
    every = np.arange(open_time[0], open_time[-1] + HOUR, HOUR)
    return np.setdiff1d(every, open_time, assume_unique=True)
