"""Issuing and scoring on real PostgreSQL and MLflow."""

import math
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import select

from builders import START, make_candles
from model_builders import make_fitted, make_forecast, publish_candles
from ringside.adapters.database import make_engine
from ringside.adapters.ledger_store import LedgerStore
from ringside.adapters.model_files import load_contestant
from ringside.adapters.registry import Registry
from ringside.adapters.tables import forecasts, scores
from ringside.core.candles import to_datetime64
from ringside.core.features import LOOKBACK, compute_features
from ringside.core.quantiles import LEVELS
from ringside.core.titles import CHALLENGER, CHAMPION, PREVIOUS_CHAMPION, Title
from ringside.jobs.issuing import issue_forecasts, score_matured

pytestmark = pytest.mark.integration

COUNT = LOOKBACK + 40
HOUR = START + timedelta(hours=COUNT - 10)
ISSUED_AT = HOUR + timedelta(minutes=3)


@pytest.fixture
def market(full_settings):
    """Settings with candles and, for horizon 1, a champion, a challenger and both baselines."""
    settings = full_settings.model_copy(update={"horizons": (1,)})
    symbol = settings.series[0]
    publish_candles(make_engine(settings), make_candles(COUNT, symbol=symbol, seed=4))
    enter(settings, "persistence", "persistence", CHAMPION)
    enter(settings, "persistence_ewma", "persistence-ewma")
    enter(settings, "xgboost", CHALLENGER)
    return settings


def enter(settings, contestant, *aliases, as_of=START, horizon=1):
    manifest, files = make_fitted(
        contestant, symbol=settings.series[0], as_of=as_of, horizon=horizon
    )
    with Registry(settings.mlflow_url) as registry:
        made = registry.register(manifest, files, metrics={})
        for alias in aliases:
            registry.set_alias(made.model_name, alias, made.version)
    return made


def read_rows(settings, table=forecasts):
    with make_engine(settings).connect() as connection:
        return list(connection.execute(select(table).order_by(table.c[0])).mappings())


def test_each_version_named_by_an_alias_forecasts_once(market):
    facts = issue_forecasts(market, as_of=HOUR + timedelta(minutes=1), issued_at=ISSUED_AT)
    again = issue_forecasts(market, as_of=HOUR, issued_at=ISSUED_AT)

    assert (facts.live, facts.late, facts.known, facts.withheld) == (3, 0, 0, ())
    assert (again.live, again.late, again.known) == (0, 0, 3)
    rows = read_rows(market)
    assert [(row["contestant"], row["model_version"]) for row in rows] == [
        ("persistence", 1),
        ("persistence_ewma", 2),
        ("xgboost", 3),
    ]
    assert {(row["as_of"], row["target_time"], row["issued_at"], row["kind"]) for row in rows} == {
        (HOUR, HOUR + timedelta(hours=1), ISSUED_AT, "live")
    }


def test_issued_numbers_are_those_of_the_whole_history(market):
    """One row served from the look-back equals the same row out of a table of all hours."""
    issue_forecasts(market, as_of=HOUR, issued_at=ISSUED_AT)
    table = compute_features(make_candles(COUNT, symbol=market.series[0], seed=4))
    place = np.flatnonzero(table.open_time + np.timedelta64(1, "h") == to_datetime64(HOUR))
    there = table.take(place)

    for row in read_rows(market):
        name = Title(market.series[0], 1).model_name
        model = load_contestant(market.models_dir / name / str(row["model_version"]))
        expected = model.contestant.forecast(there.values, there.sigma)[0]
        assert [row[q] for q in ("q05", "q25", "q50", "q75", "q95")] == expected.tolist()
        assert (row["anchor_close"], row["sigma"]) == (there.close[0], there.sigma[0])


def test_forecast_that_comes_too_late_says_so_and_is_never_scored(market):
    facts = issue_forecasts(market, as_of=HOUR, issued_at=HOUR + timedelta(minutes=16))
    assert (facts.live, facts.late) == (0, 3)
    assert score_matured(market, as_of=HOUR + timedelta(hours=2)).scored == {market.series[0]: 0}


