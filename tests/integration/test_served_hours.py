"""What serving computes for an hour equals what training and the ledger have for it, bit by bit."""

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import select

from builders import START, make_candles
from forecast_api.champions import Champion
from model_builders import publish_candles
from ringside.adapters.database import make_engine
from ringside.adapters.model_files import load_contestant
from ringside.adapters.observation_store import Observation, ObservationStore
from ringside.adapters.registry import Registry
from ringside.adapters.tables import forecasts
from ringside.core.audits import BatchAudit
from ringside.core.candles import HOUR, to_datetime, to_datetime64
from ringside.core.features import find_look_back
from ringside.core.titles import Title
from ringside.jobs.forecasting import make_forecasts, read_series, read_shifts
from ringside.jobs.recording import record
from ringside.jobs.training import read_inputs, train

pytestmark = pytest.mark.integration

COUNT = 2600
PAST_HOURS = 500
AS_OF = START + timedelta(hours=COUNT)
QUANTILES = ("q05", "q25", "q50", "q75", "q95")


@pytest.fixture(scope="module")
def seeded():
    return np.random.default_rng(17)


@pytest.fixture
def trained(full_settings):
    """A series with gaps and an auxiliary series beside it, trained for two horizons."""
    settings = full_settings.model_copy(
        update={"horizons": (1, 6), "train_days": 45, "record_weeks": 4, "auxiliary": ("vix",)}
    )
    candles = make_candles(COUNT, symbol=settings.series[0], seed=21)
    keep = np.random.default_rng(5).random(COUNT) > 0.002
    keep[-1] = True
    publish_candles(make_engine(settings), candles.take(keep))
    publish_vix(settings)
    train(settings, settings.series[0], as_of=AS_OF)
    return settings


def publish_vix(settings):
    days = [START + timedelta(days=day) for day in range(-10, COUNT // 24)]
    rows = [
        Observation(day, day + timedelta(hours=21.25), 15 + 0.1 * i) for i, day in enumerate(days)
    ]
    audit = BatchAudit("vix", "vix", "test", len(rows), False, (), ())
    ObservationStore(make_engine(settings)).publish(audit, rows)


def read_model(settings, contestant, horizon):
    name = Title(settings.series[0], horizon).model_name
    aliases = {"xgboost": "challenger", "linear": "linear", "persistence_ewma": "persistence-ewma"}
    with Registry(settings.mlflow_url) as registry:
        version = registry.find_aliases(name)[aliases[contestant]]
        return load_contestant(registry.download(name, version, settings.models_dir)), version


def test_five_hundred_past_hours_are_the_same_served_and_trained(trained, seeded):
    engine, symbol = make_engine(trained), trained.series[0]
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
        for (model, version), title in models:
            served = windows[symbol].compute(model.manifest.feature_names)
            np.testing.assert_array_equal(served.values, row.values)
            np.testing.assert_array_equal(served.sigma, row.sigma)
            np.testing.assert_array_equal(served.close, row.close)
            champion = Champion(title, version, "", "registry", model)
            np.testing.assert_array_equal(
                champion.forecast(served), model.contestant.forecast(row.values, row.sigma)
            )


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
