"""What callers get who send candles of their own."""

import numpy as np
import pytest

from serving_builders import window_of

PROBLEM = "application/problem+json"


def test_callers_window_is_forecast_like_our_own_candles(ask, desk):
    window = window_of(desk.market.candles)
    body = ask(
        "/v1/predict", method="POST", json={"symbol": "btcusdt", "windows": [window] * 2}
    ).json
    ours = ask("/v1/forecast?symbol=BTC/USDT").json
    assert [w["forecasts"] for w in body["windows"]] == [ours["forecasts"]] * 2
    assert body["windows"][0]["as_of"] == ours["as_of"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"open_time": lambda c: [*c[:-1], f"{c[-1][:13]}:30:00Z"]}, "windows.0.open_time.725"),
        ({"open_time": lambda c: [*c[:-1], c[-2]]}, "windows.0.open_time.725"),
        ({"close": lambda c: [-1.0, *c[1:]]}, "windows.0.close.0"),
        ({"high": lambda c: [*c[:7], 1.0, *c[8:]]}, "windows.0.high.7"),
        ({"volume": lambda c: [*c[:-1], "1"]}, "windows.0.volume.725"),
        ({"volume": lambda c: c[1:]}, "windows.0"),
    ],
)  # fmt: skip
def test_wrong_field_of_a_window_is_named(ask, desk, change, field):
    window = window_of(desk.market.candles)
    for name, alter in change.items():
        window[name] = alter(window[name])
    answer = ask("/v1/predict", method="POST", json={"symbol": "BTCUSDT", "windows": [window]})
    assert (answer.status_code, answer.content_type) == (422, PROBLEM)
    assert answer.json["errors"][0]["field"] == field


def test_window_that_is_too_short_is_named(ask, desk):
    window = window_of(desk.market.candles.take(slice(-100, None)))
    answer = ask("/v1/predict", method="POST", json={"symbol": "BTCUSDT", "windows": [window]})
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "windows.0")


def test_stray_old_candle_does_not_make_a_window_huge(ask, desk):
    window = window_of(desk.market.candles)
    window["open_time"][0] = "1970-01-01T00:00:00Z"
    assert ask("/v1/predict", method="POST", json={"symbol": "BTCUSDT", "windows": [window]}).status_code == 200  # fmt: skip  # noqa: E501 - one call


def test_body_that_is_no_json_is_400_and_another_media_type_415(ask):
    sent = {"data": b"{", "headers": {"Content-Type": "application/json"}}
    assert ask("/v1/predict", method="POST", **sent).status_code == 400
    assert ask("/v1/predict", method="POST", data={"a": "b"}).status_code == 415


def test_window_at_the_end_of_the_calendar_is_refused(ask, desk):
    window = window_of(desk.market.candles)
    opened = np.datetime64("9999-12-31T23", "s") - np.arange(726)[::-1] * np.timedelta64(1, "h")
    window["open_time"] = [f"{at}Z" for at in opened]
    answer = ask("/v1/predict", method="POST", json={"symbol": "BTCUSDT", "windows": [window]})
    assert answer.status_code == 422
    assert answer.json["errors"][0]["field"] == "windows.0.open_time.0"