def test_missing_last_candle_withholds_the_series(full_settings):
    publish_candles(make_engine(full_settings), make_candles(COUNT, symbol=full_settings.series[0]))
    hour = START + timedelta(hours=COUNT + 1)
    facts = issue_forecasts(full_settings, as_of=hour, issued_at=hour)

    assert [(one.symbol, one.model) for one in facts.withheld] == [(full_settings.series[0], "")]
    assert f"the candle closing at {hour.isoformat()} is missing" in facts.withheld[0].reason
    assert read_rows(full_settings) == []


def test_hours_beside_a_gap_are_withheld_until_sigma_is_known_again(full_settings):
    settings = full_settings.model_copy(update={"horizons": (1,)})
    symbol = settings.series[0]
    candles = make_candles(COUNT, symbol=symbol)
    keep = np.ones(COUNT, dtype=bool)
    keep[COUNT - 20 : COUNT - 10] = False
    publish_candles(make_engine(settings), candles.take(keep))
    enter(settings, "persistence", CHAMPION)

    first = START + timedelta(hours=COUNT - 9)
    live = [
        issue_forecasts(settings, as_of=hour, issued_at=hour).live
        for hour in (first + timedelta(hours=i) for i in range(8))
    ]
    assert live == sorted(live), "once issued again, no hour is withheld"
    assert live[0] == 0
    assert live[-1] == 1


def test_refused_model_is_withheld_and_the_others_are_issued(market):
    enter(market, "persistence", PREVIOUS_CHAMPION, as_of=HOUR + timedelta(days=2))
    facts = issue_forecasts(market, as_of=HOUR, issued_at=ISSUED_AT)

    assert facts.live == 3
    assert [one.model for one in facts.withheld] == [f"{Title(market.series[0], 1).model_name} v4"]
    assert "was fitted as of" in facts.withheld[0].reason


def test_scores_equal_a_loop_over_the_definition(market):
    issue_forecasts(market, as_of=HOUR, issued_at=ISSUED_AT)
    facts = score_matured(market, as_of=HOUR + timedelta(hours=1))
    again = score_matured(market, as_of=HOUR + timedelta(hours=1))

    symbol = market.series[0]
    assert (facts.scored, again.scored) == ({symbol: 3}, {symbol: 0})
    candles = make_candles(COUNT, symbol=symbol, seed=4)
    place = int((to_datetime64(HOUR) - candles.open_time[0]) / np.timedelta64(1, "h"))
    realised = math.log(candles.close[place] / candles.close[place - 1])
    for row, score in zip(read_rows(market), read_rows(market, scores), strict=True):
        quantiles = [row[q] for q in ("q05", "q25", "q50", "q75", "q95")]
        loss = 0.0
        for level, quantile in zip(LEVELS, quantiles, strict=True):
            weight = level if realised >= quantile else 1 - level
            loss += weight * abs(realised - quantile) / 5
        assert score["realised_return"] == pytest.approx(realised, rel=1e-12)
        assert score["loss"] == pytest.approx(loss, rel=1e-12)
        assert score["scaled_loss"] == pytest.approx(loss / row["sigma"], rel=1e-12)
        assert score["abs_error"] == pytest.approx(abs(realised - quantiles[2]), rel=1e-12)
        assert score["is_inside_50"] == (quantiles[1] <= realised <= quantiles[3])
        assert score["is_inside_90"] == (quantiles[0] <= realised <= quantiles[4])


def test_nothing_is_scored_before_its_target_candle_has_closed(market):
    issue_forecasts(market, as_of=HOUR, issued_at=ISSUED_AT)
    almost = HOUR + timedelta(minutes=59, seconds=59)
    assert score_matured(market, as_of=almost).scored == {market.series[0]: 0}


def test_forecast_whose_target_hour_has_no_candle_waits(settings):
    ledger = LedgerStore(make_engine(settings))
    ledger.append("BTC/USDT", [make_forecast()])
    assert ledger.read_matured("BTC/USDT", as_of=HOUR + timedelta(days=400)) == []
