"""Which rows a fit may see: everything known at its instant, nothing after it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import HOUR
from ringside.core.contestants.base import Sample
from ringside.core.features import FeatureTable
from ringside.core.targets import forward_log_return

WEEK = np.timedelta64(7, "D")


@dataclass(frozen=True)
class Week:
    """One step of a walk-forward: fit at `start`, forecast at every hour in [start, end)."""

    start: np.datetime64
    end: np.datetime64


def find_weeks(end: np.datetime64, count: int) -> Iterator[Week]:
    """Cut the `count` weeks before `end` into steps, oldest first.

        fit ............|issue|        week 1
                fit ....|.....|issue|  week 2      last week ends at `end`

    Instants are those at which a forecast is issued, which is when its candle closes.
    """
    for back in range(count, 0, -1):
        yield Week(end - back * WEEK, end - (back - 1) * WEEK)


def select_rows(table: FeatureTable, start: np.datetime64, end: np.datetime64) -> NDArray[np.intp]:
    """Select the usable rows of a table whose candle closed in [start, end), shape (m,)."""
    closed = table.open_time + HOUR
    return np.flatnonzero(table.is_usable & (closed >= start) & (closed < end))


def make_sample(
    table: FeatureTable, *, horizon: int, as_of: np.datetime64, train_days: int
) -> Sample:
    """Take the rows of the `train_days` before `as_of` whose target had come true by then.

    A row at hour t with horizon h is purged when t + h lies after `as_of`: its target would tell
    the fit something about the hours that it is going to forecast.
    """
    target = forward_log_return(table.close, horizon)
    closed = table.open_time + HOUR
    is_known = closed + horizon * HOUR <= as_of
    is_recent = closed > as_of - np.timedelta64(train_days, "D")
    rows = np.flatnonzero(table.is_usable & np.isfinite(target) & is_known & is_recent)
    return Sample(
        open_time=table.open_time[rows],
        features=table.values[rows],
        names=table.names,
        sigma=table.sigma[rows],
        target=target[rows],
        horizon=horizon,
    )
