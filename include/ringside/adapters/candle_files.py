"""The source `file`: a folder of hourly candles, one Parquet or CSV file per series."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import HOUR, Candles, Floats, Times, to_datetime, to_datetime64
from ringside.errors import CandleDataError, SettingsError

if TYPE_CHECKING:
    import pyarrow as pa

_TIME = "open_time"
_VALUES = ("open", "high", "low", "close", "volume")
_COLUMNS = (_TIME, *_VALUES)
_SUFFIXES = (".parquet", ".csv")
# Epoch milliseconds from 1973 to 5138; seconds and microseconds of our time lie outside.
_MS_FROM, _MS_TO = 10**11, 10**14


class CandleFileSource:
    """Candles of a folder: `BTC/USDT` is read from `btcusdt_1h.parquet` or `btcusdt_1h.csv`.

    The columns are open_time, open, high, low, close and volume. `open_time` is UTC: a timestamp,
    ISO text, or whole milliseconds since 1970. A missing price is null.
    """

    venue = "file"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_path(self, symbol: str) -> Path | None:
        """Find the file of a series; None when the folder has none, Parquet before CSV."""
        stem = symbol.replace("/", "").lower() + "_1h"
        paths = (self._folder / f"{stem}{suffix}" for suffix in _SUFFIXES)
        return next((path for path in paths if path.is_file()), None)

    def fetch(self, symbol: str, start: datetime, end: datetime, as_of: datetime) -> Candles:
        """Read open times in [start, end) that had closed at `as_of`, in the file's order.

        The candle forming at `as_of` is left out: the file knows how it ended, `as_of` does not.

        Raises:
            SettingsError: the folder has no file of `symbol`.
            CandleDataError: the file is damaged, empty, or lacks a column or its type.
        """
        path = self._require_path(symbol)
        with _mapped_errors(path):
            open_time = _read_times(path)
            is_asked = (open_time >= to_datetime64(start)) & (open_time < to_datetime64(end))
            rows = np.flatnonzero(is_asked & (open_time + HOUR <= to_datetime64(as_of)))
            table = _read_columns(path, _VALUES, rows)
            values = {name: _to_floats(table.column(name)) for name in _VALUES}
        return Candles(symbol, open_time[rows], **values)

    def last_known(self, symbol: str) -> datetime | None:
        """Give the close time of the last candle in the file.

        Raises:
            SettingsError: the folder has no file of `symbol`.
            CandleDataError: the file is damaged, empty, or lacks a column or its type.
        """
        path = self._require_path(symbol)
        with _mapped_errors(path):
            return to_datetime(_read_times(path).max() + HOUR)

    def describe(self) -> str:
        """Name the folder."""
        return f"candle files in {self._folder.resolve()}"

    def _require_path(self, symbol: str) -> Path:
        """Find the file of a series or say which names were looked for."""
        path = self.find_path(symbol)
        if path is None:
            stem = symbol.replace("/", "").lower() + "_1h"
            raise SettingsError(
                f"{self._folder} holds no {stem}.parquet or {stem}.csv for {symbol}; "
                "set RINGSIDE_SOURCE_PATH to the folder that does, or RINGSIDE_SERIES"
            )
        return path


@contextmanager
def _mapped_errors(path: Path) -> Iterator[None]:
    """Turn Arrow's and the system's errors into one that names the file and the remedy."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise _refuse(path, f"cannot be read: {lines[0][:200]}") from error


def _refuse(path: Path, reason: str) -> CandleDataError:
    """Make the error that names the file, what is wrong, and what to do."""
    return CandleDataError(
        f"{path} {reason}. Put back a whole file with the columns {', '.join(_COLUMNS)} "
        "(open_time in UTC), or choose another source",
        path=str(path),
    )


def _read_columns(
    path: Path, names: tuple[str, ...], rows: NDArray[np.intp] | None = None
) -> "pa.Table":
    """Read columns and, where `rows` are named, only those: of Parquet only their row groups."""
    import pyarrow as pa
    import pyarrow.csv as arrow_csv
    import pyarrow.parquet as parquet

    if path.suffix == ".csv":
        table = arrow_csv.read_csv(path)
        _require_columns(path, table.schema)
        table = table.select(names)
        return table if rows is None else table.take(pa.array(rows))
    with parquet.ParquetFile(path) as file:
        _require_columns(path, file.schema_arrow)
        if rows is None:
            return file.read(columns=list(names))
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        first_rows = np.concatenate(([0], np.cumsum(sizes)))
        group_of_row = np.searchsorted(first_rows, rows, side="right") - 1
        groups, place = np.unique(group_of_row, return_inverse=True)
        # where each group read begins in the table, in place of where it begins in the file
        begins = np.concatenate(([0], np.cumsum(np.array(sizes)[groups])))[place]
        table = file.read_row_groups(groups.tolist(), columns=list(names))
        return table.take(pa.array(rows - first_rows[group_of_row] + begins))


def _require_columns(path: Path, schema: "pa.Schema") -> None:
    """Refuse a file that lacks one of the six columns, or has something else than numbers."""
    import pyarrow as pa

    missing = [name for name in _COLUMNS if name not in schema.names]
    if missing:
        raise _refuse(path, f"lacks the column {', '.join(missing)}")
    are_numbers = (
        pa.types.is_floating,
        pa.types.is_integer,
        pa.types.is_decimal,
        pa.types.is_null,
    )
    for name in _VALUES:
        kind = schema.field(name).type
        if not any(is_number(kind) for is_number in are_numbers):
            raise _refuse(path, f"has no numbers but {kind} in the column {name}")


def _read_times(path: Path) -> Times:
    """Read every open time, `datetime64[s]` in UTC, shape (n,), n at least 1."""
    column = _read_columns(path, (_TIME,)).column(_TIME)
    if not len(column):
        raise _refuse(path, "holds no candle")
    if column.null_count:
        raise _refuse(path, f"has {column.null_count} rows without open_time")
    return _to_times(column, path)


def _to_times(column: "pa.ChunkedArray", path: Path) -> Times:
    """Turn timestamps, ISO text or epoch milliseconds into `datetime64[s]` in UTC, shape (n,)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        texts = column.to_pylist()
        return np.array([_parse_iso(text, path) for text in texts], dtype="datetime64[s]")
    if pa.types.is_integer(column.type):
        epoch_ms = column.to_numpy().astype(np.int64)
        if ((epoch_ms <= _MS_FROM) | (epoch_ms >= _MS_TO)).any():
            raise _refuse(path, "has an open_time that is no count of milliseconds since 1970")
        return _cut_to_seconds(epoch_ms)
    if pa.types.is_timestamp(column.type):
        return _cut_to_seconds(pc.cast(column, pa.timestamp("ms"), safe=False).to_numpy())
    raise _refuse(path, f"has open_time of type {column.type}")


def _cut_to_seconds(instants_ms: NDArray[np.int64] | Times) -> Times:
    """Cut milliseconds since 1970, as numbers or instants, down to `datetime64[s]`."""
    return (instants_ms.astype(np.int64) // 1000).astype("datetime64[s]")


def _parse_iso(text: str, path: Path) -> datetime:
    """Read one ISO text; without a time zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _refuse(path, f"has the open_time {text!r}, which is no ISO time") from error
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _to_floats(column: "pa.ChunkedArray") -> Floats:
    """Turn a column of numbers into float64, shape (n,); null becomes NaN."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values: Floats = pc.cast(column, pa.float64(), safe=False).to_numpy()
    return values
