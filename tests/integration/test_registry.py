"""The registry against a real MLflow server: versions, aliases, verified copies."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest

from model_builders import AS_OF, make_fitted
from ringside.adapters.model_files import load_contestant, place_files
from ringside.adapters.registry import Registry
from ringside.adapters.registry_reader import RegistryReader
from ringside.core.titles import CHALLENGER, CHAMPION, Title
from ringside.errors import ModelRefusedError, RegistryUnavailableError, SettingsError

pytestmark = pytest.mark.integration


@pytest.fixture
def symbol() -> str:
    return f"T{secrets.token_hex(4).upper()}/USDT"


@pytest.fixture
def registry(mlflow_url):
    with Registry(mlflow_url) as registry:
        yield registry


def test_downloaded_model_forecasts_as_the_one_that_was_registered(registry, symbol, tmp_path):
    manifest, files = make_fitted("xgboost", symbol=symbol)
    made = registry.register(manifest, files, metrics={"in_sample_loss": 0.5})

    folder = registry.download(made.model_name, made.version, tmp_path)

    assert {path.name for path in folder.iterdir()} == {*files, "manifest.json"}
    loaded = load_contestant(folder)
    assert loaded.manifest == manifest
    assert loaded.contestant.save() == files


def test_same_fit_makes_one_version_and_another_seed_a_second(registry, symbol):
    manifest, files = make_fitted(symbol=symbol)

    first = registry.register(manifest, files, metrics={})
    again = registry.register(manifest, files, metrics={})
    other = registry.register(manifest.model_copy(update={"seed": 2}), files, metrics={})

    assert [(made.version, made.is_new) for made in (first, again, other)] == [
        (1, True),
        (1, False),
        (2, True),
    ]


def test_run_holds_params_metrics_and_artifacts_for_the_mlflow_page(registry, symbol, mlflow_url):
    manifest, files = make_fitted(symbol=symbol)
    made = registry.register(manifest, files, metrics={"in_sample_loss": 0.25})
    found = registry.read_version(made.model_name, made.version)

    run_id = found.source.split("/")[-3]
    run = httpx.get(f"{mlflow_url}/api/2.0/mlflow/runs/get", params={"run_id": run_id}).json()
    data = run["run"]["data"]

    assert run["run"]["info"]["status"] == "FINISHED"
    assert {metric["key"]: metric["value"] for metric in data["metrics"]} == {
        "in_sample_loss": 0.25
    }
    assert {param["key"]: param["value"] for param in data["params"]}["data_hash"] == "0" * 64
    assert found.contestant == "persistence"
    note = {tag["key"]: tag["value"] for tag in data["tags"]}["mlflow.note.content"]
    assert note.startswith("**persistence** for ")
    asked = {"name": made.model_name, "version": str(made.version)}
    version = httpx.get(f"{mlflow_url}/api/2.0/mlflow/model-versions/get", params=asked).json()
    assert version["model_version"]["description"] == note


def test_alias_moves_and_goes(registry, symbol):
    name = Title(symbol, 1).model_name
    for seed in (1, 2):
        manifest, files = make_fitted(symbol=symbol, seed=seed)
        registry.register(manifest, files, metrics={})

    registry.set_alias(name, CHAMPION, 1)
    registry.set_alias(name, CHAMPION, 2)
    assert registry.find_aliases(name) == {CHAMPION: 2}

    registry.delete_alias(name, CHAMPION)
    registry.delete_alias(name, CHAMPION)
    assert registry.find_aliases(name) == {}
    assert registry.find_version(name, CHAMPION) is None


def test_newest_alias_never_goes_back_to_older_knowledge(registry, symbol):
    name = Title(symbol, 1).model_name
    for as_of in (AS_OF, AS_OF - timedelta(days=7)):
        manifest, files = make_fitted(symbol=symbol, as_of=as_of)
        made = registry.register(manifest, files, metrics={})
        registry.set_newest(name, CHALLENGER, made.version)

    assert registry.find_aliases(name) == {CHALLENGER: 1}


def test_unknown_model_has_no_aliases(registry):
    assert registry.find_aliases("ringside.NOBODY.h1") == {}


def test_damaged_copy_is_fetched_again(registry, symbol, tmp_path):
    manifest, files = make_fitted(symbol=symbol)
    made = registry.register(manifest, files, metrics={})
    folder = registry.download(made.model_name, made.version, tmp_path)
    (folder / "band.json").write_text("{}")

    registry.download(made.model_name, made.version, tmp_path)

    assert load_contestant(folder).contestant.save() == files


def test_sound_copy_needs_no_registry(registry, symbol, tmp_path):
    manifest, files = make_fitted(symbol=symbol)
    made = registry.register(manifest, files, metrics={})
    folder = registry.download(made.model_name, made.version, tmp_path)

    with RegistryReader("http://127.0.0.1:9") as unreachable:
        assert unreachable.download(made.model_name, made.version, tmp_path) == folder


def test_registry_copy_that_was_tampered_with_is_refused(registry, symbol, tmp_path):
    manifest, files = make_fitted(symbol=symbol)
    tampered = {**files, "band.json": files["band.json"].replace(b"0.0", b"0.1", 1)}
    made = registry.register(manifest, tampered, metrics={})

    with pytest.raises(ModelRefusedError, match=r"checksum differs from the manifest: band\.json"):
        registry.download(made.model_name, made.version, tmp_path)
    assert not (tmp_path / made.model_name).exists()


def test_silent_registry_is_retryable(tmp_path):
    with (
        RegistryReader("http://127.0.0.1:9") as reader,
        pytest.raises(RegistryUnavailableError, match="did not answer"),
    ):
        reader.find_aliases("ringside.BTCUSDT.h1")


def test_refused_host_is_a_matter_of_settings(mlflow_url):
    with Registry(mlflow_url) as registry:
        registry._client.headers["host"] = "elsewhere:5000"
        with pytest.raises(SettingsError, match="allowed-hosts"):
            registry.find_aliases("ringside.BTCUSDT.h1")


def test_two_processes_may_place_the_same_version_at_once(tmp_path):
    files = {"manifest.json": b"{}", "model.bin": bytes(200_000)}
    folder = tmp_path / "model" / "1"
    with ThreadPoolExecutor(8) as pool:
        placed = list(pool.map(lambda _: place_files(folder, files), range(40)))

    assert set(placed) == {folder}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".part")] == []
