"""Rows of an auxiliary series as a source sent them."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from ringside.core.candles import Floats, Times, to_datetime64

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Bars:
    """Rows of one series as a source sent them, shape (n,): its stamps in UTC, and the values.

    For daily values the stamp is midnight UTC of the session's date. NaN is a value not sent.
    """

    venue: str
    time: Times
    value: Floats


def cut_bars(
    stamps: "pd.Series[pd.Timestamp]",
    values: "pd.Series[float]",
    of: tuple[str, datetime, datetime],
) -> Bars:
    """Keep the rows of a venue that are stamped, in UTC, in [start, end): (venue, start, end)."""
    venue, start, end = of
    times = stamps.dt.tz_localize(None).to_numpy().astype("datetime64[s]")
    numbers = values.to_numpy(dtype="float64")
    shown = (times >= to_datetime64(start)) & (times < to_datetime64(end))
    return Bars(venue, times[shown], np.asarray(numbers[shown]))
