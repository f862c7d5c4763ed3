"""What Binance's public endpoints answer to a request: status, headers and body; no server here."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock

from ringside_standin.faults import Fault
from ringside_standin.klines import DEFAULT_ROWS, MAX_ROWS, STEPS_MS, Book, Kline, spoil_rows

JSON = "application/json;charset=UTF-8"
WEIGHTS = {"ping": 1, "time": 1, "exchangeInfo": 20, "klines": 2}
"""Request weight of each endpoint; a refused request counts 1."""

_FILTERS = [
    {
        "filterType": "PRICE_FILTER",
        "minPrice": "0.01000000",
        "maxPrice": "1000000.00000000",
        "tickSize": "0.01000000",
    },
    {
        "filterType": "LOT_SIZE",
        "minQty": "0.00001000",
        "maxQty": "9000.00000000",
        "stepSize": "0.00001000",
    },
]
_MINUTE_MS = 60_000
_PREFIX = "/api/v3/"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """Binance's own error: a code below zero and a sentence, with HTTP status 400."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Exchange:
    """The venue: its books by symbol and interval, its clock, and the weight used this minute."""

    def __init__(
        self,
        books: Mapping[tuple[str, str], Book],
        now_ms: Callable[[], int],
        *,
        weight_limit: int = 6_000,
    ) -> None:
        """Take what it trades and its clock.

        Args:
            books: By symbol as Binance writes it (`BTCUSDT`) and interval.
            now_ms: The venue's clock, in ms since 1970.
            weight_limit: Request weight allowed in a minute; more is answered with 429.
        """
        self._books = books
        self._now_ms = now_ms
        self._weight_limit = weight_limit
        self._lock = Lock()
        self._minute, self._used = 0, 0

    def answer(self, path: str, query: Mapping[str, str], *, fault: Fault | None = None) -> Answer:
        """Answer one GET request; `fault` spoils it."""
        now_ms = self._now_ms()
        name = path.removeprefix(_PREFIX)
        if not path.startswith(_PREFIX) or name not in WEIGHTS:
            return Answer(404, b"<html><body>404 Not Found</body></html>", _headers("text/html"))
        used = self._weigh(WEIGHTS[name], now_ms)
        weights = {"x-mbx-used-weight": str(used), "x-mbx-used-weight-1m": str(used)}
        headers = _headers(JSON, **weights)
        if used > self._weight_limit:
            wait_s = (_MINUTE_MS - now_ms % _MINUTE_MS) // 1000 + 1
            sentence = (
                f"Too much request weight used; current limit is {self._weight_limit} request"
                " weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid"
                " polling the API."
            )
            return Answer(429, _error(-1003, sentence), {**headers, "Retry-After": str(wait_s)})
        if fault is not None and fault.status:
            body, extra = fault.render(now_ms)
            return Answer(fault.status, body, {**headers, **extra})
        try:
            answered = self._read(name, query, now_ms)
        except RefusedError as error:
            return Answer(400, _error(error.code, str(error)), headers)
        if fault is not None and isinstance(answered, list):
            answered = spoil_rows(answered, fault.manner)
        return Answer(200, _dump(answered), headers)

    def _read(
        self, name: str, query: Mapping[str, str], now_ms: int
    ) -> list[Kline] | dict[str, object]:
        if name == "klines":
            return self._read_klines(query, now_ms)
        if name == "exchangeInfo":
            return self._read_exchange_info(query, now_ms)
        return {"serverTime": now_ms} if name == "time" else {}

    def _read_klines(self, query: Mapping[str, str], now_ms: int) -> list[Kline]:
        for mandatory in ("symbol", "interval"):
            if not query.get(mandatory):
                sentence = f"Mandatory parameter '{mandatory}' was not sent, was empty/null"
                raise RefusedError(-1102, f"{sentence}, or malformed.")
        interval, limit = query["interval"], _read_number(query, "limit")
        self._require_symbol(query["symbol"])
        if interval not in STEPS_MS:
            raise RefusedError(-1120, "Invalid interval.")
        book = self._books.get((query["symbol"], interval))
        if book is None:
            return []
        return book.page(
            start=_read_number(query, "startTime"),
            end=_read_number(query, "endTime"),
            limit=min(DEFAULT_ROWS if limit is None else limit, MAX_ROWS),
            now_ms=now_ms,
        )

    def _read_exchange_info(self, query: Mapping[str, str], now_ms: int) -> dict[str, object]:
        symbols = sorted({symbol for symbol, _ in self._books})
        if "symbol" in query:
            self._require_symbol(query["symbol"])
            symbols = [query["symbol"]]
        return {
            "timezone": "UTC",
            "serverTime": now_ms,
            "rateLimits": [
                _limit("REQUEST_WEIGHT", "MINUTE", 1, self._weight_limit),
                _limit("ORDERS", "SECOND", 10, 100),
                _limit("ORDERS", "DAY", 1, 200_000),
                _limit("RAW_REQUESTS", "MINUTE", 5, 61_000),
            ],
            "exchangeFilters": [],
            "symbols": [_describe_symbol(symbol) for symbol in symbols],
        }

    def _require_symbol(self, symbol: str) -> None:
        if not any(symbol == known for known, _ in self._books):
            raise RefusedError(-1121, "Invalid symbol.")

    def _weigh(self, weight: int, now_ms: int) -> int:
        """Add to the weight used in this minute, and give the sum."""
        with self._lock:
            minute = now_ms // _MINUTE_MS
            if minute != self._minute:
                self._minute, self._used = minute, 0
            self._used += weight
            return self._used


def _read_number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise RefusedError(
            -1100,
            f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.",
        )
    return int(text)


def _limit(kind: str, interval: str, count: int, limit: int) -> dict[str, object]:
    return {
        "rateLimitType": kind,
        "interval": interval,
        "intervalNum": count,
        "limit": limit,
    }


def _describe_symbol(symbol: str) -> dict[str, object]:
    """Describe a spot pair against USDT, or else one whose quote has three letters."""
    base = symbol.removesuffix("USDT") if symbol.endswith("USDT") else symbol[:-3]
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": symbol.removeprefix(base),
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _FILTERS,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def _headers(content_type: str, **more: str) -> dict[str, str]:
    return {
        "Content-Type": content_type,
        "Cache-Control": "no-cache, no-store, must-revalidate",
        **more,
    }


def _error(code: int, sentence: str) -> bytes:
    return _dump({"code": code, "msg": sentence})


def _dump(answered: object) -> bytes:
    return json.dumps(answered, separators=(",", ":")).encode()
