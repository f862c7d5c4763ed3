"""Issuing and scoring on real PostgreSQL and MLflow."""

import math
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import select

from builders import START, make_candles
from model_builders import make_fitted, make_forecast, publish_candles
from ringside.adapters.candle_windows import read_windows
from ringside.adapters.database import make_engine
from ringside.adapters.ledger_store import LedgerStore
from ringside.adapters.model_files import load_contestant
from ringside.adapters.registry import Registry
from ringside.adapters.score_store import ScoreStore
from ringside.adapters.tables import forecasts, scores, skill_history
from ringside.core.calibration import apply_shifts, find_shifts
from ringside.core.candles import to_datetime64
from ringside.core.features import LOOKBACK, compute_features
from ringside.core.quantiles import LEVELS
from ringside.core.scores import to_hits
from ringside.core.titles import CHALLENGER, CHAMPION, PREVIOUS_CHAMPION, Title
from ringside.jobs.issuing import issue_forecasts
from ringside.jobs.scoring import rebuild_scores, score_matured

pytestmark = pytest.mark.integration

QUANTILES = ("q05", "q25", "q50", "q75", "q95")
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


def read_withheld(settings):
    ledger = LedgerStore(make_engine(settings))
    long_ago, later = START - timedelta(days=1), START + timedelta(days=400)
    return ledger.read_withheld(settings.series[0], start=long_ago, end=later)


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

    (missed,) = facts.withheld
    assert (missed.symbol, missed.horizon, missed.as_of) == (full_settings.series[0], 0, hour)
    assert f"the candle closing at {hour.isoformat()} is missing" in missed.reason
    assert read_rows(full_settings) == []
    assert read_withheld(full_settings) == [missed]


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
    (refused,) = facts.withheld
    assert (refused.horizon, refused.model_version) == (1, 4)
    assert "was fitted as of" in refused.reason
    assert read_withheld(market) == [refused]


def test_model_whose_checksum_differs_is_refused_on_the_record(market):
    broken, files = make_fitted(symbol=market.series[0], horizon=1, seed=9)
    files["band.json"] = files["band.json"].replace(b"0.0", b"0.1", 1)
    with Registry(market.mlflow_url) as registry:
        made = registry.register(broken, files, metrics={})
        registry.set_alias(made.model_name, PREVIOUS_CHAMPION, made.version)

    facts = issue_forecasts(market, as_of=HOUR, issued_at=ISSUED_AT)

    assert facts.live == 3
    (refused,) = read_withheld(market)
    assert "checksum differs from the manifest: band.json" in refused.reason
    assert refused.model_version == made.version


def test_title_without_a_model_is_withheld_by_name(market):
    settings = market.model_copy(update={"horizons": (1, 6)})
    facts = issue_forecasts(settings, as_of=HOUR, issued_at=ISSUED_AT)

    assert facts.live == 3
    assert [(one.horizon, one.reason) for one in facts.withheld] == [
        (6, f"no model of {Title(settings.series[0], 6).model_name} is trained yet")
    ]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("close", math.nan, "not finite"),
        ("high", math.inf, "not finite"),
        ("low", 0.0, "zero or less"),
    ],
)
def test_unsound_last_candle_withholds_with_its_reason(full_settings, column, value, reason):
    candles = make_candles(COUNT, symbol=full_settings.series[0])
    getattr(candles, column)[-1] = value
    publish_candles(make_engine(full_settings), candles)
    hour = START + timedelta(hours=COUNT)

    facts = issue_forecasts(full_settings, as_of=hour, issued_at=hour)

    assert reason in facts.withheld[0].reason
    assert read_rows(full_settings) == []


def test_constant_prices_withhold_with_their_reason(full_settings):
    symbol = full_settings.series[0]
    candles = make_candles(COUNT, symbol=symbol, returns=np.zeros(COUNT))
    publish_candles(make_engine(full_settings), candles)
    hour = START + timedelta(hours=COUNT)

    facts = issue_forecasts(full_settings, as_of=hour, issued_at=hour)

    assert "has not moved" in facts.withheld[0].reason


