"""What a forecast takes beside the candles: calibration shifts and auxiliary values."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from forecast_api.champions import load_champions
from forecast_api.hour_inputs import HourInputs
from forecast_api.last_good import LastGood
from forecast_api.lineup import Candidate, Lineup
from forecast_api.windows import AUXILIARY_REACH
from ringside.core.calibration import apply_shifts
from ringside.core.candles import HOUR
from ringside.core.features import compute_features
from ringside.core.known_values import KnownValues
from serving_builders import NOW, TITLES, make_copy, window_of

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


def test_callers_window_gets_the_values_that_were_known_at_its_end(ask, desk, auxiliary, with_vix):
    """Of windows that end with our hour or before it, whatever became known since."""
    candles = desk.market.candles
    windows = [candles.take(slice(None, len(candles) - back)) for back in (0, 1, 30)]
    sent = {"symbol": "BTCUSDT", "windows": [window_of(each) for each in windows]}
    body = ask("/v1/predict", method="POST", json=sent, **with_vix).json
    assert [window["forecasts"][0]["rung"] for window in body["windows"]] == ["registry"] * 3
    table = compute_features(candles, auxiliary=auxiliary)
    model = with_vix["champions"].by_title[TITLES[0]].model
    for told, row in zip(body["windows"], (-1, -2, -31), strict=True):
        here = slice(len(table.sigma) + row, len(table.sigma) + row + 1)
        expected = model.contestant.forecast(table.values[here], table.sigma[here])[0]
        assert list(told["forecasts"][0]["log_return"].values()) == expected.tolist()


def test_model_without_its_auxiliary_values_is_passed_over(ask, desk, with_vix):
    """Never served with wrong inputs: values that reach to our hour do not reach to any."""
    ours = desk.market.candles
    late = replace(ours, open_time=ours.open_time + HOUR)
    early = replace(ours, open_time=ours.open_time - AUXILIARY_REACH - HOUR)
    served = []
    for windows in ([ours], [ours, late], [early]):
        sent = {"symbol": "BTCUSDT", "windows": [window_of(each) for each in windows]}
        body = ask("/v1/predict", method="POST", json=sent, **with_vix).json
        served += [window["forecasts"][0]["rung"] for window in body["windows"]]
    assert served == ["registry", "baseline", "baseline", "baseline"]
    empty = np.empty(0)
    nothing = {"vix": KnownValues(empty.astype("datetime64[s]"), empty)}
    market = replace(desk.market, inputs=HourInputs(auxiliary=nothing))
    body = ask("/v1/forecast?symbol=BTCUSDT", **with_vix | {"market": market}).json
    assert body["inputs"][1] == {
        "name": "vix", "known_at": None, "age_s": None, "origin": "database",
    }  # fmt: skip
    body = ask("/v1/forecast?symbol=BTCUSDT", **with_vix | {"market": desk.market}).json
    assert [forecast["rung"] for forecast in body["forecasts"]] == ["baseline"]
