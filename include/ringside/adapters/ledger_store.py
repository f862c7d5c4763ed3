"""The ledger of forecasts in PostgreSQL: appended to, chained by hash, never changed."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, func, select
from sqlalchemy.dialects.postgresql import insert

from ringside.adapters.database import lock, read_query, transaction
from ringside.adapters.tables import forecasts, withheld_forecasts
from ringside.core.forecasts import (
    FIRST_HASH,
    HASH_FORMS,
    NO_SHIFTS,
    REPLAYED_VERSION,
    ChainedForecast,
    Forecast,
    Withheld,
    chain_forecasts,
    hash_forecast,
)
from ringside.errors import LedgerError

_QUANTILES = ("q05", "q25", "q50", "q75", "q95")
_VERIFIED_AT_ONCE = 5_000


class LedgerStore:
    """Reads and appends to `forecasts` and `withheld_forecasts`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def append(
        self, rows: Sequence[Forecast], withheld: Sequence[Withheld] = (), *, withheld_at: datetime
    ) -> int:
        """Add forecasts in the order given, and those withheld, in one transaction.

        What is on the record already is left as it is.

        Args:
            rows: Forecasts of any symbols; each symbol has a chain of its own.
            withheld: Forecasts that were not issued, with the reasons.
            withheld_at: When that was; aware.

        Returns:
            How many forecasts were added.
        """
        if not rows and not withheld:
            return 0
        symbols = sorted({row.symbol for row in rows})
        with transaction(self._engine) as connection:
            # one writer at a time per symbol, or two rows would follow the same one
            lock(connection, "forecasts", symbols)
            known = _read_keys(connection, symbols, rows)
            new = [row for row in rows if row.key not in known]
            last = _read_last_hashes(connection, symbols)
            chained = chain_forecasts(new, last)
            if chained:
                connection.execute(insert(forecasts), [_to_row(link) for link in chained])
            if withheld:
                values = [{**vars(one), "withheld_at": withheld_at} for one in withheld]
                connection.execute(insert(withheld_forecasts).on_conflict_do_nothing(), values)
        return len(chained)

    def read_withheld(self, symbol: str, *, start: datetime, end: datetime) -> list[Withheld]:
        """Read what was withheld of a symbol with `as_of` in [start, end), oldest first."""
        table = withheld_forecasts.c
        query = (
            select(*(column for column in table if column.name != "withheld_at"))
            .where(table.symbol == symbol, table.as_of >= start, table.as_of < end)
            .order_by(table.as_of, table.horizon, table.contestant, table.model_version)
        )
        with transaction(self._engine) as connection:
            return [Withheld(**row._mapping) for row in connection.execute(query)]

    def read_replayed(
        self, symbol: str, horizon: int, contestant: str, *, start: datetime, end: datetime
    ) -> set[datetime]:
        """Read the `as_of` in [start, end) at which a replayed forecast is on the record."""
        query = select(forecasts.c.as_of).where(
            forecasts.c.symbol == symbol,
            forecasts.c.horizon == horizon,
            forecasts.c.contestant == contestant,
            forecasts.c.model_version == REPLAYED_VERSION,
            forecasts.c.as_of >= start,
            forecasts.c.as_of < end,
        )
        with transaction(self._engine) as connection:
            return set(connection.execute(query).scalars())

    def read_shifts(
        self, symbol: str, *, as_of: datetime
    ) -> dict[tuple[int, str], tuple[float, ...]]:
        """Read the shifts with which a symbol's forecasts of the hour `as_of` were issued.

        Returns:
            Shifts, five of them, by horizon and contestant, those of its newest version; what was
            refitted for the record only is left out.
        """
        query = (
            select(forecasts.c.horizon, forecasts.c.contestant, forecasts.c.shifts)
            .where(
                forecasts.c.symbol == symbol,
                forecasts.c.as_of == as_of,
                # the same rows, found by the index over targets
                forecasts.c.target_time > as_of,
                forecasts.c.model_version > REPLAYED_VERSION,
            )
            .order_by(forecasts.c.model_version, forecasts.c.id)
        )
        with transaction(self._engine) as connection:
            rows = connection.execute(query).all()
        return {
            (row.horizon, row.contestant): NO_SHIFTS if row.shifts is None else tuple(row.shifts)
            for row in rows
        }

    def read_first_issued(self, symbol: str) -> datetime | None:
        """Read the `as_of` of the first forecast that was not replayed, or None."""
        query = select(func.min(forecasts.c.as_of)).where(
            forecasts.c.symbol == symbol, forecasts.c.kind != "replayed"
        )
        with transaction(self._engine) as connection:
            first: datetime | None = connection.execute(query).scalar_one()
        return first

    def verify_chain(self, symbol: str) -> int:
        """Recompute every hash of one symbol, first row to last.

        Returns:
            How many rows the chain has.

        Raises:
            LedgerError: A row was changed, removed or put in; the message names the first.
        """
        last, count = FIRST_HASH, 0
        for row_id, link in self._read_chain(symbol):
            is_known_form = link.forecast.hash_form in HASH_FORMS
            is_sound = is_known_form and link.row_hash == hash_forecast(link.forecast, last)
            if link.prev_hash != last or not is_sound:
                raise LedgerError(
                    f"the ledger of {symbol} does not hold at row {row_id} "
                    f"(as of {link.forecast.as_of.isoformat()})",
                    row_id=row_id,
                    rows_before=count,
                )
            last, count = link.row_hash, count + 1
        return count

    def read_symbols(self) -> list[str]:
        """List the symbols that have a chain."""
        query = select(forecasts.c.symbol).distinct().order_by(forecasts.c.symbol)
        with transaction(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def _read_chain(self, symbol: str) -> Iterator[tuple[int, ChainedForecast]]:
        last = 0
        while True:
            query = (
                select(forecasts)
                .where(forecasts.c.symbol == symbol, forecasts.c.id > last)
                .order_by(forecasts.c.id)
                .limit(_VERIFIED_AT_ONCE)
            )
            with transaction(self._engine) as connection:
                rows = connection.execute(query).mappings().all()
            for row in rows:
                yield (
                    row["id"],
                    ChainedForecast(to_forecast(row), row["prev_hash"], row["row_hash"]),
                )
            if len(rows) < _VERIFIED_AT_ONCE:
                return
            last = rows[-1]["id"]


def _read_keys(
    connection: Connection, symbols: Sequence[str], rows: Sequence[Forecast]
) -> set[tuple[Any, ...]]:
    if not rows:
        return set()
    as_ofs = [row.as_of for row in rows]
    query = select(
        forecasts.c.symbol,
        forecasts.c.horizon,
        forecasts.c.contestant,
        forecasts.c.model_version,
        forecasts.c.as_of,
    ).where(forecasts.c.symbol.in_(symbols), forecasts.c.as_of.between(min(as_ofs), max(as_ofs)))
    return {tuple(key) for key in connection.execute(query)}


def _read_last_hashes(connection: Connection, symbols: Sequence[str]) -> dict[str, str]:
    found = connection.execute(read_query("read_last_hashes"), {"symbols": list(symbols)})
    return {row.symbol: row.row_hash for row in found}


def _to_row(link: ChainedForecast) -> dict[str, object]:
    forecast = link.forecast
    values = {name: value for name, value in vars(forecast).items() if name != "quantiles"}
    return {
        **values,
        "shifts": list(forecast.shifts),
        "input_ages": dict(forecast.input_ages),
        **dict(zip(_QUANTILES, forecast.quantiles, strict=True)),
        "target_time": forecast.target_time,
        "prev_hash": link.prev_hash,
        "row_hash": link.row_hash,
    }


def to_forecast(row: RowMapping) -> Forecast:
    """Make the forecast of a row of `forecasts`; rows of form 1 hold neither shifts nor ages."""
    return Forecast(
        symbol=row["symbol"],
        horizon=row["horizon"],
        contestant=row["contestant"],
        model_version=row["model_version"],
        as_of=row["as_of"],
        issued_at=row["issued_at"],
        kind=row["kind"],
        anchor_close=row["anchor_close"],
        sigma=row["sigma"],
        quantiles=tuple(row[name] for name in _QUANTILES),
        shifts=NO_SHIFTS if row["shifts"] is None else tuple(row["shifts"]),
        input_ages=row["input_ages"] or {},
        hash_form=row["hash_form"],
    )
