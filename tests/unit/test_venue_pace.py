import pytest
from requests.structures import CaseInsensitiveDict

from ringside.adapters.exchange import make_client
from ringside.adapters.venue_pace import find_pause_s, obey_announced_limit

MINUTE = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}


def make_answer(used, date="Wed, 01 Jan 2025 03:00:41 GMT"):
    return CaseInsensitiveDict({"X-MBX-USED-WEIGHT-1M": str(used), "Date": date})


def make_greeted(announced, headers):
    client = make_client("binance")
    client.last_json_response = announced
    client.last_response_headers = headers
    return client


@pytest.mark.parametrize(("announced", "pace_ms"), [(6_000, 50), (1_200, 250), (60_000, 50)])
def test_weight_that_is_announced_and_not_counted_spaces_the_requests(announced, pace_ms):
    client = make_greeted({"rateLimits": [{**MINUTE, "limit": announced}]}, {})
    for _ in range(2):
        assert obey_announced_limit(client) is None
    assert (client.rateLimit, client.enableRateLimit) == (pace_ms, True)


def test_weight_that_the_venue_counts_is_watched_instead():
    client = make_greeted({"rateLimits": [{**MINUTE, "limit": 6_000}]}, make_answer(22))
    assert obey_announced_limit(client) == 6_000
    assert not client.enableRateLimit


@pytest.mark.parametrize("announced", [[], None, {}, {"rateLimits": []}])
def test_venue_that_announces_nothing_is_asked_at_the_pace_ccxt_knows(announced):
    client = make_greeted(announced, make_answer(22))
    assert obey_announced_limit(client) is None
    assert client.enableRateLimit


def test_half_of_the_weight_is_ours_and_then_the_next_minute_is_waited_for():
    assert find_pause_s(make_answer(2_998), 6_000) == 0
    assert find_pause_s(make_answer(3_000), 6_000) == 60 - 41


def test_answer_without_a_count_asks_for_no_pause():
    assert find_pause_s(CaseInsensitiveDict(), 6_000) == 0
