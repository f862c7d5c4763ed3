"""The stand-in's answers, held against the recorded bytes of Binance."""

import csv
import io
import json
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest

from ringside.core.candles import Candles
from ringside_standin.answers import Exchange
from ringside_standin.klines import STEPS_MS, Book, Kline, make_book


def make_exchange(books, now_ms):
    return Exchange(books, lambda: now_ms)


def ask(exchange, path, query):
    answer = exchange.answer(path, query)
    return answer, answer.body.decode()


def read_one(recorded, name):
    [exchange] = recorded(name)
    parts = urlsplit(exchange["request"]["url"])
    return parts.path, dict(parse_qsl(parts.query)), exchange["response"]


def test_recorded_bytes_of_klines_come_back(recorded):
    path, query, response = read_one(recorded, "binance/klines_1h_200.json")
    klines = [Kline(*row) for row in json.loads(response["body"])]
    exchange = make_exchange(
        {("LTCBTC", "1h"): Book(klines, STEPS_MS["1h"])}, klines[-1].close_time + 1
    )
    answer, body = ask(exchange, path, query)
    assert (answer.status, body) == (200, response["body"])
    assert answer.headers["Content-Type"] == response["headers"]["Content-Type"]
    weights = {name for name in response["headers"] if name.startswith("x-mbx-used-weight")}
    assert weights <= set(answer.headers)
    assert answer.headers["x-mbx-used-weight"] == response["headers"]["x-mbx-used-weight"]


def test_every_recorded_query_gets_the_recorded_rows(recorded):
    calls = recorded("binance/klines_recorded.json.gz")
    assert len(calls) == 13
    for call in calls:
        query = dict(parse_qsl(call["queryString"]))
        alike = [dict(parse_qsl(other["queryString"])) | {"rows": other["body"]} for other in calls]
        # All rows of the series that were ever recorded lie in the book, not only the right ones.
        rows = {
            row[0]: row
            for other in alike
            if (other["symbol"], other["interval"]) == (query["symbol"], query["interval"])
            for row in other["rows"]
        } | {row[0]: row for row in call["body"]}
        book = Book([Kline(*row) for row in rows.values()], STEPS_MS[query["interval"]])
        is_newest = "startTime" not in query
        now_ms = call["body"][-1][6] + 1 if is_newest else 2_000_000_000_000
        exchange = make_exchange({(query["symbol"], query["interval"]): book}, now_ms)
        _, body = ask(exchange, call["path"], query)
        assert json.loads(body) == call["body"], call["queryString"]


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "BNBUSDT"])
def test_a_candle_file_becomes_the_strings_the_venue_sent(recorded, symbol):
    text = recorded(f"binance/klines_full_{symbol}_1h_2026H1.csv.gz")
    rows = list(csv.DictReader(io.StringIO(text)))
    columns = {
        name: np.array([float(row[name]) for row in rows])
        for name in ("open", "high", "low", "close", "volume")
    }
    opens = np.array([int(row["open_time"]) // 1000 for row in rows]).astype("datetime64[s]")
    book = make_book(Candles(symbol, opens, **columns))
    sent = []
    start = int(rows[0]["open_time"])
    while page := book.page(start=start, end=None, limit=1_000, now_ms=2_000_000_000_000):
        sent += page
        start = page[-1].open_time + 1
    for kline, row in zip(sent, rows, strict=True):
        assert [str(field) for field in kline[:7]] == [
            row[name]
            for name in ("open_time", "open", "high", "low", "close", "volume", "close_time")
        ]


@pytest.mark.parametrize(
    ("name", "path", "query"),
    [
        (
            "klines_invalid_interval_400",
            "/api/v3/klines",
            {"symbol": "LTCBTC", "interval": "1"},
        ),
        # Recorded of another endpoint; the answer to an unknown symbol is the same everywhere.
        (
            "invalid_symbol_400",
            "/api/v3/klines",
            {"symbol": "IDONTEXIST", "interval": "1h"},
        ),
        ("ping_200", "/api/v3/ping", {}),
    ],
)
def test_recorded_bytes_of_other_answers_come_back(recorded, name, path, query):
    *_, response = read_one(recorded, f"binance/{name}.json")
    exchange = make_exchange({("LTCBTC", "1h"): Book([], STEPS_MS["1h"])}, 1_616_592_268_319)
    answer, body = ask(exchange, path, query)
    assert (answer.status, body) == (response["status_code"], response["body"])
    kind = response["headers"]["Content-Type"].partition(";")[0]
    assert answer.headers["Content-Type"].startswith(kind)


def test_recorded_bytes_of_the_time_come_back(recorded):
    path, query, response = read_one(recorded, "binance/time_200.json")
    now_ms = json.loads(response["body"])["serverTime"]
    assert ask(make_exchange({}, now_ms), path, query)[1] == response["body"]


def find_strays(ours, theirs, where=""):
    """List where our value has a key that theirs lacks, or another type."""
    if type(ours) is not type(theirs):
        return [f"{where}: {type(ours).__name__} is not {type(theirs).__name__}"]
    if isinstance(ours, dict):
        known = [key for key in ours if key in theirs]
        return [f"{where}.{key}: unknown" for key in ours if key not in theirs] + [
            stray
            for key in known
            for stray in find_strays(ours[key], theirs[key], f"{where}.{key}")
        ]
    if isinstance(ours, list) and theirs and not isinstance(ours[0] if ours else "", dict):
        return [s for each in ours for s in find_strays(each, theirs[0], f"{where}[]")]
    return []


def test_exchange_info_has_the_recorded_fields_types_and_limits(recorded):
    theirs = recorded("binance/exchangeInfo_BTCUSDT.json")
    exchange = make_exchange({("BTCUSDT", "1h"): Book([], STEPS_MS["1h"])}, theirs["serverTime"])
    _, body = ask(exchange, "/api/v3/exchangeInfo", {})
    ours = json.loads(body)
    assert set(ours) == set(theirs)
    assert ours["rateLimits"] == theirs["rateLimits"]
    [ours_symbol], [theirs_symbol] = ours["symbols"], theirs["symbols"]
    assert set(ours_symbol) == set(theirs_symbol)
    assert find_strays(ours_symbol, theirs_symbol) == []
    by_type = {each["filterType"]: each for each in theirs_symbol["filters"]}
    for each in ours_symbol["filters"]:
        assert each == by_type[each["filterType"]]
