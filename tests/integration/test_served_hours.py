"""What serving computes for an hour equals what training and the ledger have for it, bit by bit."""

import json
import secrets
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from pydantic import SecretStr
from sqlalchemy import insert, select

from builders import START, make_candles
from forecast_api.champions import Champion
from forecast_api.hour_inputs import StoredInputs
from forecast_api.kept_market import COMPLETE_S
from model_builders import make_forecast, publish_candles
from ringside.adapters.database import make_engine
from ringside.adapters.ledger_store import LedgerStore
from ringside.adapters.model_files import load_contestant
from ringside.adapters.observation_store import Observation, ObservationStore, RawValues
from ringside.adapters.publishing import Asked
from ringside.adapters.registry import Registry
from ringside.adapters.score_store import ScoreStore
from ringside.adapters.tables import forecasts, market_clock
from ringside.core.audits import BatchAudit
from ringside.core.candles import HOUR, floor_hour, to_datetime, to_datetime64
from ringside.core.features import find_look_back
from ringside.core.known_values import AUXILIARY
from ringside.core.scores import score_forecasts
from ringside.core.titles import CHAMPION, Title, find_alias
from ringside.jobs.calibrating import foresee_shifts
from ringside.jobs.forecasting import make_forecasts, read_series, read_shifts
from ringside.jobs.issuing import issue_forecasts
from ringside.jobs.recording import record
from ringside.jobs.scoring import score_fresh
from ringside.jobs.training import read_inputs, train
from ringside.settings import Settings
from serving_process import serving

pytestmark = pytest.mark.integration

COUNT = 2600
RECORD_WEEKS = 4
PAST_HOURS = 500
AS_OF = START + timedelta(hours=COUNT)
QUANTILES = ("q05", "q25", "q50", "q75", "q95")


@pytest.fixture(scope="module")
def seeded():
    return np.random.default_rng(17)


@pytest.fixture(scope="module")
def world(postgres, copy_database, mlflow_url, tmp_path_factory):
    """A series with gaps and an auxiliary series beside it, trained once for two horizons."""
    with copy_database() as url:
        settings = Settings(
            database_url=url,
            state_dir=tmp_path_factory.mktemp("world"),
            mlflow_url=mlflow_url,
            series=(f"T{secrets.token_hex(3).upper()}/USDT",),
            horizons=(1, 6),
            train_days=45,
            record_weeks=RECORD_WEEKS,
            auxiliary=("vix",),
        )
        candles = make_candles(COUNT, symbol=settings.series[0], seed=21)
        keep = np.random.default_rng(5).random(COUNT) > 0.002
        keep[-1] = True
        publish_candles(make_engine(settings), candles.take(keep))
        publish_vix(settings)
        made = train(settings, settings.series[0], as_of=AS_OF).versions
        with Registry(settings.mlflow_url) as registry:
            for one in made:  # as if each had passed its examination
                registry.set_alias(one.model_name, find_alias(one.contestant), one.version)
        yield settings


@pytest.fixture
def trained(world, copy_database, tmp_path):
    """The trained world, with a database of the test's own to write to."""
    with copy_database(world.database_url.get_secret_value()) as url:
        yield world.model_copy(update={"database_url": SecretStr(url), "state_dir": tmp_path})


