"""Training, the replayed record and the first champion on real PostgreSQL and MLflow."""

import subprocess
import sys
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import func, select

from builders import START, make_candles, make_predictable_returns
from model_builders import publish_candles
from ringside.adapters.database import make_engine
from ringside.adapters.ledger_store import LedgerStore
from ringside.adapters.registry import Registry
from ringside.adapters.tables import forecasts, scores
from ringside.adapters.title_store import TitleStore
from ringside.cli import main
from ringside.core.titles import Title
from ringside.errors import (
    HistoryTooShortError,
    ModelRefusedError,
    RegistryUnavailableError,
    TitleError,
)
from ringside.jobs.examination import enter_ring
from ringside.jobs.recording import record
from ringside.jobs.training import crown_first_champion, require_versions, train

pytestmark = pytest.mark.integration

COUNT = 1600
AS_OF = START + timedelta(hours=COUNT, minutes=7)
BY_BASELINE = {"persistence", "persistence-ewma"}


@pytest.fixture
def trained(full_settings):
    """Settings whose series has 1600 published candles in which momentum is planted."""
    settings = full_settings.model_copy(
        update={"horizons": (1, 6), "train_days": 30, "record_weeks": 2}
    )
    candles = make_candles(
        COUNT, symbol=settings.series[0], returns=make_predictable_returns(COUNT, seed=3)
    )
    publish_candles(make_engine(settings), candles)
    return settings


def read_versions(settings, horizon=1):
    with Registry(settings.mlflow_url) as registry:
        return registry.find_aliases(Title(settings.series[0], horizon).model_name)


def test_every_contestant_is_registered_and_baselines_enter(trained):
    facts = train(trained, trained.series[0], as_of=AS_OF)

    assert [(made.contestant, made.is_new) for made in facts.versions] == 2 * [
        ("persistence", True),
        ("persistence_ewma", True),
        ("xgboost", True),
    ]
    enter_ring(trained, trained.series[0], as_of=AS_OF)
    for horizon in trained.horizons:  # the challenger waits for its examination
        assert read_versions(trained, horizon).keys() == BY_BASELINE


def test_training_twice_registers_once(trained):
    first = train(trained, trained.series[0], as_of=AS_OF)
    aliases = read_versions(trained)
    again = train(trained, trained.series[0], as_of=AS_OF)

    assert [made.version for made in again.versions] == [made.version for made in first.versions]
    assert not any(made.is_new for made in again.versions)
    assert read_versions(trained) == aliases


def test_training_sees_nothing_after_as_of(trained, tmp_path):
    symbol, as_of = trained.series[0], AS_OF - timedelta(days=3)
    made = train(trained, symbol, as_of=as_of).versions[0]
    with Registry(trained.mlflow_url) as registry:
        folder = registry.download(made.model_name, made.version, tmp_path)
    manifest = (folder / "manifest.json").read_text()
    last_row = as_of.replace(minute=0) - timedelta(hours=2)

    assert f'"train_end": "{last_row:%Y-%m-%dT%H:%M:%SZ}"' in manifest


def test_short_history_names_how_much_it_takes(full_settings):
    symbol = full_settings.series[0]
    publish_candles(make_engine(full_settings), make_candles(200, symbol=symbol))
    with pytest.raises(HistoryTooShortError, match=r"has 200 closed candles .* takes about \d+"):
        train(full_settings, symbol, as_of=AS_OF)


def test_silent_registry_is_worth_a_retry(trained):
    settings = trained.model_copy(update={"mlflow_url": "http://127.0.0.1:9"})
    with pytest.raises(RegistryUnavailableError):
        train(settings, settings.series[0], as_of=AS_OF)


def test_persistence_is_the_first_champion_and_is_crowned_once(trained):
    symbol = trained.series[0]
    train(trained, symbol, as_of=AS_OF)
    enter_ring(trained, symbol, as_of=AS_OF)

    first = crown_first_champion(trained, symbol, as_of=AS_OF, promoted_by="test")
    again = crown_first_champion(trained, symbol, as_of=AS_OF, promoted_by="test")

    assert (first.crowned, first.held, again.crowned, again.held) == ((1, 6), (), (), (1, 6))
    aliases = read_versions(trained)
    assert aliases["champion"] == aliases["persistence"]
    reigns = TitleStore(make_engine(trained)).read_reigns(symbol, 1)
    assert [(reign.contestant, reign.held_from) for reign in reigns] == [
        ("persistence", AS_OF.replace(minute=0))
    ]


