"""Which venues the published candles come from; they are written by `candle_store`."""

from datetime import datetime

from sqlalchemy import Engine, select

from ringside.adapters.database import read_query, transaction
from ringside.adapters.tables import candles


class VenueStore:
    """Reads the venue of published candles."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read_venues(self, symbol: str) -> list[str]:
        """Read the names of all venues whose candles a series holds, in alphabetical order."""
        query = select(candles.c.venue).where(candles.c.symbol == symbol).distinct()
        with transaction(self._engine) as connection:
            return sorted(connection.execute(query).scalars())

    def find_borrowed_hours(
        self, symbol: str, *, authority: str, as_of: datetime
    ) -> list[datetime]:
        """Find hours held by a fallback that the authoritative venue is to be asked for again.

        An hour is left out once the authority answered for it a day or more after it closed: what
        it did not have then, it never had.
        """
        values = {"symbol": symbol, "authority": authority, "as_of": as_of}
        with transaction(self._engine) as connection:
            return list(connection.execute(read_query("find_borrowed_hours"), values).scalars())
