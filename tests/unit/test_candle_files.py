from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet
import pytest

from builders import START, make_candles, write_candle_file
from ringside.adapters.candle_files import CandleFileSource
from ringside.core.candles import to_datetime64
from ringside.errors import CandleDataError, SettingsError

END = START + timedelta(hours=24)
LATER = START + timedelta(days=365)
VALUES = ("open", "high", "low", "close", "volume")
HEADER = "open_time,open,high,low,close,volume\n"


def make_table(candles, open_time=None, **changed):
    columns = {name: pa.array(getattr(candles, name)) for name in VALUES}
    times = pa.array(candles.open_time).cast(pa.timestamp("ms", tz="UTC"))
    return pa.table({"open_time": times if open_time is None else open_time, **columns, **changed})


def write_parquet(table, folder, **options):
    parquet.write_table(table, folder / "btcusdt_1h.parquet", **options)
    return CandleFileSource(folder)


def to_epoch(candles, per_second):
    return candles.open_time.astype(np.int64) * per_second


FORMS = {
    "timestamp with zone": lambda c: pa.array(c.open_time).cast(pa.timestamp("us", tz="UTC")),
    "timestamp of another zone": lambda c: pa.array(c.open_time).cast(
        pa.timestamp("ns", tz="Asia/Seoul")
    ),
    "timestamp without zone": lambda c: pa.array(c.open_time),
    "epoch milliseconds": lambda c: pa.array(to_epoch(c, 1000)),
    "text with Z": lambda c: pa.array([f"{t}Z" for t in c.open_time]),
    "text with an offset": lambda c: pa.array(
        [str(t + np.timedelta64(9, "h")).replace("T", " ") + "+09:00" for t in c.open_time]
    ),
    "text without zone": lambda c: pa.array([str(t) for t in c.open_time]),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_every_form_of_open_time_reads_as_the_same_hours(tmp_path, form, suffix):
    candles = make_candles(24)
    table = make_table(candles, open_time=FORMS[form](candles))
    if suffix == ".parquet":
        write_parquet(table, tmp_path)
    else:
        arrow_csv.write_csv(table, tmp_path / "btcusdt_1h.csv")

    read = CandleFileSource(tmp_path).fetch(
        "BTC/USDT", START + timedelta(hours=3), START + timedelta(hours=6), LATER
    )

    np.testing.assert_array_equal(read.open_time, candles.open_time[3:6])
    for name in VALUES:
        np.testing.assert_array_equal(getattr(read, name), getattr(candles, name)[3:6])


def test_candle_forming_at_as_of_is_not_told_how_it_ends(tmp_path):
    write_candle_file(make_candles(24), tmp_path)
    as_of = START + timedelta(hours=10, minutes=59)
    read = CandleFileSource(tmp_path).fetch("BTC/USDT", START, END, as_of)
    assert read.close_time[-1] == to_datetime64(START + timedelta(hours=10))


def test_only_the_row_groups_of_the_window_are_read(tmp_path):
    # the damaged group would raise if it were touched
    candles = make_candles(24)
    source = write_parquet(make_table(candles), tmp_path, row_group_size=12, compression="zstd")
    path = tmp_path / "btcusdt_1h.parquet"
    meta = parquet.ParquetFile(path).metadata
    damaged = bytearray(path.read_bytes())
    for column in range(1, 6):
        chunk = meta.row_group(1).column(column)
        start = chunk.dictionary_page_offset or chunk.data_page_offset
        damaged[start : start + chunk.total_compressed_size] = bytes(chunk.total_compressed_size)
    path.write_bytes(damaged)

    assert len(source.fetch("BTC/USDT", START, START + timedelta(hours=12), LATER)) == 12
    with pytest.raises(CandleDataError, match="cannot be read"):
        source.fetch("BTC/USDT", START, END, LATER)


def test_missing_price_is_nan_and_decimals_are_numbers(tmp_path):
    candles = make_candles(3)
    close = pa.array([Decimal("50000.10"), None, Decimal("50000.30")])
    read = write_parquet(make_table(candles, close=close), tmp_path).fetch(
        "BTC/USDT", START, END, LATER
    )
    np.testing.assert_array_equal(read.close, [50000.10, np.nan, 50000.30])


def test_window_without_rows_is_empty_not_an_error(tmp_path):
    source = write_parquet(make_table(make_candles(3)), tmp_path)
    assert len(source.fetch("BTC/USDT", LATER, LATER + timedelta(hours=5), LATER)) == 0


def test_data_end_when_the_newest_candle_closes_wherever_it_stands(tmp_path):
    candles = make_candles(24)
    source = write_parquet(make_table(candles.take(slice(None, None, -1))), tmp_path)
    assert source.last_known("BTC/USDT") == END


def write_text(folder, text):
    (folder / "btcusdt_1h.csv").write_text(text)


def write_truncated(folder):
    path = write_candle_file(make_candles(24), folder)
    path.write_bytes(path.read_bytes()[:-40])


DAMAGES = {
    "truncated Parquet": (write_truncated, "cannot be read"),
    "no bytes": (lambda f: (f / "btcusdt_1h.parquet").touch(), "cannot be read"),
    "no bytes of CSV": (lambda f: write_text(f, ""), "cannot be read"),
    "no rows": (lambda f: write_text(f, HEADER), "holds no candle"),
    "column missing": (
        lambda f: write_parquet(make_table(make_candles(3)).drop_columns(["low", "volume"]), f),
        "lacks the column low, volume",
    ),
    "text for a price": (
        lambda f: write_text(f, HEADER + "2025-01-01T00:00:00Z,1,2,n.a.,1,5\n"),
        "no numbers but string in the column low",
    ),
    "text for a time": (
        lambda f: write_text(f, HEADER + "yesterday,1,2,1,1,5\n"),
        "'yesterday', which is no ISO time",
    ),
    "epoch seconds": (
        lambda f: write_parquet(
            make_table(make_candles(3), open_time=pa.array(to_epoch(make_candles(3), 1))), f
        ),
        "no count of milliseconds",
    ),
    "epoch microseconds": (
        lambda f: write_parquet(
            make_table(make_candles(3), open_time=pa.array(to_epoch(make_candles(3), 10**6))), f
        ),
        "no count of milliseconds",
    ),
    "time missing": (
        lambda f: write_parquet(make_table(make_candles(2), open_time=pa.array([START, None])), f),
        "1 rows without open_time",
    ),
    "time a fraction": (
        lambda f: write_parquet(make_table(make_candles(2), open_time=pa.array([1.5, 2.5])), f),
        "open_time of type double",
    ),
}


@pytest.mark.parametrize(
    "ask",
    [
        lambda source: source.fetch("BTC/USDT", datetime(2020, 1, 1, tzinfo=UTC), LATER, LATER),
        lambda source: source.last_known("BTC/USDT"),
    ],
    ids=["fetch", "last_known"],
)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_file_is_named_with_what_is_wrong_and_what_to_do(tmp_path, damage, ask):
    write, reason = DAMAGES[damage]
    write(tmp_path)
    source = CandleFileSource(tmp_path)

    with pytest.raises(CandleDataError) as caught:
        ask(source)

    assert f"{tmp_path}/btcusdt_1h." in str(caught.value)
    assert reason in str(caught.value)
    assert "Put back a whole file" in str(caught.value)


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_series_without_a_file_says_which_names_were_looked_for(tmp_path, folder):
    with pytest.raises(SettingsError, match=r"no ethusdt_1h\.parquet or ethusdt_1h\.csv"):
        CandleFileSource(tmp_path / folder).fetch("ETH/USDT", START, END, LATER)
