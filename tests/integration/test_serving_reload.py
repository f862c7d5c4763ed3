"""A real Gunicorn with real PostgreSQL and MLflow: reloads, refusals, and boots without either."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from processes import REPO, SERVING_PYTHON, find_free_port
from ringside.adapters.registry import Registry
from ringside.adapters.registry_reader import ARTIFACTS, find_artifact_path
from ringside.core.titles import Title
from ringside.settings import Settings
from serving_builders import fit_model
from serving_process import serving, steady_traffic
from serving_stage import crown, fill_market, register, served

pytestmark = pytest.mark.integration

HEAVY = {"airflow", "ccxt", "great_expectations", "matplotlib", "mlflow", "pandas"}


@pytest.fixture
def service_settings(full_settings) -> Settings:
    """Settings whose database holds candles up to the last full hour of market time."""
    settings = full_settings.model_copy(update={"horizons": (1, 6)})
    fill_market(settings)
    return settings


@pytest.fixture
def titles(service_settings) -> list[Title]:
    return [Title(service_settings.series[0], h) for h in service_settings.horizons]


@pytest.fixture
def registry(service_settings) -> Iterator[Registry]:
    with Registry(service_settings.mlflow_url) as found:
        yield found


@pytest.fixture
def old_and_new(registry, titles) -> tuple[dict[Title, int], dict[Title, int]]:
    """Two versions of every title; the old one is champion."""
    old = {title: register(registry, title, "persistence", seed=1) for title in titles}
    new = {title: register(registry, title, "xgboost", seed=2) for title in titles}
    crown(registry, old)
    return old, new


def test_reload_under_load_fails_no_request_and_reaches_every_worker(
    service_settings, old_and_new, registry, tmp_path
):
    old, new = old_and_new
    symbol = service_settings.series[0]
    with serving(service_settings, tmp_path / "log", "/readyz") as service:
        body = service.wait_for_generation(1)
        assert [served(note) for note in body["workers"]] == [old, old]
        with steady_traffic(f"{service.url}/v1/forecast?symbol={symbol}") as traffic:
            for generation, champions in enumerate((new, old, new), start=2):
                time.sleep(1)
                crown(registry, champions)
                service.hup()
                service.wait_for_generation(generation)
            time.sleep(1)
        assert traffic.failures == []
        assert traffic.answers > 50
        assert traffic.slowest_s < 2
        body = service.wait_for_generation(4)
        assert [served(note) for note in body["workers"]] == [new, new]
        assert {t["source"] for note in body["workers"] for t in note["titles"]} == {"registry"}
        answers = [service.get(f"/v1/forecast?symbol={symbol}").json() for _ in range(8)]
        assert {f["version"] for a in answers for f in a["forecasts"]} == set(new.values())
        assert {f["contestant"] for a in answers for f in a["forecasts"]} == {"xgboost"}
        tasks = Path(f"/proc/{service.process.pid}/task")
        if tasks.is_dir():  # Linux: what the master must be when it forks
            assert len(list(tasks.iterdir())) == 1
    assert list(service_settings.workers_dir.glob("*.json")) == []


def test_corrupt_champion_is_refused_and_the_old_one_serves_on(
    service_settings, old_and_new, registry, titles, tmp_path
):
    old, new = old_and_new
    bad = register(registry, titles[0], "xgboost", seed=3, booster_ubj=b"not the booster")
    with serving(service_settings, tmp_path / "log", "/readyz") as service:
        crown(registry, new | {titles[0]: bad})
        service.hup()
        body = service.wait_for_generation(2)
        expected = new | {titles[0]: old[titles[0]]}
        assert [served(note) for note in body["workers"]] == [expected, expected]
        [refusal] = body["refused"]
        assert (refusal["horizon"], refusal["version"]) == (titles[0].horizon, bad)
        assert "checksum" in refusal["reason"]
        forecast = service.get(f"/v1/forecast?symbol={titles[0].symbol}").json()
        assert forecast["degraded"] == "previous-champion"
        assert len(forecast["forecasts"]) == len(titles)


def register_missing(registry, settings, title) -> int:
    """A version whose files are gone from the artefact store."""
    version = register(registry, title, "xgboost", seed=5)
    root = find_artifact_path(registry.read_version(title.model_name, version).source)
    url = f"{settings.mlflow_url}{ARTIFACTS}/{root}"
    httpx.delete(url, trust_env=False, timeout=20).raise_for_status()
    return version


def register_incompatible(registry, title) -> int:
    """A version fitted on features that this code does not compute."""
    manifest, files = fit_model(title, "xgboost", seed=4)
    manifest = manifest.model_copy(update={"feature_names": ("moon", *manifest.feature_names[1:])})
    return registry.register(manifest, files, metrics={}).version


def test_five_bad_reloads_under_load_fail_no_request_and_change_no_version(
    service_settings, old_and_new, registry, titles, tmp_path
):
    old, _ = old_and_new
    title, log = titles[0], tmp_path / "log"
    bad = [
        register(registry, title, "xgboost", seed=3, booster_ubj=b"not the booster"),
        register_missing(registry, service_settings, title),
        register_incompatible(registry, title),
    ]
    with serving(service_settings, log, "/readyz") as service:
        url = f"{service.url}/v1/forecast?symbol={title.symbol}"
        with steady_traffic(url) as traffic:
            for generation, version in enumerate([*bad, *bad[:2]], start=2):
                crown(registry, {title: version})
                service.hup()
                body = service.wait_for_generation(generation)
                assert [served(note) for note in body["workers"]] == [old, old]
                [refusal] = body["refused"]
                assert (refusal["version"], bool(refusal["reason"])) == (version, True)
        assert traffic.failures == []
        assert traffic.versions == {(old[titles[0]], old[titles[1]])}
        assert 'ringside_reloads_total{outcome="refused"} 5.0' in service.get("/metrics").text
    for version in bad:
        assert f"refused {title.model_name} version={version}: " in log.read_text()


def test_boot_with_the_registry_down_serves_the_last_good_copy(
    service_settings, old_and_new, tmp_path
):
    old, _ = old_and_new
    with serving(service_settings, tmp_path / "log", "/readyz") as service:
        before = service.get("/v1/model").json()["titles"]
    cut_off = service_settings.model_copy(
        update={"mlflow_url": f"http://127.0.0.1:{find_free_port()}"}
    )
    with serving(cut_off, tmp_path / "log", "/readyz") as service:
        body = service.get("/v1/model").json()
        assert served(body) == old
        assert body["titles"] == [{**title, "source": "last-good-copy"} for title in before]
        assert {refusal["reason"] for refusal in body["refused"]} == {"the registry did not answer"}


def test_service_boots_and_tells_the_truth_without_models(service_settings, tmp_path):
    with serving(service_settings, tmp_path / "log") as service:
        assert service.get("/livez").status_code == 200
        ready = service.get("/readyz")
        assert (ready.status_code, len(ready.json()["missing"])) == (503, 2)
        symbol = service_settings.series[0]
        assert service.get(f"/v1/forecast?symbol={symbol}").status_code == 503


def test_killed_worker_is_replaced_by_one_that_serves_the_same(
    service_settings, old_and_new, registry, tmp_path
):
    old, new = old_and_new
    with serving(service_settings, tmp_path / "log", "/readyz") as service:
        body = service.wait_for_generation(1)
        victim = body["workers"][0]["pid"]
        crown(registry, new)  # not signalled yet: no worker may run ahead of the others
        os.kill(victim, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while victim in (pids := [w["pid"] for w in body["workers"]]) or len(pids) < 2:
            assert time.monotonic() < deadline
            body = service.get("/v1/model").json()
        assert [served(note) for note in body["workers"]] == [old, old]


@pytest.mark.parametrize("is_silent", [False, True], ids=["refusing", "silent"])
def test_database_down_is_503_at_once(service_settings, old_and_new, tmp_path, is_silent):
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        if is_silent:
            port.listen()  # accepts, as a frozen server does, and never says a word
        url = f"postgresql+psycopg://nobody:secret@127.0.0.1:{port.getsockname()[1]}/gone"
        broken = Settings(**{**service_settings.model_dump(), "database_url": url})
        with serving(broken, tmp_path / "log") as service:
            began = time.monotonic()
            answer = service.get(f"/v1/forecast?symbol={broken.series[0]}")
            assert time.monotonic() - began < 4
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["type"] == "urn:ringside:problem:store-unavailable"
            assert "secret" not in answer.text
            assert service.get("/readyz").status_code == 503
            assert service.get("/livez").status_code == 200


def test_service_loads_none_of_the_heavy_stack(service_settings):
    code = "import sys, wsgi; print(*{name.partition('.')[0] for name in sys.modules})"
    result = subprocess.run(
        [SERVING_PYTHON, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={
            "PYTHONPATH": f"{REPO / 'include'}:{REPO / 'serving'}",
            "RINGSIDE_DATABASE_URL": service_settings.database_url.get_secret_value(),
        },
    )
    assert HEAVY.isdisjoint(result.stdout.split())
