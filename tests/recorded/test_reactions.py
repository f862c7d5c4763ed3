"""Every recorded error, answered to the real ccxt client, leads to the right reaction."""

from datetime import UTC, datetime, timedelta

import pytest
from replay import as_json, make_client

from ringside.adapters.exchange import ExchangeSource
from ringside.errors import (
    RateLimitedError,
    SettingsError,
    SourceUnavailableError,
    VenueBlockedError,
    VenueRequestError,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
AGAIN, SLOW_DOWN, OTHER_VENUE = SourceUnavailableError, RateLimitedError, VenueBlockedError
NO_ERROR = None
# Venue, status and part of the body; each fits recorded errors that call for the same reaction.
REACTIONS = [
    ("binance", 400, "-1121", SettingsError),
    ("binance", 400, "-1120", VenueRequestError),
    ("binance", 429, "-1003", SLOW_DOWN),
    ("binance", 418, "banned until", SLOW_DOWN),
    ("binance", 451, "restricted location", OTHER_VENUE),
    ("binance", 403, "Request blocked", OTHER_VENUE),
    ("binance", 502, "", AGAIN),
    ("binance", 200, "[]", NO_ERROR),
    ("binance", None, "-1016", OTHER_VENUE),
    ("bybit", 200, "10006", SLOW_DOWN),
    ("bybit", 403, "", OTHER_VENUE),
    ("kraken", 200, "Unknown asset pair", SettingsError),
    ("kraken", 520, "", AGAIN),
    ("kraken", 200, "Rate limit exceeded", SLOW_DOWN),
    ("upbit", 429, "Too many API requests", SLOW_DOWN),
]
GREETINGS = {
    "/api/v3/time": as_json({"serverTime": 1_800_000_000_000}),
    "/v5/market/time": as_json({"retCode": 0, "time": 1_800_000_000_000}),
    "/0/public/Time": as_json({"error": [], "result": {"unixtime": 1_800_000_000}}),
}


@pytest.fixture
def errors(recorded):
    return [
        {**error, "body": recorded(error["body_file"]) if "body_file" in error else error["body"]}
        for error in recorded("errors.json")
    ]


def find_reaction(error):
    venue = error["exchange"].partition(" ")[0]
    [reaction] = [
        reaction
        for name, status, part, reaction in REACTIONS
        if (name, status) == (venue, error["http_status"]) and part in (error["body"] or "")
    ]
    return venue, reaction


def meet(venue, error):
    """Fetch while the venue answers with `error`; give what came of it."""
    answer = (error["http_status"] or 400, error["content_type"], error["body"] or "")
    client = make_client(venue, {**GREETINGS, "": answer})
    if not client.has["fetchTime"]:
        client.last_response_headers = {"Date": "Fri, 15 Jan 2027 08:00:00 GMT"}
    end = START + timedelta(hours=5)
    return ExchangeSource(venue, client).fetch("BTC/USDT", START, end, end)


def test_every_recorded_error_leads_to_its_reaction(errors):
    met = []
    for error in errors:
        venue, reaction = find_reaction(error)
        if reaction is NO_ERROR:
            met.append(len(meet(venue, error)) == 0)
            continue
        with pytest.raises(reaction) as caught:
            meet(venue, error)
        assert type(caught.value) is reaction, (error, caught.value)
        met.append(True)
    assert met == [True] * 18


def test_the_end_of_a_ban_is_read_from_its_text(errors, monkeypatch):
    monkeypatch.setattr("ringside.adapters.venue_errors.time", lambda: 1_660_090_423.228 - 600)
    [ban] = [error for error in errors if "1660090423228" in (error["body"] or "")]
    with pytest.raises(RateLimitedError) as caught:
        meet("binance", ban)
    assert caught.value.retry_after_s == pytest.approx(600, abs=0.01)


def test_the_masked_address_of_a_recording_is_not_repeated(errors):
    [named] = [error for error in errors if "IP(" in (error["body"] or "")]
    with pytest.raises(RateLimitedError) as caught:
        meet("binance", named)
    assert "194.233" not in str(caught.value)
