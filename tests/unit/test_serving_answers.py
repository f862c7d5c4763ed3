"""What callers get who ask for a forecast, over the real app with a market held in memory."""

import json
import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from forecast_api.champions import Champions
from ringside.core.features import compute_features
from serving_builders import NOW, TITLES, find_end

PROBLEM = "application/problem+json"


def test_forecast_is_the_champions_quantiles_on_the_last_closed_candle(ask, desk):
    body = ask("/v1/forecast?symbol=BTC/USDT").json

    candles = desk.market.candles
    assert body["as_of"] == find_end(candles).isoformat()
    assert body["age_s"] == 1200
    assert body["anchor_close"] == candles.close[-1]
    assert body["degraded"] is None
    assert body["unavailable"] == []
    assert body["source"]["kind"] == "simulated"
    assert "not real" in body["source"]["label"]
    table = compute_features(candles)  # the whole history: training's way to the same row
    for title, forecast in zip(TITLES, body["forecasts"], strict=True):
        expected = desk.champions.by_title[title].model.contestant.forecast(
            table.values[-1:], table.sigma[-1:]
        )[0]
        assert list(forecast["log_return"].values()) == expected.tolist()
        assert list(forecast["quantiles"]) == ["0.05", "0.25", "0.5", "0.75", "0.95"]
        prices = [candles.close[-1] * math.exp(r) for r in expected]
        assert list(forecast["quantiles"].values()) == pytest.approx(prices, rel=1e-12)
        assert (
            forecast["target_time"]
            == (find_end(candles) + timedelta(hours=title.horizon)).isoformat()
        )
        assert (forecast["contestant"], forecast["version"]) == (
            "xgboost",
            desk.champions.by_title[title].version,
        )


def test_forming_candle_is_not_seen(ask, desk):
    before = replace(desk.market, market_time=find_end(desk.market.candles) - timedelta(seconds=1))
    body = ask("/v1/forecast?symbol=BTC/USDT", market=before).json
    assert body["anchor_close"] == desk.market.candles.close[-2]


@pytest.mark.parametrize("symbol", ["BTC/USDT", "BTCUSDT", "btcusdt", "BTC%2FUSDT"])
def test_symbol_may_be_written_without_its_slash(ask, symbol):
    assert ask(f"/v1/forecast?symbol={symbol}").json["symbol"] == "BTC/USDT"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda m: replace(m, is_set=False), "no-candles"),
        (lambda m: replace(m, candles=m.candles.take(slice(0, 0))), "no-candles"),
        (lambda m: replace(m, candles=m.candles.take([0, -1])), "candle-gap"),
        (lambda m: replace(m, market_time=find_end(m.candles) + timedelta(hours=6)),
         "candles-stale"),
        (lambda m: replace(m, is_down=True), "store-unavailable"),
    ],
)  # fmt: skip
def test_missing_data_is_503_with_the_reason(ask, desk, change, kind):
    answer = ask("/v1/forecast?symbol=BTCUSDT", market=change(desk.market))
    assert (answer.status_code, answer.content_type) == (503, PROBLEM)
    assert answer.json["type"] == f"urn:ringside:problem:{kind}"
    assert "10.0.0.1" not in answer.text


def test_late_candles_are_named_degraded(ask, desk):
    late = replace(desk.market, market_time=find_end(desk.market.candles) + timedelta(hours=3))
    body = ask("/v1/forecast?symbol=BTCUSDT", market=late).json
    assert (body["degraded"], body["age_s"]) == ("stale-candles", 3 * 3600)
    assert [forecast["horizon"] for forecast in body["forecasts"]] == [6]
    assert body["unavailable"][0]["horizon"] == 1
    assert "has passed" in body["unavailable"][0]["reason"]


def test_title_without_model_is_unavailable_and_the_other_is_forecast(ask, desk):
    one = {TITLES[1]: desk.champions.ladders[TITLES[1]]}
    body = ask("/v1/forecast?symbol=BTCUSDT", champions=replace(desk.champions, ladders=one)).json
    assert body["degraded"] == "no-model"
    assert [forecast["horizon"] for forecast in body["forecasts"]] == [6]
    assert [title["horizon"] for title in body["unavailable"]] == [1]


def test_no_model_at_all_is_503(ask):
    nothing = Champions(1, NOW, {}, ())
    answer = ask("/v1/forecast?symbol=BTCUSDT", champions=nothing)
    assert answer.status_code == 503
    assert answer.json["type"] == "urn:ringside:problem:no-champion"


def test_answers_hold_no_number_that_json_lacks(ask, desk):
    body = ask("/v1/forecast?symbol=BTCUSDT").text
    json.loads(body, parse_constant=pytest.fail)


def test_model_that_fails_in_the_hour_gives_way_to_the_next_rung(ask, desk, monkeypatch):
    title = TITLES[0]
    champion = desk.champions.ladders[title][0]

    class Failing:
        name = "xgboost"
        is_baseline = False

        def forecast(self, features, sigma):
            return np.full((len(sigma), 5), np.nan)

    broken = replace(champion, model=replace(champion.model, contestant=Failing()))
    baseline = replace(champion, source="baseline")
    ladders = {**desk.champions.ladders, title: (broken, baseline)}
    body = ask(
        "/v1/forecast?symbol=BTCUSDT", champions=replace(desk.champions, ladders=ladders)
    ).json
    assert [f["rung"] for f in body["forecasts"]] == ["baseline", "registry"]
    assert (body["degraded"], body["warnings"]) == ("baseline", ["baseline"])
