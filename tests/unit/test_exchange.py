from datetime import UTC, datetime, timedelta
from threading import Event

import ccxt
import numpy as np
import pytest

from ringside.adapters.exchange import ExchangeSource, find_fault, make_client
from ringside.core.candles import to_datetime64
from ringside.errors import SettingsError, SourceUnavailableError

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR_MS = 3_600_000
START_MS = int(START.timestamp()) * 1000


class FakeClient:
    """ccxt's client with `hours` candles; both edges of a page belong to it, as on Binance."""

    def __init__(self, hours, *, missing=(), error=None, time_error=None):
        self.rows = [
            [START_MS + hour * HOUR_MS, 1.0 + hour, 2.0 + hour, hour, 1.5 + hour, 10.0]
            for hour in range(hours)
            if hour not in missing
        ]
        self.has = {"fetchTime": True}
        self.last_json_response = []
        self.asked = []
        self.error = error
        self.time_error = time_error

    def load_markets(self):
        return {"BTC/USDT": {}}

    def fetch_ohlcv(self, symbol, timeframe, *, since, limit):
        self.asked.append((symbol, timeframe, since, limit))
        if self.error is not None:
            raise self.error
        return [row for row in self.rows if row[0] >= since][:limit]

    def fetch_time(self):
        if self.time_error is not None:
            raise self.time_error
        return START_MS


def fetch(client, hours, *, as_of=None):
    end = START + timedelta(hours=hours)
    return ExchangeSource("binance", client).fetch("BTC/USDT", START, end, as_of or end)


def test_pages_join_without_a_doubled_or_a_lost_candle():
    client = FakeClient(2_600)
    candles = fetch(client, 2_500)
    hours = START_MS // 1000 + np.arange(2_500) * 3_600
    assert candles.open_time.astype(int).tolist() == hours.tolist()
    assert candles.close.tolist() == [1.5 + hour for hour in range(2_500)]
    assert len(client.asked) == 3


def test_outage_longer_than_the_window_that_is_left_ends_the_paging():
    candles = fetch(FakeClient(3_000, missing=range(990, 1_400)), 1_200)
    assert len(candles) == 990


def test_candle_forming_at_as_of_comes_last():
    candles = fetch(FakeClient(48), 48, as_of=START + timedelta(hours=5, minutes=12))
    assert candles.open_time[-1] == to_datetime64(START + timedelta(hours=5))


def test_nothing_is_asked_of_hours_after_as_of():
    client = FakeClient(48)
    assert len(fetch(client, 48, as_of=START - timedelta(hours=1))) == 0
    assert client.asked == []


def test_value_the_venue_did_not_send_is_nan():
    client = FakeClient(2)
    client.rows[1][5] = None
    np.testing.assert_array_equal(fetch(client, 2).volume, [10.0, np.nan])


@pytest.mark.parametrize(
    "error",
    [
        ccxt.RequestTimeout("too slow"),
        ccxt.RateLimitExceeded("binance 429 Too Many Requests"),
        ccxt.OnMaintenance("back soon"),
        ccxt.BadResponse("<html>\n<body>502 Bad Gateway"),
        ccxt.ExchangeError("an error of the venue's own"),
    ],
)
def test_errors_that_may_pass_are_worth_another_try(error):
    with pytest.raises(SourceUnavailableError, match=f"^binance .*{type(error).__name__}"):
        fetch(FakeClient(2, error=error), 2)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (ccxt.BadSymbol("binance does not have market symbol"), "RINGSIDE_SERIES"),
        (ccxt.NotSupported("no candles here"), "RINGSIDE_VENUE"),
        (ccxt.RestrictedLocation("not in your country"), "RINGSIDE_VENUE"),
        (ccxt.AuthenticationError("407 proxy"), "RINGSIDE_VENUE"),
    ],
)
def test_refusals_name_the_setting_to_change(error, remedy):
    with pytest.raises(SettingsError, match=remedy):
        fetch(FakeClient(2, error=error), 2)


def test_answer_that_is_no_list_of_candles_is_worth_another_try():
    client = FakeClient(2)
    client.fetch_ohlcv = lambda *_, **__: [[None, 1.0]]
    with pytest.raises(SourceUnavailableError, match="but not with BTC/USDT"):
        fetch(client, 2)


def test_unknown_venue_is_refused():
    with pytest.raises(SettingsError, match="RINGSIDE_VENUE"):
        make_client("atlantis")


def test_venue_that_answers_has_no_fault():
    assert find_fault("binance", timeout_s=4, client=FakeClient(0)) is None


def test_fault_names_venue_and_cause():
    client = FakeClient(0, time_error=ccxt.ExchangeNotAvailable("binance 451\n<html>"))
    fault = find_fault("binance", timeout_s=4, client=client)
    assert fault == "binance did not answer: ExchangeNotAvailable: binance 451"


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
