"""The real ccxt client against a local server that answers in Binance's form."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from ringside.adapters.exchange import ExchangeSource, find_fault, make_client
from ringside.errors import SettingsError, SourceUnavailableError

pytestmark = pytest.mark.integration

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR_MS = 3_600_000
START_MS = int(START.timestamp()) * 1000
EXCHANGE_INFO = {
    "timezone": "UTC",
    "serverTime": START_MS,
    "rateLimits": [],
    "exchangeFilters": [],
    "symbols": [
        {
            "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "baseAssetPrecision": 8,
            "quoteAsset": "USDT", "quotePrecision": 8, "quoteAssetPrecision": 8,
            "orderTypes": ["LIMIT", "MARKET"], "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False, "permissions": ["SPOT"], "filters": [],
        }
    ],
}  # fmt: skip


def make_kline(hour):
    opened = START_MS + hour * HOUR_MS
    close = f"{94_000 + hour}.50000000"
    return [
        opened, "94000.00000000", "99999.00000000", "90000.00000000", close, "310.46121000",
        opened + HOUR_MS - 1, "29000000.00000000", 4100, "150.00000000", "14000000.00000000", "0",
    ]  # fmt: skip


class Venue(BaseHTTPRequestHandler):
    """Answers as `server.faults[path]` says, else as a sound exchange with `server.hours`."""

    def do_GET(self):
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        self.server.asked.append(path)
        fault = self.server.faults.get(path)
        if fault is not None:
            return self.answer(*fault)
        if path == "/api/v3/time":
            return self.answer(200, json.dumps({"serverTime": START_MS}))
        if path == "/api/v3/exchangeInfo":
            return self.answer(200, json.dumps(EXCHANGE_INFO))
        since, limit = int(query["startTime"][0]), int(query["limit"][0])
        klines = [make_kline(hour) for hour in range(self.server.hours)]
        return self.answer(200, json.dumps([k for k in klines if k[0] >= since][:limit]))

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if body[:1] == "<" else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        """Keep quiet."""


@pytest.fixture
def venue(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Venue) as server:
        server.faults, server.hours, server.asked = {}, 1_500, []
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def client(venue):
    client = make_client("binance", timeout_s=5)
    client.urls["api"]["public"] = f"http://127.0.0.1:{venue.server_port}/api/v3"
    yield client
    client.close()


@pytest.fixture
def source(client):
    return ExchangeSource("binance", client)


def fetch(source, hours, symbol="BTC/USDT"):
    end = START + timedelta(hours=hours)
    return source.fetch(symbol, START, end, end)


def test_two_pages_arrive_whole_with_the_venues_numbers(source, venue):
    candles = fetch(source, 1_200)
    assert candles.close.tolist() == [94_000.5 + hour for hour in range(1_200)]
    assert candles.volume[0] == 310.46121
    assert venue.asked == ["/api/v3/exchangeInfo", "/api/v3/klines", "/api/v3/klines"]


def test_symbol_that_is_not_traded_is_a_matter_of_settings(source):
    with pytest.raises(SettingsError, match="binance does not trade NIL/USDT"):
        fetch(source, 5, "NIL/USDT")


@pytest.mark.parametrize("path", ["/api/v3/klines", "/api/v3/exchangeInfo"])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, '{"code":-1003,"msg":"Too many requests."}'),
        (418, '{"code":-1003,"msg":"Way too many requests; IP banned until 1735690000000."}'),
        (403, "<html><head><title>ERROR: The request could not be satisfied</title></head></html>"),
        (502, "<html>502 Bad Gateway</html>"),
        (200, "<html>We will be back soon</html>"),
        (500, '{"code":-1000,"msg":"An unknown error occurred while processing the request."}'),
    ],
)
def test_bad_answers_are_worth_another_try(source, venue, path, status, body):
    venue.faults[path] = (status, body)
    with pytest.raises(SourceUnavailableError, match="binance"):
        fetch(source, 5)


def test_nobody_listening_is_worth_another_try(client, source):
    client.urls["api"]["public"] = "http://127.0.0.1:9/api/v3"
    with pytest.raises(SourceUnavailableError, match="binance did not answer"):
        fetch(source, 5)


def test_one_cheap_request_tells_whether_the_venue_is_at_hand(client, venue):
    assert find_fault("binance", timeout_s=4, client=client) is None
    assert venue.asked == ["/api/v3/time"]


def test_blocked_venue_is_not_at_hand(client, venue):
    venue.faults["/api/v3/time"] = (451, '{"code":0,"msg":"Service unavailable"}')
    fault = find_fault("binance", timeout_s=4, client=client)
    assert fault.startswith("binance ")
    assert "451" in fault
