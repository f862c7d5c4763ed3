"""A market that is shown as a careless collector stored it: what it serves at which time."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ringside.core.candles import Candles, to_datetime64
from ringside.jobs.ingestion import audit_batches, fetch_window, publish_batches
from ringside.jobs.windows import find_windows

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class DirtyMarket:
    """`true` candles, some of which are served as in `stored` until `mended` (both shape (m,)).

    `stored` holds rows that differ from the truth; `lost` open times are not served before their
    time in `lost_until`.
    """

    true: Candles
    stored: Candles
    mended: np.ndarray
    lost: np.ndarray
    lost_until: np.ndarray
    venue: str = "file"

    def fetch(self, symbol, start, end, as_of):
        first, stop, now = (to_datetime64(moment) for moment in (start, end, as_of))
        columns = {}
        is_dirty = self.mended > now
        dirty = dict(zip(self.stored.open_time[is_dirty], np.flatnonzero(is_dirty), strict=True))
        lost = set(self.lost[self.lost_until > now])
        shown = (self.true.open_time >= first) & (self.true.open_time < stop)
        shown &= self.true.open_time <= now
        shown &= ~np.isin(self.true.open_time, np.array(sorted(lost), dtype="datetime64[s]"))
        rows = np.flatnonzero(shown)
        for name in ("open", "high", "low", "close", "volume"):
            columns[name] = getattr(self.true, name)[rows].copy()
            for place, row in enumerate(rows):
                number = dirty.get(self.true.open_time[row])
                if number is not None:
                    columns[name][place] = getattr(self.stored, name)[number]
        return Candles(symbol, self.true.open_time[rows], **columns)


def ingest_once(settings, as_of: datetime, **bounds):
    """Run the steps of the DAG but the last, which only fails loudly."""
    windows = find_windows(settings, as_of=as_of, **bounds)
    ids = [fetch_window(settings, window, as_of=as_of).batch_id for window in windows]
    audit_batches(settings, ids, as_of=as_of)
    publish_batches(settings, ids, as_of=as_of)
    return ids
