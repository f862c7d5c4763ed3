"""The ledger of forecasts in PostgreSQL, appended to and chained by hash, and its scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, RowMapping, func, select, text
from sqlalchemy.dialects.postgresql import insert

from ringside.adapters.database import transaction
from ringside.adapters.tables import forecasts, scores
from ringside.core.forecasts import (
    FIRST_HASH,
    REPLAYED_VERSION,
    ChainedForecast,
    Forecast,
    chain_forecasts,
    hash_forecast,
)
from ringside.errors import LedgerError

_MATURED = Path(__file__).resolve().parent.parent / "sql" / "read_matured_forecasts.sql"
_QUANTILES = ("q05", "q25", "q50", "q75", "q95")
_VERIFIED_AT_ONCE = 5_000


@dataclass(frozen=True)
class MaturedForecast:
    """A forecast that may be scored, and the close (quote currency) it was to foresee."""

    id: int
    forecast: Forecast
    target_close: float


@dataclass(frozen=True)
class Score:
    """How one forecast did; losses and errors are log returns, `scaled_loss` is unitless."""

    forecast_id: int
    realised_return: float
    loss: float
    scaled_loss: float
    abs_error: float
    is_inside_50: bool
    is_inside_90: bool
    scored_at: datetime


class LedgerStore:
    """Reads and writes `forecasts` and `scores`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def append(self, symbol: str, rows: Sequence[Forecast]) -> int:
        """Add forecasts of one symbol in the order given; those on the record already are left.

        Returns:
            How many were added.
        """
        if not rows:
            return 0
        if any(row.symbol != symbol for row in rows):
            raise ValueError(f"forecasts of another symbol than {symbol} cannot join its chain")
        with transaction(self._engine) as connection:
            # one writer at a time per symbol, or two rows would follow the same one
            name = f"ringside.forecasts.{symbol}"
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
            known = _read_keys(connection, symbol, rows)
            new = [row for row in rows if row.key not in known]
            chained = chain_forecasts(new, _read_last_hash(connection, symbol))
            if chained:
                connection.execute(insert(forecasts), [_to_row(link) for link in chained])
        return len(chained)

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

    def read_first_issued(self, symbol: str) -> datetime | None:
        """Read the `as_of` of the first forecast that was not replayed, or None."""
        query = select(func.min(forecasts.c.as_of)).where(
            forecasts.c.symbol == symbol, forecasts.c.kind != "replayed"
        )
        with transaction(self._engine) as connection:
            first: datetime | None = connection.execute(query).scalar_one()
        return first

    def read_matured(self, symbol: str, *, as_of: datetime) -> list[MaturedForecast]:
        """Read the unscored forecasts whose target candle is published and closed at `as_of`."""
        query = text(_MATURED.read_text(encoding="utf-8"))
        with transaction(self._engine) as connection:
            rows = connection.execute(query, {"symbol": symbol, "as_of": as_of}).mappings()
            return [
                MaturedForecast(row["id"], _to_forecast(row), row["target_close"]) for row in rows
            ]

    def write_scores(self, rows: Sequence[Score]) -> None:
        """Add scores; a forecast that has one keeps it."""
        if not rows:
            return
        with transaction(self._engine) as connection:
            statement = insert(scores).on_conflict_do_nothing()
            connection.execute(statement, [vars(row) for row in rows])

    def verify_chain(self, symbol: str) -> int:
        """Recompute every hash of one symbol, first row to last.

        Returns:
            How many rows the chain has.

        Raises:
            LedgerError: A row was changed, removed or put in; the message names the first.
        """
        last, count = FIRST_HASH, 0
        for row_id, link in self._read_chain(symbol):
            expected = hash_forecast(link.forecast, link.prev_hash)
            if link.prev_hash != last or link.row_hash != expected:
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
                    ChainedForecast(_to_forecast(row), row["prev_hash"], row["row_hash"]),
                )
            if len(rows) < _VERIFIED_AT_ONCE:
                return
            last = rows[-1]["id"]


def _read_keys(
    connection: Connection, symbol: str, rows: Sequence[Forecast]
) -> set[tuple[int, str, int, datetime]]:
    as_ofs = [row.as_of for row in rows]
    query = select(
        forecasts.c.horizon,
        forecasts.c.contestant,
        forecasts.c.model_version,
        forecasts.c.as_of,
    ).where(forecasts.c.symbol == symbol, forecasts.c.as_of.between(min(as_ofs), max(as_ofs)))
    return {(key[0], key[1], key[2], key[3]) for key in connection.execute(query)}


def _read_last_hash(connection: Connection, symbol: str) -> str:
    query = (
        select(forecasts.c.row_hash)
        .where(forecasts.c.symbol == symbol)
        .order_by(forecasts.c.id.desc())
        .limit(1)
    )
    last: str | None = connection.execute(query).scalar_one_or_none()
    return FIRST_HASH if last is None else last


def _to_row(link: ChainedForecast) -> dict[str, object]:
    forecast = link.forecast
    values = {name: value for name, value in vars(forecast).items() if name != "quantiles"}
    return {
        **values,
        **dict(zip(_QUANTILES, forecast.quantiles, strict=True)),
        "target_time": forecast.target_time,
        "prev_hash": link.prev_hash,
        "row_hash": link.row_hash,
    }


def _to_forecast(row: RowMapping) -> Forecast:
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
    )
