"""Each of the ways a venue fails leads to its reaction: ask again, stop, or ask another venue."""

import json
from types import SimpleNamespace

import ccxt
import pytest

from ringside.adapters.venue_errors import Answer, find_wait_s, mapped_errors, sort_error
from ringside.errors import (
    RateLimitedError,
    SettingsError,
    SourceUnavailableError,
    VenueBlockedError,
    VenueRequestError,
)

NOW_S = 1_735_689_600.0


def make_error(error, *, status=None, body="", headers=None):
    """Give ccxt's error with the HTTP answer behind it, as ccxt chains them."""
    if status is not None:
        cause = OSError("http")
        cause.response = SimpleNamespace(status_code=status, headers=headers or {}, text=body)
        error.__context__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "sorted_as"),
    [
        (ccxt.RequestTimeout("too slow"), SourceUnavailableError),
        (ccxt.OnMaintenance("back soon"), SourceUnavailableError),
        (ccxt.BadResponse("<html>\n<body>502 Bad Gateway"), SourceUnavailableError),
        (ccxt.ExchangeError("an error of the venue's own"), SourceUnavailableError),
        (make_error(ccxt.ExchangeNotAvailable("502"), status=502), SourceUnavailableError),
        (make_error(ccxt.DDoSProtection("429"), status=429), RateLimitedError),
        (ccxt.RateLimitExceeded("bybit 10006"), RateLimitedError),
        (make_error(ccxt.RateLimitExceeded("403"), status=403), VenueBlockedError),
        (make_error(ccxt.ExchangeNotAvailable("451"), status=451), VenueBlockedError),
        (ccxt.RestrictedLocation("not in your country"), VenueBlockedError),
        (ccxt.AuthenticationError("407 proxy"), VenueBlockedError),
        (ccxt.BadRequest('binance {"code":-1016,"msg":"no longer available"}'), VenueBlockedError),
        (ccxt.BadSymbol("no such market"), SettingsError),
        (ccxt.BadRequest('binance {"code":-1120,"msg":"Invalid interval."}'), VenueRequestError),
    ],
    ids=repr,
)
def test_each_fault_has_its_reaction(error, sorted_as):
    ours = sort_error("binance", "BTC/USDT", error)
    assert type(ours) is sorted_as
    assert str(ours).startswith("binance ")


@pytest.mark.parametrize(
    ("headers", "body", "wait_s"),
    [
        ({}, "slow down", None),
        ({"Retry-After": "7"}, "", 7.0),
        ({"Retry-After": "Wed, 01 Jan 2025 00:00:30 GMT"}, "", 30.0),
        ({"Retry-After": "soon"}, "", None),
        ({}, f"IP banned until {int(NOW_S + 90)}000. Please", 90.0),
        ({"Retry-After": "7"}, f"IP banned until {int(NOW_S + 90)}000.", 90.0),
        ({}, f"IP banned until {int(NOW_S - 90)}000.", 0.0),
    ],
)
def test_the_venues_own_wait_is_read(headers, body, wait_s):
    assert find_wait_s(Answer(429, headers, body), now_s=NOW_S) == wait_s


def test_the_wait_goes_with_the_error():
    error = make_error(ccxt.DDoSProtection("418"), status=418, headers={"Retry-After": "120"})
    assert sort_error("binance", "BTC/USDT", error).retry_after_s == 120


def test_our_address_is_kept_out_of_the_message():
    body = json.dumps({"code": -1003, "msg": "limit of IP(194.233.17.9) is 2400; 10.1.2.3 banned"})
    message = str(sort_error("binance", "BTC/USDT", ccxt.DDoSProtection(f"binance {body}")))
    assert "194.233" not in message
    assert "10.1.2.3" not in message


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (ccxt.BadSymbol("no such market"), "RINGSIDE_SERIES"),
        (ccxt.RestrictedLocation("not in your country"), "RINGSIDE_SERIES_VENUES"),
    ],
)
def test_refusals_name_the_setting_to_change(error, remedy):
    assert remedy in str(sort_error("binance", "BTC/USDT", error))


def test_stumbling_over_an_answer_is_worth_another_try():
    with (
        pytest.raises(SourceUnavailableError, match="but not with BTC/USDT"),
        mapped_errors("binance", "BTC/USDT"),
    ):
        raise TypeError("'NoneType' object is not iterable")
