from datetime import UTC, datetime, timedelta
from threading import Event

import ccxt
import numpy as np
import pytest

from ringside.adapters.exchange import ExchangeSource, find_fault, make_client
from ringside.errors import RateLimitedError, SettingsError, SourceUnavailableError

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR_MS = 3_600_000
START_MS = int(START.timestamp()) * 1000
LATER_MS = START_MS + 100_000 * HOUR_MS


class FakeClient:
    """ccxt's client with `hours` candles; both edges of a page belong to it, as on Binance."""

    def __init__(self, hours, *, missing=(), errors=(), time_error=None, page=1_000, now=LATER_MS):
        self.rows = [
            [START_MS + hour * HOUR_MS, 1.0 + hour, 2.0 + hour, hour, 1.5 + hour, 10.0]
            for hour in range(hours)
            if hour not in missing
        ]
        self.has = {"fetchTime": True}
        self.features = {"spot": {"fetchOHLCV": {"limit": page}}}
        self.last_json_response = []
        self.asked = []
        self.errors = list(errors)
        self.time_error = time_error
        self.now = now

    def load_markets(self):
        return {"BTC/USDT": {}}

    def fetch_ohlcv(self, symbol, timeframe, *, since, limit, params):
        self.asked.append((symbol, timeframe, since, limit))
        if self.errors:
            raise self.errors.pop(0)
        until = params["until"]
        rows = [row for row in self.rows if since <= row[0] <= until]
        return sorted(rows, key=lambda row: row[0])[:limit]  # as ccxt does

    def fetch_time(self):
        if self.time_error is not None:
            raise self.time_error
        return self.now


def fetch(client, hours, *, as_of=None, **options):
    end = START + timedelta(hours=hours)
    source = ExchangeSource("binance", client, **options)
    return source.fetch("BTC/USDT", START, end, as_of or end)


def hours_of(candles):
    return ((candles.open_time.astype(int) - START_MS // 1000) // 3_600).tolist()


def test_pages_join_without_a_doubled_or_a_lost_candle():
    client = FakeClient(2_600)
    candles = fetch(client, 2_500)
    assert hours_of(candles) == list(range(2_500))
    assert candles.close.tolist() == [1.5 + hour for hour in range(2_500)]
    assert len(client.asked) == 3


def test_pages_are_as_long_as_the_venue_gives():
    client = FakeClient(700, page=300)
    assert hours_of(fetch(client, 700)) == list(range(700))
    assert [limit for *_, limit in client.asked] == [300, 300, 100]


def test_candles_behind_an_outage_longer_than_a_page_are_found():
    candles = fetch(FakeClient(3_000, missing=range(990, 2_400)), 3_000)
    assert hours_of(candles) == [*range(990), *range(2_400, 3_000)]


def test_the_venues_clock_says_what_is_closed():
    client = FakeClient(48, now=START_MS + 5 * HOUR_MS - 1)
    assert hours_of(fetch(client, 48)) == [0, 1, 2, 3]


def test_venue_without_a_time_to_ask_for_stamps_its_answers():
    client = FakeClient(48)
    client.has = {"fetchTime": None}
    client.last_response_headers = {"Date": "Wed, 01 Jan 2025 03:00:00 GMT"}
    assert hours_of(fetch(client, 48)) == [0, 1, 2]


def test_nothing_is_asked_of_hours_after_as_of():
    client = FakeClient(48)
    assert len(fetch(client, 48, as_of=START - timedelta(hours=1))) == 0
    assert client.asked == []


def test_row_sent_twice_counts_once_and_order_does_not_matter():
    client = FakeClient(5)
    client.rows = [client.rows[hour] for hour in (4, 2, 3, 2, 1, 0)]
    assert hours_of(fetch(client, 5)) == [0, 1, 2, 3, 4]


def test_rows_that_contradict_each_other_are_left_to_the_audit():
    client = FakeClient(3)
    client.rows.append([*client.rows[1][:4], 99.0, 10.0])
    assert hours_of(fetch(client, 3)) == [0, 1, 1, 2]


def test_value_the_venue_did_not_send_is_nan():
    client = FakeClient(2)
    client.rows[1][5] = None
    np.testing.assert_array_equal(fetch(client, 2).volume, [10.0, np.nan])


def test_fault_is_given_as_many_pauses_as_were_granted():
    faults = [ccxt.NetworkError("reset"), ccxt.NetworkError("reset")]
    assert len(fetch(FakeClient(2, errors=faults), 2, pauses_s=(0.0, 0.0))) == 2
    with pytest.raises(SourceUnavailableError):
        fetch(FakeClient(2, errors=faults), 2, pauses_s=(0.0,))


def test_wait_without_a_length_is_not_guessed():
    with pytest.raises(RateLimitedError):
        fetch(FakeClient(2, errors=[ccxt.RateLimitExceeded("10006")]), 2, pauses_s=(0.0,))


def test_answer_that_is_no_list_of_candles_is_worth_another_try():
    client = FakeClient(2)
    client.fetch_ohlcv = lambda *_, **__: [[None, 1.0]]
    with pytest.raises(SourceUnavailableError, match="but not with BTC/USDT"):
        fetch(client, 2)


def test_unknown_venue_is_refused():
    with pytest.raises(SettingsError, match="RINGSIDE_VENUE"):
        make_client("atlantis")


def test_stand_in_takes_the_place_only_of_a_venue_whose_language_it_speaks():
    assert make_client("binance", stand_in="http://127.0.0.1:1").urls["api"]["public"] == (
        "http://127.0.0.1:1/api/v3"
    )
    with pytest.raises(SettingsError, match="RINGSIDE_VENUE_URLS"):
        make_client("kraken", stand_in="http://127.0.0.1:1")


def test_venue_that_answers_has_no_fault():
    assert find_fault("binance", timeout_s=4, client=FakeClient(0)) is None


def test_fault_names_venue_and_cause():
    client = FakeClient(0, time_error=ccxt.ExchangeNotAvailable("binance 502\n<html>"))
    fault = find_fault("binance", timeout_s=4, client=client)
    assert fault == "binance did not answer: ExchangeNotAvailable: binance 502"


def test_silent_venue_is_given_up_in_time():
    client = FakeClient(0)
    never = Event()
    client.fetch_time = lambda: never.wait(5)
    try:
        assert find_fault("binance", timeout_s=0.05, client=client) == (
            "binance did not answer within 0.05 s"
        )
    finally:
        never.set()
