"""What callers of the service get, over the real app with a market held in memory."""

import json
import math
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from builders import make_candles
from forecast_api import create_app
from forecast_api.champions import Champions, load_champions
from forecast_api.desk import Desk
from forecast_api.hour_inputs import HourInputs
from forecast_api.last_good import LastGood
from forecast_api.lineup import Candidate, Lineup
from forecast_api.worker_board import WorkerBoard
from ringside.adapters.history_pages import Page
from ringside.core.calibration import apply_shifts
from ringside.core.features import LOOKBACK, compute_features
from ringside.core.known_values import KnownValues
from serving_builders import (
    TITLES,
    FakeCatalogue,
    FakeHistory,
    FakeMarket,
    find_end,
    make_copy,
)

TOKEN = "a-token-of-the-tests-only"

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROBLEM = "application/problem+json"


@pytest.fixture
def desk(tmp_path) -> Desk:
    candles = make_candles(LOOKBACK + 5, seed=3)
    for version, title in enumerate(TITLES, start=4):
        make_copy(tmp_path / "models", title, version, "xgboost", seed=version)
    lineup = Lineup(
        1, tuple(Candidate(t, v, "registry") for v, t in enumerate(TITLES, start=4)), ()
    )
    return Desk(
        titles=TITLES,
        champions=load_champions(lineup, LastGood(tmp_path / "models"), loaded_at=NOW),
        market=FakeMarket(candles, find_end(candles) + timedelta(minutes=20)),
        board=WorkerBoard(tmp_path / "workers"),
        history=FakeHistory(Page([], has_more=False)),
        catalogue=FakeCatalogue(),
        reports_dir=tmp_path / "reports",
        now=lambda: NOW,
        request_reload=lambda: None,
        reload_token=TOKEN,
    )


@pytest.fixture
def ask(desk):
    """Ask the app one question; attributes of the desk can be replaced by keyword."""

    def get(path, *, method="GET", json=None, data=None, headers=None, **changes):
        app = create_app(lambda: replace(desk, **changes), ("BTC/USDT",))
        client = app.test_client()
        return client.open(path, method=method, json=json, data=data, headers=headers)

    return get


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


def test_model_names_versions_checksums_and_workers(ask, desk):
    desk.board.write({"pid": os.getpid(), "generation": 9})
    body = ask("/v1/model").json
    assert [(t["horizon"], t["version"], t["source"]) for t in body["titles"]] == [
        (1, 4, "registry"),
        (6, 5, "registry"),
    ]
    assert all(len(title["sha256"]) == 64 for title in body["titles"])
    assert body["loaded_at"] == NOW.isoformat()
    assert [worker["generation"] for worker in body["workers"]] == [9]


def test_probes_tell_the_truth(ask, desk):
    assert ask("/livez").status_code == 200
    assert ask("/readyz").status_code == 200
    answer = ask(
        "/readyz",
        market=replace(desk.market, is_down=True),
        champions=replace(desk.champions, ladders={}),
    )
    assert (answer.status_code, answer.content_type) == (503, PROBLEM)
    assert len(answer.json["missing"]) == 3, answer.json["missing"]
    assert ask("/livez", champions=Champions(1, NOW, {}, ())).status_code == 200


def test_newest_report_is_sent(ask, desk):
    desk.reports_dir.mkdir()
    (desk.reports_dir / "index.html").write_text("<h1>charts</h1>")
    with ask("/reports/") as answer:
        assert answer.text == "<h1>charts</h1>"


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


def window_of(candles) -> dict:
    columns = {n: getattr(candles, n).tolist() for n in ("open", "high", "low", "close", "volume")}
    return {"open_time": [f"{at}Z" for at in candles.open_time], **columns}


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


@pytest.mark.parametrize(
    ("given", "status"),
    [({}, 401), ({"Authorization": "Basic x"}, 401), ({"Authorization": "Bearer "}, 401),
     ({"Authorization": "Bearer no"}, 403), ({"Authorization": f"Bearer {TOKEN}"}, 202)],
)  # fmt: skip
def test_reload_is_for_the_bearer_of_the_token(ask, given, status):
    asked = []
    answer = ask(
        "/v1/reload", method="POST", headers=given, request_reload=lambda: asked.append(True)
    )
    assert answer.status_code == status
    assert bool(asked) == (status == 202)


def test_reload_without_a_token_set_is_for_nobody(ask):
    headers = {"Authorization": "Bearer None"}
    answer = ask("/v1/reload", method="POST", headers=headers, reload_token=None)
    assert (answer.status_code, answer.json["type"]) == (
        403,
        "urn:ringside:problem:reload-by-signal-only",
    )


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


SHIFTS = (-0.3, -0.1, 0.0, 0.1, 0.4)


