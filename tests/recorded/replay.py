"""ccxt clients that get recorded answers instead of a network."""

import json
from http.client import responses
from io import BytesIO

import ccxt
from requests import Response
from requests.adapters import BaseAdapter

MARKET_IDS = {
    "binance": "BTCUSDT",
    "bybit": "BTCUSDT",
    "coinbase": "BTC-USDT",
    "kraken": "XBTUSDT",
    "upbit": "USDT-BTC",
}
"""How each venue writes BTC/USDT."""


class Replay(BaseAdapter):
    """Answer each request whose address holds a key of `answers`, the first that fits."""

    def __init__(self, answers):
        super().__init__()
        self.answers = answers

    def send(self, request, **_):
        status, content_type, body = next(
            answer for part, answer in self.answers.items() if part in request.url
        )
        response = Response()
        response.status_code, response.reason = status, responses.get(status, "")
        response.headers["Content-Type"] = content_type
        response.raw, response.url, response.request = BytesIO(body.encode()), request.url, request
        return response

    def close(self):
        """Hold nothing open."""


def make_client(venue, answers):
    """Make the real ccxt client of a venue that trades BTC/USDT and gets `answers`."""
    client = getattr(ccxt, venue)({"enableLastJsonResponse": True})
    market = client.safe_market_structure(
        {
            "id": MARKET_IDS[venue], "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT",
            "baseId": "BTC", "quoteId": "USDT", "type": "spot", "spot": True, "active": True,
        }
    )  # fmt: skip
    client.set_markets([market])
    client.session.mount("https://", Replay(answers))
    return client


def as_json(value):
    """Give a sound answer with `value` as its JSON."""
    return 200, "application/json", json.dumps(value)
