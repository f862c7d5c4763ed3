"""A new challenger before the ring: a real Gunicorn serves it alone, real stores behind it."""

from datetime import UTC, timedelta

import numpy as np
import pytest
import test_serving_reload
from httpx import get as ask_url
from sqlalchemy import insert

from builders import make_candles
from feature_checks import make_auxiliary
from processes import REPO, SERVING_PYTHON
from ringside.adapters import trial_service
from ringside.adapters.database import make_engine, transaction
from ringside.adapters.examinee_registry import examinee_registry
from ringside.adapters.registry import Registry
from ringside.adapters.registry_reader import RegistryReader
from ringside.adapters.tables import observations
from ringside.core.contestants import CONTESTANTS
from ringside.core.contestants.bands import BAND_FILE, write_band
from ringside.core.features import LOOKBACK
from ringside.core.manifest import compute_checksums
from ringside.core.titles import CHALLENGER, CHAMPION, Title
from ringside.errors import ModelRefusedError, RegistryUnavailableError, SettingsError
from ringside.examiner import main
from ringside.jobs.examination import enter_ring, examine, require_passed
from serving_builders import fit_model

pytestmark = pytest.mark.integration

service_settings = test_serving_reload.service_settings  # the fixture
SEED = 1
ENTERED = {"persistence": 1, "persistence-ewma": 2, "linear": 4}


@pytest.fixture
def gym(service_settings):
    """Settings of one title whose service can be started here."""
    changes = {
        "horizons": (6,),
        "seed": SEED,
        "serving_python": SERVING_PYTHON,
        "serving_folder": REPO / "serving",
    }
    return service_settings.model_copy(update=changes)


def register_all(settings, *, seed=SEED, auxiliary=None, **changed):
    """Register one training; `changed` replaces files of the booster after its manifest."""
    title = Title(settings.series[0], settings.horizons[0])
    with Registry(settings.mlflow_url) as registry:
        for contestant in CONTESTANTS:
            manifest, files = fit_model(title, contestant, seed=seed, auxiliary=auxiliary)
            if contestant == "xgboost":
                files |= {name.replace("_", "."): content for name, content in changed.items()}
            registry.register(manifest, files, metrics={})
    return manifest.as_of


def register_with_band(settings, band: list[float]):
    """Register a training whose booster starts from this band, checksums and all."""
    as_of = register_all(settings, seed=SEED + 1)
    title = Title(settings.series[0], settings.horizons[0])
    with Registry(settings.mlflow_url) as registry:
        manifest, files = fit_model(title, "xgboost", seed=SEED)
        files[BAND_FILE] = write_band(np.array(band))
        made = manifest.model_copy(update={"files": compute_checksums(files)})
        registry.register(made, files, metrics={})
        for contestant in CONTESTANTS.keys() - {"xgboost"}:
            registry.register(*fit_model(title, contestant, seed=SEED), metrics={})
    return as_of


def read_aliases(settings) -> dict[str, int]:
    with Registry(settings.mlflow_url) as registry:
        return registry.find_aliases(Title(settings.series[0], settings.horizons[0]).model_name)


def test_a_sound_challenger_passes_and_enters(gym):
    as_of = register_all(gym)
    facts = examine(gym, gym.series[0], as_of=as_of)
    assert [one.contestant for one in facts.passed] == ["xgboost", "linear"]
    assert facts.refused == ()
    assert read_aliases(gym) == {}  # nothing has entered yet
    for _ in range(2):
        enter_ring(gym, gym.series[0], as_of=as_of)
        assert read_aliases(gym) == ENTERED | {"xgboost": 3, CHALLENGER: 3}
    require_passed(gym, gym.series[0], as_of=as_of)
    assert examine(gym, gym.series[0], as_of=as_of).seconds < facts.seconds / 2  # not again


def publish_vix(settings):
    """Publish VIX beside the candles of `fill_market`, and give it as it was known."""
    vix = make_auxiliary(make_candles(LOOKBACK + 10, symbol=settings.series[0], seed=1))["vix"]
    rows = [
        {
            "series": "vix",
            "time": at.replace(tzinfo=UTC),
            "known_at": at.replace(tzinfo=UTC),
            "value": value,
            "venue": "test",
            "published_at": at.replace(tzinfo=UTC),
        }
        for at, value in zip(vix.known_at.tolist(), vix.value.tolist(), strict=True)
    ]
    with transaction(make_engine(settings)) as connection:
        connection.execute(insert(observations), rows)
    return {"vix": vix}


def test_a_challenger_that_looks_at_auxiliary_series_passes(gym):
    settings = gym.model_copy(update={"auxiliary": ("vix",)})
    as_of = register_all(settings, auxiliary=publish_vix(settings))
    title = Title(settings.series[0], settings.horizons[0])
    with Registry(settings.mlflow_url) as registry:
        model = registry.load(title.model_name, 3, settings.models_dir)
    assert "vix_change_24h" in model.manifest.feature_names
    facts = examine(settings, title.symbol, as_of=as_of)
    assert facts.refused == ()
    assert [one.contestant for one in facts.passed] == ["xgboost", "linear"]


def test_a_refused_challenger_gets_no_alias_and_fails_loudly(gym):
    """Its booster is not the one that its manifest names."""
    as_of = register_all(gym, booster_ubj=b"not the booster")
    facts = examine(gym, gym.series[0], as_of=as_of)
    assert "checksum" in facts.refused[0].result
    enter_ring(gym, gym.series[0], as_of=as_of)
    assert read_aliases(gym) == ENTERED
    with pytest.raises(ModelRefusedError, match=r"h6 xgboost v3: .*checksum"):
        require_passed(gym, gym.series[0], as_of=as_of)


