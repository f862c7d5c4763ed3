"""Defects that real collectors stored, planted in the simulated market."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import text

from dirty_market import HOUR, DirtyMarket, ingest_once
from ringside.adapters.candle_store import CandleStore
from ringside.adapters.database import make_engine, transaction
from ringside.core.market_simulation import simulate_market

pytestmark = pytest.mark.integration

START = datetime(2025, 9, 1, tzinfo=UTC)
FIRST = START + timedelta(days=32)
DAYS = 4


@pytest.fixture
def series(settings):
    return settings.model_copy(update={"source": "simulated", "history_days": 30})


@pytest.fixture
def true_candles():
    end = FIRST + timedelta(days=DAYS + 2)
    return simulate_market(7, "BTC/USDT").show(START, end, end)


def pick(candles, opens):
    times = np.array([moment.replace(tzinfo=None) for moment in opens], dtype="datetime64[s]")
    return candles.take(np.isin(candles.open_time, times))


def push(series, monkeypatch, market, *, step_h=8):
    """Run the pipeline every `step_h` hours, a minute past, to two days after the last defect."""
    monkeypatch.setattr("ringside.adapters.sources.make_sources", lambda *_: (market,))
    for hours in range(0, (DAYS + 2) * 24, step_h):
        ingest_once(series, FIRST + hours * HOUR + timedelta(minutes=1))


def read_published(series):
    store = CandleStore(make_engine(series))
    return store.read_candles("BTC/USDT", as_of=FIRST + timedelta(days=DAYS + 2))


def assert_true(series, true_candles):
    published = read_published(series)
    expected = true_candles.take(np.isin(true_candles.open_time, published.open_time))
    assert len(published) == len(expected)
    for name in ("open_time", "open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(published, name), getattr(expected, name))
    return published


def make_market(true_candles, *, stored=None, mended=(), lost=(), lost_until=()):
    empty = true_candles.take(slice(0, 0))
    return DirtyMarket(
        true_candles,
        empty if stored is None else stored,
        np.array(mended, dtype="datetime64[s]"),
        np.array(lost, dtype="datetime64[s]"),
        np.array(lost_until, dtype="datetime64[s]"),
        venue="simulated",
    )


def test_candles_frozen_while_forming_end_with_their_final_values(
    series, true_candles, monkeypatch
):
    opens = [FIRST + timedelta(days=day, hours=-1) for day in range(DAYS)]
    final = pick(true_candles, opens)
    middle = (final.open + final.close) / 2
    frozen = replace(
        final,
        close=middle,
        high=np.maximum(final.open, middle),
        low=np.minimum(final.open, middle),
        volume=final.volume * 0.3,
    )
    mended = final.open_time + np.timedelta64(3, "h")
    push(series, monkeypatch, make_market(true_candles, stored=frozen, mended=mended))
    published = assert_true(series, true_candles)
    assert np.isin(final.open_time, published.open_time).all()


def test_rows_of_another_venue_are_never_published(series, true_candles, monkeypatch):
    opens = [FIRST + timedelta(days=day) for day in range(DAYS)]
    final = pick(true_candles, opens)
    prices = {name: getattr(final, name) * 0.9993 for name in ("open", "high", "low", "close")}
    foreign = replace(final, volume=final.volume * 0.07, **prices)
    mended = final.open_time + np.timedelta64(30, "h")
    push(series, monkeypatch, make_market(true_candles, stored=foreign, mended=mended))
    published = assert_true(series, true_candles)
    assert np.isin(final.open_time, published.open_time).all()
    with transaction(make_engine(series)) as connection:
        query = "SELECT DISTINCT open_time FROM quarantined_candles ORDER BY 1"
        assert connection.execute(text(query)).scalars().all() == opens


def test_hours_lost_around_midnight_are_found_and_fetched(series, true_candles, monkeypatch):
    opens = [FIRST + timedelta(days=day) for day in range(DAYS)]
    lost = pick(true_candles, opens).open_time
    lost_until = lost + np.timedelta64(20, "h")
    push(series, monkeypatch, make_market(true_candles, lost=lost, lost_until=lost_until))
    published = assert_true(series, true_candles)
    assert np.isin(lost, published.open_time).all()
    with transaction(make_engine(series)) as connection:
        assert connection.execute(text("SELECT * FROM outage_hours")).all() == []