def test_replay_on_purpose_is_neither_live_nor_late(market):
    facts = issue_forecasts(market, as_of=HOUR, issued_at=HOUR + timedelta(days=3), is_replay=True)
    assert (facts.live, facts.late, facts.replayed) == (0, 0, 3)
    assert {row["kind"] for row in read_rows(market)} == {"replayed"}


def test_outcomes_shift_the_quantiles_of_the_next_hour(market):
    """Too many outcomes above the band move it up, by what the ledger says and nothing else."""
    symbol = market.series[0]
    before = issue_forecasts(market, as_of=HOUR, issued_at=ISSUED_AT)
    plant_outcomes(market, HOUR, hours=200)
    hour = HOUR + timedelta(hours=1)
    issue_forecasts(market, as_of=hour, issued_at=hour)

    assert before.live == 3
    rows = [row for row in read_rows(market) if row["contestant"] == "persistence"]
    shifted = rows[-1]
    assert shifted["as_of"] == hour
    with make_engine(market).connect() as connection:
        counts = list(
            connection.execute(
                select(scores.c.quantiles_below)
                .where(scores.c.symbol == symbol, scores.c.contestant == "persistence")
                .order_by(scores.c.target_time)
            ).scalars()
        )
    expected = find_shifts(to_hits(np.array(counts)), horizon=1)
    assert len(counts) == 201
    assert shifted["shifts"] == expected.tolist()
    assert expected[4] > 0
    raw = np.array([rows[0][q] for q in QUANTILES])  # persistence says the same every hour
    moved = apply_shifts(raw[None], np.array([shifted["sigma"]]), horizon=1, shifts=expected)
    assert [shifted[q] for q in QUANTILES] == moved[0].tolist()


def test_history_counts_the_hours_that_issuing_has_scored(market):
    """Issuing scores what has come true, for calibration; the history must not miss it."""
    symbol, engine = market.series[0], make_engine(market)
    for hour in (HOUR + timedelta(hours=i) for i in range(4)):
        issue_forecasts(market, as_of=hour, issued_at=hour)
        score_matured(market, as_of=hour)

    def read_history():
        with engine.connect() as connection:
            query = select(skill_history).order_by(*skill_history.primary_key.columns)
            return [tuple(row) for row in connection.execute(query)]

    stepwise = read_history()
    rebuild_scores(market, as_of=HOUR + timedelta(hours=3))
    assert stepwise == read_history()
    days = {(HOUR + timedelta(hours=i)).date() for i in range(3)}
    newest = ScoreStore(engine).read_skill(symbol, 1, start=max(days), end=max(days))
    assert [one.hours for one in newest] == [3, 3, 3]


def plant_outcomes(settings, until, *, hours):
    """Replayed forecasts of persistence, all of them far too low, whose outcome is known."""
    rows = [
        make_forecast(
            symbol=settings.series[0],
            model_version=0,
            kind="replayed",
            as_of=until - timedelta(hours=1 + back),
            anchor_close=1.0,
        )
        for back in range(hours)
    ]
    LedgerStore(make_engine(settings)).append(rows[::-1], withheld_at=until)
    score_matured(settings, as_of=until)


def test_candles_of_another_series_never_leak_into_a_window(market):
    other = f"{market.series[0][:-5]}X/USDT"
    engine = make_engine(market)
    publish_candles(engine, make_candles(COUNT, symbol=other, seed=11))
    windows = read_windows(engine, [other, market.series[0], "NO/NE"], as_of=HOUR, hours=LOOKBACK)

    for symbol, seed in ((market.series[0], 4), (other, 11)):
        whole = make_candles(COUNT, symbol=symbol, seed=seed)
        expected = whole.take(slice(COUNT - 10 - LOOKBACK, COUNT - 10))
        for name in ("open_time", "open", "high", "low", "close", "volume"):
            assert np.array_equal(getattr(windows[symbol], name), getattr(expected, name))
    assert len(windows["NO/NE"]) == 0


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
    LedgerStore(make_engine(settings)).append([make_forecast()], withheld_at=HOUR)
    facts = score_matured(settings, as_of=HOUR + timedelta(days=400))
    assert facts.scored == {"BTC/USDT": 0}
