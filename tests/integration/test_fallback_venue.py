"""A series with a fallback venue, on two stand-ins: who fills an hour, who has the last word."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from builders import START, make_candles
from dirty_market import ingest_once
from ringside.adapters import sources
from ringside.adapters.candle_store import CandleStore
from ringside.adapters.database import make_engine, transaction
from ringside.errors import RateLimitedError, SettingsError, VenueBlockedError
from ringside.jobs.backfill import backfill_candles
from ringside.jobs.ingestion import fetch_window
from ringside.jobs.windows import find_windows, make_window
from ringside_standin.answers import Exchange
from ringside_standin.klines import make_book
from ringside_standin.server import serving

pytestmark = pytest.mark.integration

SYMBOL = "BTC/USDT"
FIRST = START + timedelta(days=40)
"""The first run; what lies before it is the history it loads."""


def serve(candles, clock):
    book = make_book(candles)
    return serving(
        Exchange({("BTCUSDT", "1h"): book}, lambda: int(clock["now"].timestamp() * 1000))
    )


@pytest.fixture
def clock():
    return {"now": FIRST}


@pytest.fixture
def authority(clock):
    with serve(make_candles(45 * 24), clock) as server:
        yield server


@pytest.fixture
def fallback(clock):
    """The same market a little dearer, as another venue sees it."""
    with serve(make_candles(45 * 24, first_price=50_010.0), clock) as server:
        yield server


@pytest.fixture
def chained(settings, authority, fallback, monkeypatch):
    monkeypatch.setattr(sources, "_PAUSES_S", (0.0,))
    return settings.model_copy(
        update={
            "source": "exchange",
            "series_venues": (f"{SYMBOL}=binance>binanceus",),
            "venue_urls": (f"binance={authority.url}", f"binanceus={fallback.url}"),
            "history_days": 30,
        }
    )


def ingest(settings, clock, hours):
    clock["now"] = FIRST + timedelta(hours=hours)
    return ingest_once(settings, clock["now"])


def read_last_venues(settings, count):
    query = text("SELECT venue FROM candles ORDER BY open_time DESC LIMIT :count")
    with transaction(make_engine(settings)) as connection:
        return connection.execute(query, {"count": count}).scalars().all()[::-1]


def test_fallback_fills_in_says_so_and_is_overwritten(chained, clock, authority):
    ingest(chained, clock, 0)
    assert set(read_last_venues(chained, 720)) == {"binance"}

    authority.faults.order("restricted", times=10_000)
    for hours in range(1, 6):
        ingest(chained, clock, hours)
    assert read_last_venues(chained, 7) == ["binance"] * 2 + ["binanceus"] * 5

    authority.faults.clear()
    ingest(chained, clock, 6)
    assert read_last_venues(chained, 12) == ["binance"] * 12
    held = CandleStore(make_engine(chained)).read_candles(SYMBOL, as_of=clock["now"], count=12)
    true = make_candles(45 * 24)
    end = 40 * 24 + 6
    assert held.close.tolist() == true.close[end - 12 : end].tolist()


@pytest.mark.parametrize("fault", ["bad_gateway", "banned", "shut_down", "web_page", "reset"])
def test_each_fault_that_a_fallback_can_help_switches(chained, clock, authority, fault):
    authority.faults.order(fault, times=10_000)
    window = make_window(SYMBOL, FIRST - timedelta(hours=5), FIRST, "test")
    assert fetch_window(chained, window, as_of=FIRST).venue == "binanceus"


def test_fault_that_passes_in_time_does_not_switch(chained, authority):
    authority.faults.order("bad_gateway", times=1)
    window = make_window(SYMBOL, FIRST - timedelta(hours=5), FIRST, "test")
    assert fetch_window(chained, window, as_of=FIRST).venue == "binance"


def test_when_all_are_out_of_reach_the_one_worth_another_try_decides(chained, authority, fallback):
    authority.faults.order("restricted", times=10_000)
    fallback.faults.order("banned", times=10_000)
    window = make_window(SYMBOL, FIRST - timedelta(hours=5), FIRST, "test")
    with pytest.raises(RateLimitedError, match="binanceus"):
        fetch_window(chained, window, as_of=FIRST)


def test_without_a_fallback_nobody_takes_the_place(chained, authority, fallback):
    authority.faults.order("restricted", times=10_000)
    alone = chained.model_copy(update={"series_venues": ()})
    window = make_window(SYMBOL, FIRST - timedelta(hours=5), FIRST, "test")
    with pytest.raises(VenueBlockedError, match="RINGSIDE_SERIES_VENUES"):
        fetch_window(alone, window, as_of=FIRST)
    assert fallback.asked == []


def test_setting_that_would_mix_venues_by_mistake_is_refused_and_nothing_is_written(
    chained, clock, fallback
):
    ingest(chained, clock, 0)
    asked = len(fallback.asked)
    slipped = chained.model_copy(update={"series_venues": (f"{SYMBOL}=binanceus",)})
    with pytest.raises(SettingsError, match=r"holds candles of binance, .*BTC/USDT=binanceus>bin"):
        find_windows(slipped, as_of=FIRST + timedelta(hours=1))
    with pytest.raises(SettingsError, match="holds candles of binance"):
        backfill_candles(slipped, SYMBOL, as_of=FIRST, start=FIRST - timedelta(days=40))
    assert len(fallback.asked) == asked


def test_hours_the_authority_never_had_are_left_to_the_fallback(chained, clock, authority):
    ingest(chained, clock, 0)
    authority.faults.order("restricted", times=10_000)
    ingest(chained, clock, 1)
    authority.faults.clear()
    authority.faults.order("empty", times=10_000, path="klines")
    ingest(chained, clock, 27)
    assert read_last_venues(chained, 1) == ["binanceus"]
    windows = find_windows(chained, as_of=clock["now"])
    assert [window.reason for window in windows] == ["new hours"]
