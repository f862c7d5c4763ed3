"""Yahoo's chart endpoint in the form in which it answers, through yfinance's own parser.

Prices are made up; fields, their order, nulls and errors are Yahoo's.
"""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from ringside.adapters import auxiliary_sources
from ringside.adapters.database import make_engine
from ringside.adapters.observation_store import ObservationStore
from ringside.adapters.yahoo_source import YahooSource
from ringside.core.known_values import AUXILIARY
from ringside.errors import (
    PermanentError,
    RateLimitedError,
    RetryableError,
    SettingsError,
    SourceUnavailableError,
    VenueBlockedError,
    VenueRequestError,
)
from ringside.jobs.auxiliary import ingest_auxiliary

# yfinance 1.7 uses keywords that pandas 3 has deprecated.
pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore:The inplace keyword")]

VIX, NDX, GOLD = (AUXILIARY[name] for name in ("vix", "ndx", "gold"))
ZONES = {"^VIX": "America/Chicago", "^NDX": "America/New_York", "GC=F": "America/New_York"}
HOUR = 3_600


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def make_meta(ticker, now):
    """The block beside the prices; yfinance reads zone, currency, kind and trading periods."""
    midnight = int(now.replace(hour=5, minute=0, second=0).timestamp())
    period = {"timezone": "EST", "start": midnight, "end": midnight + 86_340, "gmtoffset": -18_000}
    return {
        "currency": "USD", "symbol": ticker, "exchangeName": "CGI", "fullExchangeName": "Cboe",
        "instrumentType": "FUTURE" if "=" in ticker else "INDEX", "firstTradeDate": 631_290_600,
        "regularMarketTime": int(now.timestamp()), "hasPrePostMarketData": False,
        "gmtoffset": -18_000, "timezone": "EST", "exchangeTimezoneName": ZONES[ticker],
        "regularMarketPrice": 17.9, "previousClose": 18.07, "scale": 3, "priceHint": 2,
        "currentTradingPeriod": {name: dict(period) for name in ("pre", "regular", "post")},
        "tradingPeriods": [[dict(period)]], "dataGranularity": "1d", "range": "",
        "validRanges": ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"],
    }  # fmt: skip


def make_chart(ticker, bars, *, now, events=None):
    """An answer with bars of (stamp, close); a close of None nulls the whole row, as Yahoo does."""
    closes = [close for _, close in bars]
    quote = dict.fromkeys(("low", "high", "open", "close"), closes)
    quote["volume"] = [None if close is None else 0 for close in closes]
    result = {
        "meta": make_meta(ticker, now),
        "timestamp": [int(stamp.timestamp()) for stamp, _ in bars],
        "indicators": {"quote": [quote], "adjclose": [{"adjclose": closes}]},
    }
    if events:
        result["events"] = events
    return json.dumps({"chart": {"result": [result], "error": None}})


def make_error(code, description):
    told = {"code": code, "description": description}
    return json.dumps({"chart": {"result": None, "error": told}})


