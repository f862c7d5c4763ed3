"""Reads the last candles of many series at once, in one query."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import Engine

from ringside.adapters.database import read_query, transaction
from ringside.core.candles import Candles, Floats, Times

_COLUMNS = 5


def read_windows(
    engine: Engine, symbols: Sequence[str], *, as_of: datetime, hours: int
) -> dict[str, Candles]:
    """Read the published candles of the last `hours` before the full hour `as_of`.

    Returns:
        Candles by symbol, sorted; without rows where the symbol has none.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    window = {"start": as_of - timedelta(hours=hours), "end": as_of}
    with transaction(engine) as connection:
        query = read_query("read_candle_windows")
        rows = connection.execute(query, {"symbols": list(symbols), **window}).all()
    opened = np.array([row[1] for row in rows], dtype="int64").astype("datetime64[s]")
    values = np.array([row[2:] for row in rows], dtype="float64").reshape(len(rows), _COLUMNS)
    found, start = {symbol: _make(symbol, opened[:0], values[:0]) for symbol in symbols}, 0
    for symbol, count in Counter(row[0] for row in rows).items():  # in the order of the rows
        here = slice(start, start + count)
        found[symbol] = _make(symbol, opened[here], values[here])
        start += count
    return found


def _make(symbol: str, open_time: Times, values: Floats) -> Candles:
    return Candles(symbol, open_time, *values.T)
