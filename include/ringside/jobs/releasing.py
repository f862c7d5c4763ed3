"""Lets quarantined candles through when a person says so, with their name and their reason."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ringside.adapters.database import make_engine
from ringside.adapters.release_store import ReleaseStore
from ringside.errors import SettingsError
from ringside.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReleaseFacts:
    """What a release published; `open_times` in ISO 8601."""

    batch_id: str
    symbol: str
    open_times: tuple[str, ...]
    released_by: str
    reason: str


def release_quarantine(
    settings: Settings,
    batch_id: str,
    row_numbers: Sequence[int],
    *,
    as_of: datetime,
    released_by: str,
    reason: str,
) -> ReleaseFacts:
    """Publish rows of one batch from quarantine; without `row_numbers` all of its rows.

    Raises:
        SettingsError: Nobody's name or no reason is given.
        CandleDataError: The row is not in quarantine, or lacks a value.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    for name, value in (("released_by", released_by), ("reason", reason)):
        if not value.strip():
            raise SettingsError(f"{name} is empty: a release names who decided, and why")
    _log.info(
        "releasing batch=%s rows=%s by=%s as_of=%s", batch_id, row_numbers, released_by, as_of
    )
    store = ReleaseStore(make_engine(settings))
    rows = store.release(batch_id, row_numbers, released_by=released_by, reason=reason)
    for row in rows:
        _log.info("released symbol=%s open_time=%s: %s", row.symbol, row.open_time, reason)
    return ReleaseFacts(
        batch_id=batch_id,
        symbol=rows[0].symbol,
        open_times=tuple(row.open_time.isoformat() for row in rows),
        released_by=released_by,
        reason=reason,
    )