class Yahoo:
    """A small real HTTP server; `answer` is what the chart endpoint says: status, body, headers."""

    def __init__(self):
        self.answer = (200, "", {})
        self.meta = None  # of the question for the time zone, where it differs
        self.asked = []
        yahoo = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                url = urlsplit(self.path)
                status, body, headers = 200, "crumb", {}
                if url.path.startswith("/v8/finance/chart/"):
                    query = parse_qs(url.query)
                    yahoo.asked.append((url.path.rpartition("/")[2], query))
                    asks_zone = yahoo.meta and "period1" not in query
                    status, body, headers = yahoo.meta if asks_zone else yahoo.answer
                content = body.encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                """Stay quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def yahoo(monkeypatch, tmp_path):
    import yfinance
    from yfinance import base, data

    # yfinance keeps cookies, answers about the past and time zones across its users.
    monkeypatch.setattr(data.SingletonMeta, "_instances", {})
    monkeypatch.setattr(base.cache, "get_tz_cache", base.cache._TzCacheDummy)
    monkeypatch.setattr(base, "_tz_info_fetch_ctr", 0)
    yfinance.set_tz_cache_location(str(tmp_path / "yfinance"))
    server = Yahoo()
    yield server
    server.stop()


@pytest.fixture
def source(yahoo):
    return YahooSource(stand_in=f"http://127.0.0.1:{yahoo.server.server_port}")


def test_a_session_counts_by_its_date_through_daylight_saving(yahoo, source):
    # Stamped at the opening: 08:30 in Chicago, an hour earlier in UTC from March 10th on.
    opens = [at("2025-03-06T14:30"), at("2025-03-07T14:30"), at("2025-03-10T13:30")]
    bars = list(zip(opens, (24.87, 23.37, 27.86), strict=True))
    yahoo.answer = (200, make_chart("^VIX", bars, now=at("2025-03-11T12:00")), {})
    found = source.fetch(VIX, at("2025-03-06"), at("2025-03-11"))
    assert found.venue == "yahoo"
    assert found.time.astype(str).tolist() == [f"2025-03-{d}T00:00:00" for d in ("06", "07", "10")]
    assert found.value.tolist() == [24.87, 23.37, 27.86]
    known = [VIX.known_at(at(str(stamp))).isoformat() for stamp in found.time]
    assert known[1:] == ["2025-03-07T21:15:00+00:00", "2025-03-10T20:15:00+00:00"]


def test_what_is_asked_for_is_the_window_and_no_adjustment(yahoo, source):
    bars = [(at("2025-03-06T14:30"), 20_000.0)]
    yahoo.answer = (200, make_chart("^NDX", bars, now=at("2025-03-11T12:00")), {})
    source.fetch(NDX, at("2025-03-06"), at("2025-03-07"))
    ticker, query = yahoo.asked[-1]
    assert (ticker, query["interval"], query["includePrePost"]) == ("%5ENDX", ["1d"], ["false"])
    asked = [int(query[name][0]) for name in ("period1", "period2")]
    assert asked == [int(at(day).timestamp()) for day in ("2025-03-06", "2025-03-08")]


def test_rows_of_nulls_and_the_forming_bar_are_not_values(yahoo, source, settings, monkeypatch):
    # The hour that forms comes as two rows: its start, and the last trade with its seconds.
    now = at("2025-03-05T15:32:11")
    start = at("2025-03-05T10:00")
    bars = [(start + timedelta(hours=hour), 2_900.0 + hour) for hour in range(6)]
    bars[2] = (bars[2][0], None)
    yahoo.answer = (200, make_chart("GC=F", [*bars, (now, 2_999.0)], now=now), {})
    found = source.fetch(GOLD, start, at("2025-03-05T16:00"))
    assert found.time.astype(str).tolist()[-2:] == ["2025-03-05T14:00:00", "2025-03-05T15:00:00"]
    assert found.value.tolist() == [2_900.0, 2_901.0, 2_903.0, 2_904.0, 2_999.0]
    monkeypatch.setattr(auxiliary_sources, "YahooSource", lambda: source)
    live = settings.model_copy(update={"source": "exchange"})
    facts = ingest_auxiliary(live, "gold", as_of=now)
    assert (facts.changed, facts.refused_rows) == (4, 0)
    last = ObservationStore(make_engine(settings)).read_last_time("gold", as_of=now)
    assert last == at("2025-03-05T14:00")


def test_a_bar_counts_when_it_ended_through_daylight_saving(yahoo, source):
    hours = [at(f"2025-03-{text}") for text in ("07T20:00", "07T21:00", "09T22:00", "09T23:00")]
    bars = [(stamp, 2_900.0 + place) for place, stamp in enumerate(hours)]
    yahoo.answer = (200, make_chart("GC=F", bars, now=at("2025-03-10T12:00")), {})
    found = source.fetch(GOLD, hours[0], at("2025-03-10"))
    assert [at(str(stamp)) for stamp in found.time] == hours


def test_a_split_leaves_the_close_as_it_was_traded(yahoo, source):
    bars = [(at("2025-03-06T14:30"), 100.0), (at("2025-03-07T14:30"), 50.0)]
    stamp = int(bars[1][0].timestamp())
    split = {"date": stamp, "numerator": 2.0, "denominator": 1.0, "splitRatio": "2:1"}
    events = {"splits": {str(stamp): split}}
    body = make_chart("^NDX", bars, now=at("2025-03-11T12:00"), events=events)
    yahoo.answer = (200, body, {})
    assert source.fetch(NDX, at("2025-03-06"), at("2025-03-08")).value.tolist() == [100.0, 50.0]


NOT_FOUND = make_error("Not Found", "No data found, symbol may be delisted")
TOO_FAR = "1h data not available for startTime=1 and endTime=2. The requested range must be within"
PAGE = "<!DOCTYPE html><html><body>Our engineers are working quickly.</body></html>"
META = {"meta": make_meta("^VIX", at("2025-03-11T12:00"))}
EMPTY = {"chart": {"result": [{**META, "indicators": {"quote": [{}]}}], "error": None}}
HTML = {"Content-Type": "text/html"}
REACTIONS = {
    "too many requests": (429, "Too Many Requests\r\n", {}, RateLimitedError),
    "ticker unknown": (404, NOT_FOUND, {}, SettingsError),
    "range too far back": (422, make_error("Unprocessable Entity", TOO_FAR), {}, VenueRequestError),
    "not from here": (403, PAGE, HTML, VenueBlockedError),
    "no rows at all": (200, json.dumps(EMPTY), {}, SourceUnavailableError),
    "a page instead of JSON": (200, PAGE, HTML, SourceUnavailableError),
    "down": (200, "<html>Will be right back...</html>", HTML, SourceUnavailableError),
    "broken gateway": (502, PAGE, HTML, SourceUnavailableError),
    "cut short": (200, make_chart("^VIX", [], now=at("2025-03-11T12:00"))[:-90], {},
                  SourceUnavailableError),
    "their own failure": (500, make_error("Internal Server Error", "Try again"), {},
                          SourceUnavailableError),
    "stale crumb": (401, make_error("Unauthorized", "Invalid Crumb"), {}, SourceUnavailableError),
}  # fmt: skip


@pytest.mark.parametrize("zone_is_told", [True, False])
@pytest.mark.parametrize("name", REACTIONS)
def test_each_answer_of_yahoo_leads_to_its_reaction(yahoo, source, name, zone_is_told):
    status, body, headers, error = REACTIONS[name]
    yahoo.answer = (status, body, headers)
    if zone_is_told:
        bars = [(at("2025-03-10T13:30"), 27.86)]
        yahoo.meta = (200, make_chart("^VIX", bars, now=at("2025-03-11T12:00")), {})
    with pytest.raises(error) as caught:
        source.fetch(VIX, at("2025-03-06"), at("2025-03-11"))
    assert type(caught.value) is error
    assert issubclass(error, RetryableError) != issubclass(error, PermanentError)


def test_the_wait_that_yahoo_names_is_told(yahoo, source):
    yahoo.answer = (429, "Too Many Requests", {"retry-after": "90"})
    with pytest.raises(RateLimitedError) as caught:
        source.fetch(VIX, at("2025-03-06"), at("2025-03-11"))
    assert caught.value.retry_after_s == 90


def test_a_span_that_yahoo_has_nothing_of_is_an_empty_answer(yahoo, source):
    bars = [(at("2025-03-10T13:30"), 27.86)]
    yahoo.meta = (200, make_chart("^VIX", bars, now=at("2025-03-11T12:00")), {})
    told = "Data doesn't exist for startDate = 1741219200, endDate = 1741737600"
    yahoo.answer = (400, make_error("Bad Request", told), {})
    assert source.fetch(VIX, at("2025-03-06"), at("2025-03-11")).time.tolist() == []


def test_nobody_there_is_tried_again(yahoo, source):
    yahoo.stop()
    with pytest.raises(SourceUnavailableError, match="Yahoo did not answer for \\^VIX"):
        source.fetch(VIX, at("2025-03-06"), at("2025-03-11"))
