"""Lays fetched batches out as the one table that the audit checks compare row by row."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ringside.adapters.audit_suites import VALUES
from ringside.adapters.candle_store import RawBatch
from ringside.core.candles import HOUR, Candles, to_datetime64
from ringside.core.own_history import (
    LEAST_HOURS,
    Usual,
    find_joints,
    find_strangers,
    measure_usual,
)

if TYPE_CHECKING:
    import pandas as pd


def make_frame(
    batches: Sequence[RawBatch],
    *,
    as_of: datetime,
    newest: Mapping[str, datetime | None],
    histories: Mapping[str, Candles],
) -> "pd.DataFrame":
    """Lay all batches below each other, with the columns that the checks compare.

    Added to the values: `seconds_past_hour`, `seconds_since_close` (negative while forming),
    `hours_since_previous` (NaN for the first), `range_frac` (high over low, less 1), and
    `hours_since_newest` in the newest row of each batch only, so that a stale batch warns once.
    `joint_frac` is how far it opens from the close of the hour before, published or fetched;
    `is_strange` is 1 for a row that another venue must have sent. What the series' own history
    calls usual stands in `usual_joint`, `usual_range_frac` and `usual_volume`.
    """
    import pandas as pd

    frames = []
    for batch in batches:
        candles = batch.candles
        frame = pd.DataFrame({name: getattr(candles, name) for name in ("open_time", *VALUES)})
        frame.insert(0, "batch_id", batch.batch_id)
        opens = candles.open_time
        frame["seconds_past_hour"] = _seconds(opens - opens.astype("datetime64[h]"))
        frame["close_time"] = candles.close_time
        frame["seconds_since_close"] = _seconds(to_datetime64(as_of) - candles.close_time)
        frame["hours_since_previous"] = frame["open_time"].sort_values().diff().dt.total_seconds()
        frame["hours_since_previous"] /= 3600
        with np.errstate(divide="ignore", invalid="ignore"):
            frame["range_frac"] = candles.high / candles.low - 1
        frame["hours_since_newest"] = np.nan
        known = newest.get(candles.symbol)
        latest = opens.max() if known is None else max(opens.max(), to_datetime64(known))
        age = (to_datetime64(as_of) - latest - HOUR) / HOUR
        frame.loc[int(np.argmax(opens)), "hours_since_newest"] = age
        _add_history(frame, candles, histories.get(batch.batch_id))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _add_history(frame: "pd.DataFrame", candles: Candles, before: Candles | None) -> None:
    """Add what the series' own history says; a first load, which has none, is its own history."""
    is_enough = before is not None and len(before) >= LEAST_HOURS
    usual: Usual = measure_usual(before if before is not None and is_enough else candles)
    frame["joint_frac"] = np.abs(find_joints(candles, before=before))
    frame["is_strange"] = find_strangers(candles, usual, before=before).astype("float64")
    frame["usual_joint"] = usual.joint
    frame["usual_range_frac"] = usual.range_frac
    frame["usual_volume"] = usual.volume_high


def _seconds(span: NDArray[np.timedelta64]) -> NDArray[np.float64]:
    seconds: NDArray[np.float64] = span / np.timedelta64(1, "s")
    return seconds
