"""The stand-in's answers, held against what Binance documents and what was seen of it."""

import json

import pytest

from builders import START, make_candles
from ringside_standin.answers import Exchange
from ringside_standin.klines import make_book

HOUR_MS = 3_600_000
START_MS = int(START.timestamp()) * 1000
HOURS = 2_500


@pytest.fixture(scope="module")
def candles():
    return make_candles(HOURS)


@pytest.fixture
def make_exchange(candles):
    def make(hours_passed=HOURS, **options):
        now_ms = START_MS + int(hours_passed * HOUR_MS)
        return Exchange({("BTCUSDT", "1h"): make_book(candles)}, lambda: now_ms, **options)

    return make


def ask(exchange, **query):
    query = {"symbol": "BTCUSDT", "interval": "1h", **query}
    answer = exchange.answer("/api/v3/klines", {k: str(v) for k, v in query.items()})
    return answer, json.loads(answer.body)


def opens_of(rows):
    return [(row[0] - START_MS) // HOUR_MS for row in rows]


def test_a_row_has_the_twelve_fields_in_their_types(make_exchange, candles):
    _, [row] = ask(make_exchange(), startTime=START_MS, limit=1)
    assert row[:7] == [
        START_MS,
        *(f"{getattr(candles, name)[0]:.8f}" for name in ("open", "high", "low", "close")),
        f"{candles.volume[0]:.8f}",
        START_MS + HOUR_MS - 1,
    ]
    assert [type(field) for field in row] == [int, *[str] * 5, int, str, int, str, str, str]
    assert row[11] == "0"


def test_both_bounds_are_included(make_exchange):
    _, rows = ask(make_exchange(), startTime=START_MS + HOUR_MS, endTime=START_MS + 4 * HOUR_MS)
    assert opens_of(rows) == [1, 2, 3, 4]


def test_a_thousand_rows_at_most_counted_from_the_start(make_exchange):
    _, rows = ask(
        make_exchange(), startTime=START_MS, endTime=START_MS + 1_000 * HOUR_MS, limit=1_500
    )
    assert opens_of(rows) == list(range(1_000))


def test_without_a_start_the_newest_rows_come_oldest_first(make_exchange):
    _, rows = ask(make_exchange(), limit=3)
    assert opens_of(rows) == [2_497, 2_498, 2_499]
    _, rows = ask(make_exchange())
    assert len(rows) == 500


def test_forming_candle_comes_last_and_only_its_close_time_tells(make_exchange, candles):
    _, rows = ask(make_exchange(10.25), limit=2)
    assert opens_of(rows) == [9, 10]
    forming = rows[-1]
    assert forming[6] == START_MS + 11 * HOUR_MS - 1
    assert forming[1] == f"{candles.open[10]:.8f}"
    assert float(forming[5]) == pytest.approx(candles.volume[10] / 4, abs=1e-5)
    low, high = float(forming[3]), float(forming[2])
    assert candles.low[10] <= low <= min(float(forming[1]), float(forming[4]))
    assert candles.high[10] >= high >= max(float(forming[1]), float(forming[4]))


def test_hours_ahead_and_reversed_spans_are_empty(make_exchange):
    ahead = START_MS + (HOURS + 5) * HOUR_MS
    assert ask(make_exchange(), startTime=ahead)[1] == []
    assert ask(make_exchange(), startTime=START_MS + 5 * HOUR_MS, endTime=START_MS)[1] == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"symbol": "IDONTEXIST"}, -1121),
        ({"interval": "1"}, -1120),
        ({"symbol": ""}, -1102),
        ({"startTime": "yesterday"}, -1100),
    ],
)
def test_wrong_requests_are_refused_with_the_venues_codes(make_exchange, query, code):
    answer, body = ask(make_exchange(), **query)
    assert (answer.status, body["code"], set(body)) == (400, code, {"code", "msg"})
    assert answer.headers["x-mbx-used-weight-1m"] == "2"


def test_used_weight_adds_up_to_a_429_with_the_wait_to_the_next_minute(make_exchange):
    exchange = make_exchange(weight_limit=5)
    used = [ask(exchange, limit=1)[0].headers["x-mbx-used-weight-1m"] for _ in range(2)]
    answer, body = ask(exchange, limit=1)
    assert used == ["2", "4"]
    assert (answer.status, body["code"]) == (429, -1003)
    assert 1 <= int(answer.headers["Retry-After"]) <= 61


def test_unknown_path_is_not_found(make_exchange):
    assert make_exchange().answer("/api/v3/depth", {}).status == 404
