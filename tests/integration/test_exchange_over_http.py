"""The real ccxt client against the stand-in exchange: paging, clock, and every way to fail."""

from datetime import timedelta
from time import monotonic

import httpx
import pytest

from builders import START, make_candles
from ringside.adapters import exchange
from ringside.adapters.exchange import ExchangeSource, find_fault
from ringside.errors import (
    RateLimitedError,
    SettingsError,
    SourceUnavailableError,
    VenueBlockedError,
)
from ringside_standin.answers import Exchange
from ringside_standin.faults import FAULTS
from ringside_standin.klines import make_book
from ringside_standin.server import serving

pytestmark = pytest.mark.integration

HOURS = 1_500
NOW = START + timedelta(hours=HOURS - 1, minutes=20)


@pytest.fixture(scope="module")
def candles():
    return make_candles(HOURS)


@pytest.fixture
def venue(candles):
    book = make_book(candles)
    with serving(
        Exchange({("BTCUSDT", "1h"): book}, lambda: int(NOW.timestamp() * 1000))
    ) as server:
        yield server


def fetch(venue, hours, symbol="BTC/USDT", *, as_of=None, **options):
    source = ExchangeSource("binance", stand_in=venue.url, **options)
    end = START + timedelta(hours=hours)
    return source.fetch(symbol, START, end, as_of or end)


def paths_of(venue):
    return [asked.partition("?")[0].rpartition("/")[2] for asked in venue.asked]


def test_two_pages_arrive_whole_with_the_venues_numbers(venue, candles):
    fetched = fetch(venue, 1_200)
    for name in ("open_time", "open", "high", "low", "close", "volume"):
        assert getattr(fetched, name).tolist() == getattr(candles, name)[:1_200].tolist()
    assert paths_of(venue) == ["exchangeInfo", "time", "klines", "klines"]


def test_half_of_the_announced_weight_is_used_and_then_the_next_minute_is_waited_for(
    candles, monkeypatch
):
    now_ms = [int(NOW.timestamp() * 1000)]
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        now_ms[0] += 60_000

    monkeypatch.setattr(exchange, "sleep", pause)
    book = Exchange({("BTCUSDT", "1h"): make_book(candles)}, lambda: now_ms[0], weight_limit=44)
    with serving(book) as server:
        assert len(fetch(server, 1_200)) == 1_200
    assert len(pauses) == 1
    assert 0 < pauses[0] <= 60


def test_forming_candle_is_left_out_even_when_our_clock_runs_ahead(venue):
    fetched = fetch(venue, HOURS, as_of=NOW + timedelta(days=1))
    assert len(fetched) == HOURS - 1


def test_symbol_that_is_not_traded_is_a_matter_of_settings(venue):
    with pytest.raises(SettingsError, match="binance does not trade NIL/USDT"):
        fetch(venue, 5, "NIL/USDT")


REACTIONS = {
    "too_many_requests": RateLimitedError,
    "banned": RateLimitedError,
    "restricted": VenueBlockedError,
    "blocked": VenueBlockedError,
    "shut_down": VenueBlockedError,
    "internal_error": SourceUnavailableError,
    "bad_gateway": SourceUnavailableError,
    "maintenance": SourceUnavailableError,
    "web_page": SourceUnavailableError,
    "truncated": SourceUnavailableError,
    "slow": SourceUnavailableError,
    "reset": SourceUnavailableError,
}
BENIGN = {"empty", "duplicate_rows", "unsorted_rows"}


def test_every_fault_of_the_stand_in_has_its_reaction_here():
    assert set(REACTIONS) | BENIGN == set(FAULTS)


@pytest.mark.parametrize("path", ["klines", "exchangeInfo"])
@pytest.mark.parametrize("fault", REACTIONS)
def test_each_way_to_fail_has_its_reaction(venue, monkeypatch, path, fault):
    monkeypatch.setattr(exchange, "_DEADLINE_S", 1.0)
    venue.faults.order(fault, times=9, path=path, retry_after_s=300)
    with pytest.raises(REACTIONS[fault], match="binance") as caught:
        fetch(venue, 5)
    assert type(caught.value) is REACTIONS[fault]
    if REACTIONS[fault] is RateLimitedError:
        assert caught.value.retry_after_s == pytest.approx(300, abs=2)


def test_short_wait_that_the_venue_asks_for_is_kept_and_then_it_answers(venue):
    venue.faults.order("too_many_requests", times=1, path="klines", retry_after_s=1)
    begun = monotonic()
    assert len(fetch(venue, 5)) == 5
    assert monotonic() - begun >= 1


def test_fault_that_passes_within_the_pauses_is_not_seen(venue):
    venue.faults.order("bad_gateway", times=2, path="klines")
    assert len(fetch(venue, 5, pauses_s=(0.0, 0.0))) == 5


def test_outage_that_answers_with_nothing_is_no_candle_and_no_error(venue):
    venue.faults.order("empty", path="klines")
    assert len(fetch(venue, 5)) == 0


@pytest.mark.parametrize("fault", ["duplicate_rows", "unsorted_rows"])
def test_rows_twice_or_out_of_order_arrive_once_and_in_order(venue, candles, fault):
    venue.faults.order(fault, times=9, path="klines")
    fetched = fetch(venue, 50)
    assert fetched.open_time.tolist() == candles.open_time[:50].tolist()
    assert fetched.close.tolist() == candles.close[:50].tolist()


def test_nobody_listening_is_worth_another_try():
    source = ExchangeSource("binance", stand_in="http://127.0.0.1:9")
    with pytest.raises(SourceUnavailableError, match="binance did not answer"):
        source.fetch("BTC/USDT", START, START + timedelta(hours=2), START + timedelta(hours=2))


def test_one_cheap_request_tells_whether_the_venue_is_at_hand(venue):
    assert find_fault("binance", timeout_s=4, stand_in=venue.url) is None
    assert paths_of(venue) == ["time"]


def test_blocked_venue_is_not_at_hand(venue):
    venue.faults.order("restricted")
    fault = find_fault("binance", timeout_s=4, stand_in=venue.url)
    assert fault.startswith("binance refuses us")
    assert "451" in fault


def test_faults_are_ordered_over_http_too(venue):
    control = f"{venue.url}/stand-in/faults"
    assert httpx.post(control, json={"fault": "banned"}).json() == {"ordered": "banned"}
    answer = httpx.get(f"{venue.url}/api/v3/ping")
    assert (answer.status_code, answer.headers["Retry-After"]) == (418, "120")
    assert httpx.get(f"{venue.url}/api/v3/ping").json() == {}
    assert httpx.post(control, json={"fault": "flood"}).status_code == 400
    assert httpx.get(f"{venue.url}/stand-in/requests").json() == ["/api/v3/ping", "/api/v3/ping"]


def test_naive_instants_are_refused(venue):
    source = ExchangeSource("binance", stand_in=venue.url)
    with pytest.raises(ValueError, match="a time zone is needed"):
        source.fetch("BTC/USDT", START.replace(tzinfo=None), NOW, NOW)