def test_nobody_is_crowned_before_a_training(trained):
    with pytest.raises(TitleError, match="train"):
        crown_first_champion(trained, trained.series[0], as_of=AS_OF, promoted_by="test")


def test_record_covers_each_hour_once_in_order_and_is_scored(trained):
    engine, symbol = make_engine(trained), trained.series[0]
    facts = record(trained, symbol, as_of=AS_OF)
    again = record(trained, symbol, as_of=AS_OF)

    hours = 2 * 7 * 24
    assert (facts.forecasts, facts.fits, again.forecasts, again.fits) == (hours * 6, 12, 0, 0)
    with engine.connect() as connection:
        in_order = list(connection.execute(select(forecasts.c.as_of).order_by(forecasts.c.id)))
        kinds = list(connection.execute(select(forecasts.c.kind).distinct()).scalars())
        scored = connection.execute(select(func.count()).select_from(scores)).scalar_one()
    assert in_order == sorted(in_order)
    assert kinds == ["replayed"]
    # the last 5 hours of horizon 6 have not come true
    assert scored == facts.scored == facts.forecasts - 5 * 3
    assert LedgerStore(engine).verify_chain(symbol) == facts.forecasts


def test_planted_momentum_is_found_and_noise_is_not(trained):
    losses = {}
    for name, returns in {
        "planted": make_predictable_returns(COUNT, seed=5),
        "noise": np.random.default_rng(5).normal(0, 0.004, COUNT),
    }.items():
        symbol = f"{name.upper()}/USDT"
        publish_candles(make_engine(trained), make_candles(COUNT, symbol=symbol, returns=returns))
        record(trained, symbol, as_of=AS_OF)
        losses[name] = read_mean_loss(trained, symbol)

    assert losses["planted"]["xgboost"] < 0.8 * losses["planted"]["persistence_ewma"]
    assert losses["noise"]["xgboost"] > 0.99 * losses["noise"]["persistence"]


def read_mean_loss(settings, symbol):
    query = (
        select(forecasts.c.contestant, func.avg(scores.c.scaled_loss))
        .join(scores, scores.c.forecast_id == forecasts.c.id)
        .where(forecasts.c.symbol == symbol, forecasts.c.horizon == 1)
        .group_by(forecasts.c.contestant)
    )
    with make_engine(settings).connect() as connection:
        return dict(map(tuple, connection.execute(query)))


@pytest.fixture
def environment(trained, tmp_path, monkeypatch):
    values = {
        "DATABASE_URL": trained.database_url.get_secret_value(),
        "MLFLOW_URL": trained.mlflow_url,
        "STATE_DIR": str(tmp_path),
        "HORIZONS": "1",
        "TRAIN_DAYS": "20",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"RINGSIDE_{name}", value)
    monkeypatch.setenv("PYTHONPATH", "include")
    return monkeypatch


def test_train_command_trains_and_says_so(trained, environment):
    command = ["train", "--series", trained.series[0], "--as-of", AS_OF.isoformat()]
    done = subprocess.run(
        [sys.executable, "-m", "ringside.cli", *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "versions=3 new=3" in done.stdout


@pytest.mark.parametrize(
    ("variable", "value", "exit_code"),
    [
        ("RINGSIDE_MLFLOW_URL", "http://127.0.0.1:9", 75),
        ("RINGSIDE_TRAIN_DAYS", "3", 65),
        ("RINGSIDE_DATABASE_URL", "mysql://nowhere", 65),
    ],
)
def test_exit_code_says_whether_to_retry(trained, environment, variable, value, exit_code):
    environment.setenv(variable, value)
    command = ["train", "--series", trained.series[0], "--as-of", AS_OF.isoformat()]
    environment.setattr(sys, "argv", ["ringside", *command])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == exit_code


def test_training_is_believed_only_when_the_registry_holds_every_version(trained):
    symbol = trained.series[0]
    with pytest.raises(ModelRefusedError, match="has no version of persistence"):
        require_versions(trained, symbol, as_of=AS_OF)
    made = train(trained, symbol, as_of=AS_OF).versions
    facts = require_versions(trained, symbol, as_of=AS_OF)
    assert [(v.model_name, v.contestant, v.version) for v in facts.versions] == [
        (v.model_name, v.contestant, v.version) for v in made
    ]
    with pytest.raises(ModelRefusedError, match="has no version of"):
        require_versions(trained, symbol, as_of=AS_OF + timedelta(hours=1))
