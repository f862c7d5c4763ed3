"""Candles in and out of PostgreSQL in bulk: COPY as text in, one packed answer out.

Row by row, five years of one symbol cost more than their fetch and their audit together.
"""

from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection as DriverConnection
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Double,
    FromClause,
    LargeBinary,
    cast,
    extract,
    func,
    literal,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from ringside.adapters.audit_suites import VALUES
from ringside.core.candles import Candles

_COPY_RAW = """COPY raw_candles (
    batch_id, row_number, symbol, venue, open_time, open, high, low, close, volume, ingested_at
) FROM STDIN"""
_RECORD = np.dtype([("open_time", ">i8"), *((name, ">f8") for name in VALUES)])
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def copy_raw(
    connection: Connection, batch_id: str, venue: str, candles: Candles, *, ingested_at: datetime
) -> None:
    """Copy a batch into `raw_candles`; it takes part in the transaction. NaN becomes NULL."""
    before, after = (
        "".join(f"\t{text.translate(_ESCAPES)}" for text in (candles.symbol, venue)),
        f"\t{ingested_at.isoformat()}\n",
    )
    name = batch_id.translate(_ESCAPES)
    columns = [_write_column(getattr(candles, column)) for column in VALUES]
    opens = np.datetime_as_string(candles.open_time, unit="s", timezone="UTC").tolist()
    lines = (
        f"{name}\t{number}{before}\t" + "\t".join(values) + after
        for number, values in enumerate(zip(opens, *columns, strict=True))
    )
    with _driver_connection(connection).cursor() as cursor, cursor.copy(_COPY_RAW) as copy:
        copy.write("".join(lines))


def pack_rows(rows: FromClause, *, order_by: str) -> ColumnElement[bytes]:
    """Aggregate candles of a table or query into one value, in the order of a column.

    Fetched as rows, each candle becomes a dozen Python objects; packed, they are read at once.
    """
    record: ColumnElement[Any] = func.int8send(cast(extract("epoch", rows.c.open_time), BigInteger))
    nothing = cast(literal("NaN"), Double)
    for name in VALUES:
        number = func.coalesce(cast(rows.c[name], Double), nothing)
        record = record.op("||")(func.float8send(number))
    between = aggregate_order_by(cast(literal(b""), LargeBinary), rows.c[order_by])
    return func.string_agg(cast(record, LargeBinary), between)


def unpack_rows(symbol: str, packed: bytes | None) -> Candles:
    """Turn packed rows into candles; NULL has become NaN, and no rows come as None."""
    rows = np.frombuffer(packed or b"", dtype=_RECORD)
    values = (rows[name].astype(np.float64) for name in VALUES)
    return Candles(symbol, rows["open_time"].astype(np.int64).astype("datetime64[s]"), *values)


def _write_column(values: NDArray[np.float64]) -> list[str]:
    """Write numbers so that reading them gives the same doubles."""
    texts = [repr(value) for value in values.tolist()]
    for row in np.flatnonzero(np.isnan(values)).tolist():
        texts[row] = r"\N"
    return texts


def _driver_connection(connection: Connection) -> DriverConnection[Any]:
    """Give psycopg's own connection, for COPY; it takes part in the same transaction."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, DriverConnection):
        raise TypeError(f"COPY needs a psycopg connection, got {type(driver).__name__}")
    return driver
