"""Two files of real defects, pushed through the real pipeline as if the venue had sent them.

They lie outside the repository and are read in place: `RECORDED_DATA` names their folder.
"""

import os
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from dirty_market import HOUR, DirtyMarket, ingest_once
from ringside.adapters.candle_store import CandleStore
from ringside.adapters.database import make_engine, transaction
from ringside.core.candles import Candles, to_datetime64

DATA = Path(os.environ.get("RECORDED_DATA", "none"))
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not (DATA / "dirty").is_dir(),
        reason="RECORDED_DATA names no folder of recorded data",
    ),
]
VALUES = ("open", "high", "low", "close", "volume")


def read_candles(path):
    import pandas as pd

    frame = pd.read_parquet(path)
    opens = frame["open_time"].dt.tz_localize(None).to_numpy().astype("datetime64[s]")
    return Candles("BTC/USDT", opens, *(frame[name].to_numpy(float) for name in VALUES))


def read_labels(name):
    import pandas as pd

    return pd.read_csv(DATA / "dirty" / f"{name}.labels.csv", parse_dates=["open_time"])


def to_opens(column):
    return column.dt.tz_localize(None).to_numpy().astype("datetime64[s]")


def between(candles, start, end):
    return candles.take((candles.open_time >= start) & (candles.open_time < end))


@pytest.fixture
def series(settings, tmp_path):
    changes = {"source": "file", "source_path": tmp_path, "history_days": 30}
    return settings.model_copy(update=changes)


def push(series, monkeypatch, market, instants):
    monkeypatch.setattr("ringside.adapters.sources.make_sources", lambda *_: (market,))
    for as_of in instants:
        ingest_once(series, as_of)


def read_published(series, end):
    return CandleStore(make_engine(series)).read_candles("BTC/USDT", as_of=end)


def assert_same_values(published, expected):
    places = np.searchsorted(published.open_time, expected.open_time)
    np.testing.assert_array_equal(published.open_time[places], expected.open_time)
    for name in VALUES:
        np.testing.assert_array_equal(
            getattr(published, name)[places], getattr(expected, name), err_msg=name
        )


@pytest.mark.parametrize("mended_after_h", [3, 72])
def test_every_frozen_candle_ends_with_its_final_values(series, monkeypatch, mended_after_h):
    name = "btcusdt_1h_frozen_partial_candles"
    stored, labels = read_candles(DATA / "dirty" / f"{name}.parquet"), read_labels(name)
    frozen = to_opens(labels["open_time"])
    assert len(frozen) == 12
    end = datetime.fromisoformat("2025-11-07T00:00:00+00:00")
    true = between(
        read_candles(DATA / "btcusdt_1h.parquet"), np.datetime64("2025-08-30"), to_datetime64(end)
    )
    mended = np.where(
        np.isin(stored.open_time, frozen),
        stored.open_time + np.timedelta64(mended_after_h, "h"),
        np.datetime64("1970-01-01"),
    )
    none = np.array([], dtype="datetime64[s]")
    market = DirtyMarket(true, stored, mended, none, none)
    # Its collector ran once a day, in the half-finished hour; ours is run right after it, and in
    # the first hour of each day.
    runs = [moment.to_pydatetime() + HOUR + timedelta(minutes=1) for moment in labels["open_time"]]
    days = [runs[0].replace(hour=0) + timedelta(days=day) for day in range(1, (end - runs[0]).days)]
    push(series, monkeypatch, market, [*sorted({*runs, *days}), end])
    published = read_published(series, end)
    finals = true.take(np.isin(true.open_time, frozen))
    assert_same_values(published, finals)
    with transaction(make_engine(series)) as connection:
        seen = connection.execute(
            text(
                "SELECT count(DISTINCT open_time) FROM raw_candles WHERE (open_time, close) IN "
                "(SELECT * FROM unnest(CAST(:opens AS timestamptz[]), CAST(:closes AS numeric[])))"
            ),
            {
                "opens": list(labels["open_time"].dt.to_pydatetime()),
                "closes": labels["seen_close"].tolist(),
            },
        ).scalar_one()
    assert seen == 12


def test_no_foreign_row_is_published_and_lost_rows_are_fetched(series, monkeypatch):
    name = "btcusdt_1h_venue_switch"
    stored, labels = read_candles(DATA / "dirty" / f"{name}.parquet"), read_labels(name)
    opens = to_opens(labels["open_time"])
    is_lost = (labels["reason"] == "missing").to_numpy()
    foreign, lost = opens[~is_lost], opens[is_lost]
    known = read_candles(DATA / "btcusdt_1h.parquet")
    last_true = known.open_time[-1]
    # Beyond the true file's end only the dirty file is left: its foreign rows stay for ever.
    tail = stored.take(stored.open_time > last_true)
    true = between(known, np.datetime64("2026-05-01"), last_true + np.timedelta64(1, "h"))
    true = Candles(
        "BTC/USDT",
        *(
            np.concatenate([getattr(true, each), getattr(tail, each)])
            for each in ("open_time", *VALUES)
        ),
    )
    mended = np.where(
        np.isin(stored.open_time, foreign),
        stored.open_time + np.timedelta64(40, "h"),
        np.datetime64("1970-01-01"),
    )
    market = DirtyMarket(true, stored, mended, lost, lost + np.timedelta64(40, "h"))
    first = datetime.fromisoformat("2026-06-15T09:01:00+00:00")
    end = datetime.fromisoformat("2026-08-23T09:01:00+00:00")
    days = (end - first).days + 1
    push(series, monkeypatch, market, [first + timedelta(days=day) for day in range(days)])
    published = read_published(series, end)
    is_provable = true.open_time <= last_true
    assert_same_values(published, true.take(is_provable & (true.open_time >= to_datetime64(first))))
    # Nobody knows the truth of these, so none of them may pass.
    inferred = foreign[foreign > last_true]
    assert len(inferred) > 100
    assert np.intersect1d(published.open_time, inferred).tolist() == []
    own = tail.open_time[~np.isin(tail.open_time, foreign)]
    assert np.setdiff1d(own, published.open_time).tolist() == []
