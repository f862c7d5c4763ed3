"""Reads the last candles of many series at once, in one query."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine, select

from ringside.adapters.candle_transfer import pack_rows, unpack_rows
from ringside.adapters.database import transaction
from ringside.adapters.tables import candles
from ringside.core.candles import Candles


def read_windows(
    engine: Engine, symbols: Sequence[str], *, as_of: datetime, hours: int
) -> dict[str, Candles]:
    """Read the published candles of the last `hours` before the full hour `as_of`.

    Returns:
        Candles by symbol, sorted; without rows where the symbol has none.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    table = candles.c
    query = (
        select(table.symbol, pack_rows(candles, order_by="open_time"))
        .where(table.symbol.in_(symbols))
        .where(table.open_time >= as_of - timedelta(hours=hours), table.open_time < as_of)
        .group_by(table.symbol)
    )
    with transaction(engine) as connection:
        packed: dict[str, bytes] = {row[0]: row[1] for row in connection.execute(query)}
    return {symbol: unpack_rows(symbol, packed.get(symbol)) for symbol in symbols}