def publish_vix(settings):
    days = [START + timedelta(days=day) for day in range(-10, COUNT // 24)]
    rows = [
        Observation(day, day + timedelta(hours=21.25), 15 + 0.1 * i) for i, day in enumerate(days)
    ]
    store = ObservationStore(make_engine(settings))
    asked = Asked(days[0], days[-1] + timedelta(days=1), AS_OF, ("test",))
    store.write_batch(RawValues("vix", "vix", "test", tuple(rows)), asked)
    audit = BatchAudit("vix", "vix", "test", len(rows), False, (), ())
    store.write_audit(audit, as_of=AS_OF, audited_at=store.read_batch("vix")[1])
    store.publish("vix", AUXILIARY["vix"])


def read_model(settings, contestant, horizon):
    name = Title(settings.series[0], horizon).model_name
    with Registry(settings.mlflow_url) as registry:
        version = registry.find_aliases(name)[find_alias(contestant)]
        return load_contestant(registry.download(name, version, settings.models_dir)), version


def test_five_hundred_past_hours_are_the_same_served_and_trained(trained, seeded):
    # a pool, as serving has one
    engine, symbol = make_engine(trained, pool_size=1), trained.series[0]
    inputs = read_inputs(trained, symbol, as_of=AS_OF, days=70, seed=1)
    table = inputs.compute(inputs.candles)
    usable = np.flatnonzero(table.is_usable & (np.arange(len(table.close)) >= 721))
    models = [
        (read_model(trained, name, horizon), Title(symbol, horizon))
        for name in ("xgboost", "linear", "persistence_ewma")
        for horizon in trained.horizons
    ]
    hours = seeded.choice(usable, PAST_HOURS, replace=False)
    for place in hours:
        as_of = to_datetime(table.open_time[place] + HOUR)
        windows, withheld = read_series(trained, engine, [symbol], as_of=as_of)
        assert withheld == []
        row = table.take(np.array([place]))
        (names,) = {model.manifest.feature_names for (model, _), _ in models}
        served = windows[symbol].compute(names)
        np.testing.assert_array_equal(served.values, row.values)
        np.testing.assert_array_equal(served.sigma, row.sigma)
        np.testing.assert_array_equal(served.close, row.close)
        for (model, version), title in models:
            champion = Champion(title, version, "", "registry", model)
            np.testing.assert_array_equal(
                champion.forecast(served), model.contestant.forecast(row.values, row.sigma)
            )
    engine.dispose()


def test_replayed_rows_of_the_ledger_are_what_would_have_been_issued_then(trained, seeded):
    """The replay's features and shifts, hour by hour, by the path that issues and serves."""
    engine, symbol = make_engine(trained), trained.series[0]
    record(trained, symbol, as_of=AS_OF)
    query = select(forecasts).where(
        forecasts.c.contestant == "persistence_ewma", forecasts.c.horizon == 6
    )
    with engine.connect() as connection:
        rows = list(connection.execute(query.order_by(forecasts.c.as_of)).mappings())
    key = (symbol, 6, "persistence_ewma")
    assert any(any(row["shifts"]) for row in rows)
    for place in seeded.choice(len(rows), 60, replace=False):
        row = rows[place]
        windows, _ = read_series(trained, engine, [symbol], as_of=row["as_of"])
        served = windows[symbol].compute(("return_1h",))
        assert (row["sigma"], row["anchor_close"]) == (served.sigma[0], served.close[0])
        shifts = read_shifts(engine, [key], as_of=row["as_of"])[key]
        assert row["shifts"] == shifts.tolist()
        assert row["input_ages"]["candles"] == 0
        assert 0 <= row["input_ages"]["vix"] <= 24


def test_issued_forecast_is_the_served_one(trained):
    engine, symbol = make_engine(trained), trained.series[0]
    model, version = read_model(trained, "xgboost", 6)
    windows, _ = read_series(trained, engine, [symbol], as_of=AS_OF)
    served = windows[symbol].compute(model.manifest.feature_names)
    assert len(windows[symbol].candles) <= find_look_back(model.manifest.feature_names)
    (made,) = make_forecasts(
        model.contestant, served, Title(symbol, 6), version=version, shifts=np.zeros(5)
    )
    champion = Champion(Title(symbol, 6), version, "", "registry", model)
    assert list(made.quantiles) == champion.forecast(served)[0].tolist()
    assert to_datetime64(made.as_of) == served.open_time[0] + HOUR


def plant_outcomes(settings, contestant, *, hours=120, unscored=20):
    """Forecasts of the past, all far too low; the last ones have come true and have no score."""
    engine, symbol = make_engine(settings), settings.series[0]
    rows = [
        make_forecast(
            symbol=symbol,
            horizon=horizon,
            contestant=contestant,
            model_version=0,
            kind="replayed",
            as_of=AS_OF - timedelta(hours=horizon + back),
            anchor_close=1.0,
        )
        for horizon in settings.horizons
        for back in range(hours)
    ]
    LedgerStore(engine).append(rows, withheld_at=AS_OF)
    with ScoreStore(engine).update([symbol]) as batch:
        matured = batch.read_unscored(as_of=AS_OF - timedelta(hours=unscored), is_complete=True)
        batch.write_scores(score_forecasts(matured, scored_at=AS_OF))


def set_clock(settings):
    """Let the market's last full hour be `AS_OF`."""
    offset = AS_OF - floor_hour(datetime.now(UTC))
    row = {
        "id": 1, "source": "simulated", "source_detail": "seed 7", "set_at": datetime.now(UTC),
        "offset_hours": int(offset / timedelta(hours=1)),
    }  # fmt: skip
    with make_engine(settings).begin() as connection:
        connection.execute(insert(market_clock).values(row))


def read_issued(settings, contestant):
    query = select(forecasts).where(
        forecasts.c.contestant == contestant,
        forecasts.c.as_of == AS_OF,
        forecasts.c.model_version > 0,
    )
    with make_engine(settings).connect() as connection:
        return list(connection.execute(query.order_by(forecasts.c.horizon)).mappings())


def test_answer_over_http_is_the_row_of_the_record_to_the_last_bit(trained, tmp_path):
    """Before the hour is issued and after, with shifts and auxiliary values, by both endpoints."""
    plant_outcomes(trained, "xgboost")
    with Registry(trained.mlflow_url) as registry:
        for horizon in trained.horizons:
            name = Title(trained.series[0], horizon).model_name
            registry.set_alias(name, CHAMPION, registry.find_aliases(name)["xgboost"])
    set_clock(trained)
    path = f"/v1/forecast?symbol={trained.series[0]}"
    with serving(trained, tmp_path / "log", "/readyz") as service:
        before = service.get(path)
        issue_forecasts(trained, as_of=AS_OF, issued_at=AS_OF + timedelta(minutes=2))
        time.sleep(COMPLETE_S + 1)  # the worker looks again, and finds the record
        after = service.get(path)
    rows = read_issued(trained, "xgboost")
    assert [row["horizon"] for row in rows] == [1, 6]
    for answer in (before.json(), after.json()):
        assert answer["warnings"] == []
        for told, row in zip(answer["forecasts"], rows, strict=True):
            assert (told["contestant"], told["version"]) == ("xgboost", row["model_version"])
            assert list(told["calibration"].values()) == row["shifts"]
            assert list(told["log_return"].values()) == [row[name] for name in QUANTILES]
            assert min(row["shifts"][0], row["shifts"][4]) > 0
        vix = next(each for each in answer["inputs"] if each["name"] == "vix")
        known = AS_OF - datetime.fromisoformat(vix["known_at"])
        assert known / timedelta(hours=1) == rows[0]["input_ages"]["vix"]
    assert before.headers["etag"] == after.headers["etag"]
    [copy] = (trained.models_dir / "candles").glob("*.json")
    kept = json.loads(copy.read_text().partition("\n")[2])["inputs"]
    assert [1, "xgboost", rows[0]["shifts"]] in kept["shifts"]


def test_shifts_that_an_issue_will_find_are_foreseen(trained):
    plant_outcomes(trained, "linear")
    engine, symbol = make_engine(trained), trained.series[0]
    keys = [(symbol, horizon, "linear") for horizon in trained.horizons]
    stored = read_shifts(engine, keys, as_of=AS_OF)
    foreseen = foresee_shifts(engine, keys, as_of=AS_OF)
    score_fresh(engine, [symbol], as_of=AS_OF)
    for key, shifts in read_shifts(engine, keys, as_of=AS_OF).items():
        assert foreseen[key].tolist() == shifts.tolist() != stored[key].tolist()
        assert foresee_shifts(engine, [key], as_of=AS_OF)[key].tolist() == shifts.tolist()


def test_shifts_on_the_record_go_before_those_foreseen_and_stay(full_settings):
    engine, symbol = make_engine(full_settings), full_settings.series[0]
    inputs = StoredInputs(engine, horizons=(1,), auxiliary=())
    assert inputs.read(symbol, as_of=AS_OF).find_shifts(1, "linear") == (0.0,) * 5
    asked = {"symbol": symbol, "contestant": "linear", "as_of": AS_OF}
    ledger, newest = LedgerStore(engine), (0.1, 0.2, 0.0, 0.3, 0.4)
    rows = [
        make_forecast(**asked, model_version=version, shifts=shifts)
        for version, shifts in ((0, (9.0,) * 5), (2, newest), (1, (8.0,) * 5))
    ]
    ledger.append(rows, withheld_at=AS_OF)
    found = inputs.read(symbol, as_of=AS_OF)
    assert (found.find_shifts(1, "linear"), found.is_recorded) == (newest, True)
    ledger.append([make_forecast(**asked, model_version=3)], withheld_at=AS_OF)
    assert inputs.read(symbol, as_of=AS_OF) is found
    assert not inputs.read(symbol, as_of=AS_OF + timedelta(hours=1)).is_recorded