def test_absurd_forecasts_are_refused(gym):
    as_of = register_with_band(gym, [-900.0, -400.0, 0.0, 400.0, 900.0])
    facts = examine(gym, gym.series[0], as_of=as_of)
    (refused,) = facts.refused
    assert "typical moves is absurd: it must be between 0.05 and 20" in refused.result


HOSTILE = """
import os, sys, time
sys.path.insert(0, {code!r})
from ringside.core.contestants.xgboost import Xgboost
forecast = Xgboost.forecast
calls = []
def hostile(self, features, sigma):
    calls.append(1)
    if len(calls) > 1:  # not when it is loaded
        {harm}
    return forecast(self, features, sigma)
Xgboost.forecast = hostile
exec(compile(open({conf!r}).read(), {conf!r}, "exec"))
"""


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        ("len(calls) > 2 and os.kill(os.getpid(), 9)", "the service gave no answer"),
        ("time.sleep(2.1)", "its quickest answer took 2"),
        ("sigma = sigma * float('nan')", "the service forecast nothing with it (503)"),
    ],
    ids=["crashes", "is slow", "is not finite"],
)
def test_a_model_that_misbehaves_when_asked_is_refused(gym, tmp_path, harm, reason):
    """The service is the real one but for what the contestant does when it is asked."""
    code = REPO / "serving"
    conf = str(code / "gunicorn.conf.py")
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    (hostile / "gunicorn.conf.py").write_text(
        HOSTILE.format(code=str(code), conf=conf, harm=harm), encoding="utf-8"
    )
    settings = gym.model_copy(update={"serving_folder": hostile})
    facts = examine(settings, gym.series[0], as_of=register_all(gym))
    assert [one.result[: len(reason)] for one in facts.refused] == [reason]


def test_a_model_that_keeps_workers_from_coming_up_is_refused(gym, tmp_path, monkeypatch):
    stuck = tmp_path / "stuck"
    stuck.mkdir()
    (stuck / "gunicorn.conf.py").write_text(
        "import os, time\nbind = os.environ['RINGSIDE_SERVING_BIND']\n"
        "def post_fork(server, worker):\n    time.sleep(60)\n"
    )
    (stuck / "wsgi.py").write_text("app = None\n")
    monkeypatch.setattr(trial_service, "START_WITHIN_S", 2.0)
    monkeypatch.setattr(trial_service, "ANSWER_WITHIN_S", 0.5)
    settings = gym.model_copy(update={"serving_folder": stuck})
    facts = examine(settings, gym.series[0], as_of=register_all(gym))
    assert [one.result for one in facts.refused] == ["no worker came up with it within 2 s"] * 2


def test_older_versions_keep_forecasting_in_the_shadow(gym):
    """Five trainings, entered out of order: the newest four of each recipe have an alias."""
    title = Title(gym.series[0], gym.horizons[0])
    with Registry(gym.mlflow_url) as registry:
        as_of = register_all(gym)
        for days in (7, 21, 14, 28):
            later = as_of + timedelta(days=days)
            for contestant in CONTESTANTS:
                made, files = fit_model(title, contestant, seed=SEED)
                made = made.model_copy(update={"as_of": later})
                registry.register(made, files, metrics={})
            enter_ring(gym, title.symbol, as_of=later)
        enter_ring(gym, title.symbol, as_of=as_of)
    aliases = read_aliases(gym)
    names = ["persistence", "persistence-2", "persistence-3", "persistence-4"]
    assert [aliases[name] for name in names] == [17, 9, 13, 5]
    assert CHALLENGER not in aliases  # none was examined


def test_examinee_is_all_there_is(gym):
    register_all(gym)
    title = Title(gym.series[0], gym.horizons[0])
    with (
        examinee_registry(gym.mlflow_url, title.model_name, 3) as url,
        RegistryReader(url) as view,
    ):
        assert view.find_aliases(title.model_name) == {CHAMPION: 3}
        assert view.find_aliases("ringside.another.h6") == {}
        assert view.find_version(title.model_name, CHAMPION).contestant == "xgboost"
        with pytest.raises(ModelRefusedError):
            view.read_version(title.model_name, 1)
        found = ask_url(f"{url}/api/2.0/mlflow/registered-models/search").json()
        assert [model["name"] for model in found["registered_models"]] == [title.model_name]
    with (
        examinee_registry("http://127.0.0.1:9", title.model_name, 3) as url,
        RegistryReader(url) as view,
        pytest.raises(RegistryUnavailableError),
    ):
        view.read_version(title.model_name, 3)


def test_a_service_that_cannot_be_started_is_no_fault_of_the_model(gym, tmp_path):
    as_of = register_all(gym)
    nowhere = gym.model_copy(update={"serving_folder": tmp_path})
    with pytest.raises(SettingsError, match="RINGSIDE_SERVING_FOLDER"):
        examine(nowhere, gym.series[0], as_of=as_of)
    with Registry(gym.mlflow_url) as registry:
        name = Title(gym.series[0], gym.horizons[0]).model_name
        assert "examination" not in registry.read_version(name, 3).tags


@pytest.mark.parametrize(
    ("elsewhere", "code"), [("", 65), ("http://127.0.0.1:9", 75)], ids=["untrained", "no MLflow"]
)
def test_exit_code_tells_what_a_retry_can_do(gym, monkeypatch, elsewhere, code):
    variables = {
        "DATABASE_URL": gym.database_url.get_secret_value(),
        "MLFLOW_URL": elsewhere or gym.mlflow_url,
        "HORIZONS": "6",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"RINGSIDE_{name}", value)
    asked = ["examine", "--series", gym.series[0], "--as-of", "2026-01-31T12:00+00:00"]
    assert main(asked) == code
