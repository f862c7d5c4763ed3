"""Training, the replayed record and the first champion on real PostgreSQL and MLflow."""

import subprocess
import sys
from datetime import timedelta

import httpx
import numpy as np
import pytest
from sqlalchemy import func, select, text

from builders import START, make_candles, make_predictable_returns
from model_builders import publish_candles
from ringside.adapters.database import make_engine
from ringside.adapters.ledger_store import LedgerStore
from ringside.adapters.model_files import load_contestant
from ringside.adapters.registry import Registry
from ringside.adapters.tables import forecasts, scores
from ringside.adapters.title_store import TitleStore
from ringside.cli import main
from ringside.core.contestants import CONTESTANTS
from ringside.core.manifest import Fit
from ringside.core.titles import Title
from ringside.errors import (
    CanaryMissedError,
    HistoryTooShortError,
    ModelRefusedError,
    RegistryUnavailableError,
    TitleError,
)
from ringside.jobs.crowning import crown_first_champion
from ringside.jobs.examination import enter_ring
from ringside.jobs.recording import record
from ringside.jobs.training import require_versions, train

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
        ("linear", True),
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
    assert (facts.forecasts, facts.fits, again.forecasts, again.fits) == (hours * 8, 16, 0, 0)
    with engine.connect() as connection:
        in_order = list(connection.execute(select(forecasts.c.as_of).order_by(forecasts.c.id)))
        kinds = list(connection.execute(select(forecasts.c.kind).distinct()).scalars())
        scored = connection.execute(select(func.count()).select_from(scores)).scalar_one()
    assert in_order == sorted(in_order)
    assert kinds == ["replayed"]
    # the last 5 hours of horizon 6 have not come true
    assert scored == facts.scored == facts.forecasts - 5 * 4
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
    assert "versions=4 new=4" in done.stdout


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


def test_two_processes_make_the_same_bytes_of_the_same_candles(trained, environment, tmp_path):
    """A model's bytes depend on nothing but its inputs: not on the process, nor the name."""
    symbols = (trained.series[0], f"U{trained.series[0]}")
    candles = make_candles(
        COUNT, symbol=symbols[1], returns=make_predictable_returns(COUNT, seed=3)
    )
    publish_candles(make_engine(trained), candles)
    files = []
    for symbol in symbols:
        command = ["train", "--series", symbol, "--as-of", AS_OF.isoformat()]
        subprocess.run([sys.executable, "-m", "ringside.cli", *command], check=True)
        name = Title(symbol, 1).model_name
        with Registry(trained.mlflow_url) as registry:
            fits = {one: Fit(one, symbol, 1, AS_OF, trained.seed) for one in CONTESTANTS}
            versions = {one: registry.find_fit(name, fit) for one, fit in fits.items()}
            folders = {a: registry.download(name, v, tmp_path) for a, v in versions.items()}
        files.append({a: load_contestant(f).manifest.files for a, f in folders.items()})
    assert files[0] == files[1]
    assert len(files[0]) == 4


def test_run_in_mlflow_tells_what_was_fitted_on_what_and_how_well(trained):
    settings = trained.model_copy(update={"horizons": (1,), "image_id": "sha256:abc"})
    made = {m.contestant: m for m in train(settings, settings.series[0], as_of=AS_OF).versions}
    with Registry(settings.mlflow_url) as registry:
        source = registry.read_version(made["xgboost"].model_name, made["xgboost"].version).source
    run_id = source.split("/")[-3]
    ask = httpx.Client(base_url=f"{settings.mlflow_url}/api/2.0", trust_env=False)
    data = ask.get("/mlflow/runs/get", params={"run_id": run_id}).json()["run"]["data"]
    params = {one["key"]: one["value"] for one in data["params"]}
    metrics = {one["key"]: one["value"] for one in data["metrics"]}
    listed = ask.get("/mlflow/artifacts/list", params={"run_id": run_id}).json()["files"]
    picture = ask.get(f"/mlflow-artifacts/artifacts/{source.split(':/')[1][:-6]}/importances.png")
    ask.close()

    assert params["image_id"] == "sha256:abc"
    assert len(params["code_hash"]) == len(params["data_hash"]) == 64
    assert params["features"].split(", ")[0] == "return_1h"
    assert {"params.rounds", "params.leaf_share", "train_start", "train_end"} <= params.keys()
    assert {
        "oos_scaled_loss", "oos_skill_persistence", "oos_skill_persistence_ewma",
        "oos_inside_90_frac", "oos_seed_spread", "oos_scaled_loss_seed_3", "canary_planted_skill",
    } <= metrics.keys()  # fmt: skip
    assert metrics["oos_skill_persistence_ewma"] > 0.1, "momentum is planted in these candles"
    assert {one["path"] for one in listed} == {"importances.png", "model"}
    assert picture.content.startswith(b"\x89PNG")


def test_canary_that_is_missed_registers_nothing(trained, monkeypatch):
    monkeypatch.setattr("ringside.core.canaries.PLAUSIBLE_SKILL", 0.99)
    with pytest.raises(CanaryMissedError, match="was not flagged"):
        train(trained, trained.series[0], as_of=AS_OF)
    assert read_versions(trained) == {}


def test_ledger_is_verified_and_scores_are_rebuilt_by_command(trained, environment):
    symbol = trained.series[0]
    settings = trained.model_copy(update={"horizons": (1,), "record_weeks": 1, "train_days": 20})
    record(settings, symbol, as_of=AS_OF)
    environment.setenv("RINGSIDE_SERIES", symbol)
    command = [sys.executable, "-m", "ringside.cli"]
    run = {"capture_output": True, "text": True, "check": False}
    rebuilt = subprocess.run([*command, "scores", "rebuild", "--as-of", AS_OF.isoformat()], **run)
    verified = subprocess.run([*command, "ledger", "verify"], **run)
    assert f"rebuilt symbol={symbol} scores={7 * 24 * 4}" in rebuilt.stdout
    assert f"the ledger holds symbol={symbol} rows={7 * 24 * 4}" in verified.stdout

    with make_engine(trained).begin() as connection:
        connection.execute(text("ALTER TABLE forecasts DISABLE TRIGGER forecasts_are_append_only"))
        connection.execute(text("UPDATE forecasts SET q95 = 9 WHERE id = 100"))
    broken = subprocess.run([*command, "ledger", "verify"], **run)
    assert broken.returncode == 65
    assert f"LedgerError: the ledger of {symbol} does not hold at row 100 " in broken.stdout


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