def test_shifts_move_the_answer_and_its_etag(ask, desk):
    plain = ask("/v1/forecast?symbol=BTCUSDT")
    inputs = HourInputs({(6, "xgboost"): SHIFTS, (1, "linear"): SHIFTS})
    moved = ask("/v1/forecast?symbol=BTCUSDT", market=replace(desk.market, inputs=inputs))
    sigma = compute_features(desk.market.candles).sigma[-1:]
    before, after = plain.json["forecasts"], moved.json["forecasts"]
    assert after[0] == before[0]
    assert list(after[0]["calibration"].values()) == [0.0] * 5
    assert list(after[1]["calibration"].values()) == list(SHIFTS)
    raw = np.array([list(before[1]["log_return"].values())])
    expected = apply_shifts(raw, sigma, horizon=6, shifts=np.array(SHIFTS))[0]
    assert list(after[1]["log_return"].values()) == expected.tolist()
    assert plain.headers["ETag"] != moved.headers["ETag"]


def test_callers_window_is_calibrated_by_the_last_known_shifts(ask, desk):
    inputs = HourInputs({(6, "xgboost"): SHIFTS})
    market = replace(desk.market, inputs=inputs)
    sent = {"symbol": "BTCUSDT", "windows": [window_of(desk.market.candles)]}
    body = ask("/v1/predict", method="POST", json=sent, market=market).json
    ours = ask("/v1/forecast?symbol=BTCUSDT", market=market).json
    assert body["windows"][0]["forecasts"] == ours["forecasts"]
    down = replace(market, is_down=True)
    blind = ask("/v1/predict", method="POST", json=sent, market=down).json
    assert list(blind["windows"][0]["forecasts"][1]["calibration"].values()) == [0.0] * 5


@pytest.fixture
def auxiliary(desk) -> dict[str, KnownValues]:
    days = desk.market.candles.close_time[::24]
    return {"vix": KnownValues(days, 15 + np.arange(len(days)) / 10)}


@pytest.fixture
def with_vix(desk, auxiliary, tmp_path) -> dict:
    """Parts of a desk whose models look at vix, with a baseline below them."""
    models = tmp_path / "with-vix"
    make_copy(models, TITLES[0], 7, "xgboost", seed=3, auxiliary=auxiliary)
    make_copy(models, TITLES[0], 6, "persistence_ewma", seed=3, auxiliary=auxiliary)
    lineup = Lineup(
        1,
        (Candidate(TITLES[0], 7, "registry"), Candidate(TITLES[0], 6, "baseline")),
        (),
    )
    champions = load_champions(lineup, LastGood(models), loaded_at=NOW, auxiliary=("vix",))
    market = replace(desk.market, inputs=HourInputs(auxiliary=auxiliary))
    assert champions.refused == ()
    return {"titles": TITLES[:1], "champions": champions, "market": market}


def test_model_is_given_the_auxiliary_values_it_was_fitted_with(ask, desk, auxiliary, with_vix):
    body = ask("/v1/forecast?symbol=BTCUSDT", **with_vix).json
    table = compute_features(desk.market.candles, auxiliary=auxiliary)
    model = with_vix["champions"].by_title[TITLES[0]].model
    expected = model.contestant.forecast(table.values[-1:], table.sigma[-1:])[0]
    assert list(body["forecasts"][0]["log_return"].values()) == expected.tolist()
    assert [each["name"] for each in body["inputs"]] == ["candles", "vix", "model of horizon 1"]
    age = body["inputs"][1]["age_s"]
    newest = auxiliary["vix"].known_at[-1].astype(datetime).replace(tzinfo=UTC)
    assert age == (datetime.fromisoformat(body["market_time"]) - newest).total_seconds()


def test_model_without_its_auxiliary_values_is_passed_over(ask, desk, with_vix):
    """Never served with wrong inputs: values of our hour are none for another hour."""
    ours, past = desk.market.candles, desk.market.candles.take(slice(None, -1))
    served = []
    for windows in ([ours], [ours, past]):
        sent = {"symbol": "BTCUSDT", "windows": [window_of(each) for each in windows]}
        body = ask("/v1/predict", method="POST", json=sent, **with_vix).json
        served += [window["forecasts"][0]["rung"] for window in body["windows"]]
    assert served == ["registry", "baseline", "baseline"]
    empty = np.empty(0)
    nothing = {"vix": KnownValues(empty.astype("datetime64[s]"), empty)}
    market = replace(desk.market, inputs=HourInputs(auxiliary=nothing))
    body = ask("/v1/forecast?symbol=BTCUSDT", **with_vix | {"market": market}).json
    assert body["inputs"][1] == {
        "name": "vix", "known_at": None, "age_s": None, "origin": "database",
    }  # fmt: skip
    body = ask("/v1/forecast?symbol=BTCUSDT", **with_vix | {"market": desk.market}).json
    assert [forecast["rung"] for forecast in body["forecasts"]] == ["baseline"]
