"""What callers get who ask for what is not there, or in a wrong way, or meet a bug."""

from datetime import UTC, datetime

import pytest

PROBLEM = "application/problem+json"


@pytest.mark.parametrize(
    ("query", "field"),
    [("", "symbol"), ("?symbol=", "symbol"), ("?symbol=BTCUSDT&symbol=BTCUSDT", "symbol"),
     ("?symbol=BTCUSDT&horizon=1", "horizon"), ("?symbol=BTCUSDT&Symbol=BTCUSDT", "Symbol")],
)  # fmt: skip
def test_bad_parameter_is_named(ask, query, field):
    answer = ask(f"/v1/forecast{query}")
    assert (answer.status_code, answer.content_type) == (400, PROBLEM)
    assert [error["field"] for error in answer.json["errors"]] == [field]


def test_unknown_symbol_is_told_the_known_ones(ask):
    answer = ask("/v1/forecast?symbol=DOGE/USDT")
    assert (answer.status_code, answer.content_type) == (404, PROBLEM)
    assert answer.json["known"] == ["BTC/USDT"]


@pytest.mark.parametrize(
    ("query", "field"),
    [("start=yesterday", "start"), ("end=2025-01-01", "end"), ("limit=0", "limit"),
     ("limit=1e2", "limit"), ("horizon=0", "horizon"), ("contestant=moon", "contestant"),
     ("after=1", "after")],
)  # fmt: skip
def test_wrong_filter_is_named(ask, query, field):
    answer = ask(f"/v1/forecasts?symbol=BTCUSDT&{query}")
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (400, field)


def test_blank_for_an_unescaped_plus_is_understood(ask, desk):
    ask("/v1/candles?symbol=BTCUSDT&start=2025-01-01T09:00:00+09:00&limit=7")
    span = desk.history.asked["span"]
    assert (span.start, span.rows) == (datetime(2025, 1, 1, tzinfo=UTC), 7)


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/nothing", "GET", 404), ("/v1/forecast", "POST", 405), ("/reports/x.png", "GET", 404),
     ("/reports/../models/last-good.json", "GET", 404)],
)  # fmt: skip
def test_flask_errors_are_problem_documents(ask, path, method, status):
    answer = ask(path, method=method)
    assert (answer.status_code, answer.content_type) == (status, PROBLEM)
    assert answer.json["status"] == status
    assert ("GET" in answer.headers.get("Allow", "")) == (status == 405)


def test_bug_is_500_without_its_inside(ask, desk, caplog):
    class Broken:
        def read_window(self, symbol, *, real_time):
            raise RuntimeError("secret at /srv/state")

    answer = ask("/v1/forecast?symbol=BTCUSDT", market=Broken())
    assert (answer.status_code, answer.content_type) == (500, PROBLEM)
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "secret at /srv/state" in caplog.text
