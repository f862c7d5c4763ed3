"""Each rung of the ladder, reached by really stopping what stands above it."""

import json
import signal
import time
from contextlib import ExitStack
from datetime import timedelta
from hashlib import sha256

import pytest
from pydantic import SecretStr

from mlflow_process import mlflow_server
from processes import find_free_port, running
from ringside.adapters.registry import Registry
from ringside.adapters.schema import migrate
from ringside.core.titles import PREVIOUS_CHAMPION, Title
from ringside.settings import Settings
from ringside_embedded.postgres import PostgresServer
from serving_process import Service, serving
from serving_stage import crown, fill_market, register

pytestmark = pytest.mark.integration


def ask(service: Service, settings: Settings) -> dict:
    answer = service.get(f"/v1/forecast?symbol={settings.series[0]}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def tell(service: Service, settings: Settings) -> tuple[str | None, set[tuple[str, str]]]:
    """The degradation, and the contestants with their rungs; the probe must say the same."""
    body = ask(service, settings)
    assert service.get("/readyz").json()["warnings"] == body["warnings"]
    text = service.get("/metrics").text
    for warning in body["warnings"]:
        assert f'state="{warning}",symbol="{settings.series[0]}"}} 1.0' in text
    return body["degraded"], {(f["contestant"], f["rung"]) for f in body["forecasts"]}


def corrupt(settings: Settings, version: int) -> None:
    for folder in settings.models_dir.glob(f"ringside.*/{version}"):
        for file in folder.glob("band.json"):
            file.write_text("{}")


@pytest.fixture
def world(tmp_path):
    """PostgreSQL and MLflow of this test's own, for it ends them; and settings."""
    (tmp_path / "mlflow").mkdir()
    server = PostgresServer(tmp_path / "postgres", find_free_port(), "secret")
    server.make()
    with (
        running(server.command(), tmp_path / "postgres.log", cwd="/") as database,
        ExitStack() as mlflow,
    ):
        artifacts = str(tmp_path / "mlflow/artifacts")
        mlflow_url = mlflow.enter_context(mlflow_server(tmp_path / "mlflow", artifacts))
        server.wait_ready()
        server.make_database("ringside", "template")
        settings = Settings(
            database_url=f"postgresql+psycopg://ringside:template@127.0.0.1:{server.port}/ringside",
            state_dir=tmp_path / "state",
            mlflow_url=mlflow_url,
            series=("BTC/USDT",),
            horizons=(1, 6),
        )
        migrate(settings)
        fill_market(settings)
        yield settings, database, mlflow.close


def test_ladder_from_the_champion_to_503(world, tmp_path):
    settings, database, stop_mlflow = world
    log = tmp_path / "log"
    titles = [Title(settings.series[0], horizon) for horizon in settings.horizons]
    with Registry(settings.mlflow_url) as registry:
        for title in titles:
            band = register(registry, title, "persistence_ewma", seed=1)
            registry.set_alias(title.model_name, "persistence-ewma", band)
            first = register(registry, title, "persistence", seed=2)
            registry.set_alias(title.model_name, PREVIOUS_CHAMPION, first)
        crown(registry, {title: register(registry, title, "xgboost", seed=3) for title in titles})

    with serving(settings, log, "/readyz") as service:
        assert tell(service, settings) == (None, {("xgboost", "registry")})
        # MLflow is gone when the next reload asks: what was last proved good serves on
        stop_mlflow()
        service.hup()
        service.wait_for_generation(2)
        assert tell(service, settings) == ("last-good-copy", {("xgboost", "last-good-copy")})
    # a cold start without it says the same
    with serving(settings, log, "/readyz") as service:
        assert tell(service, settings) == ("last-good-copy", {("xgboost", "last-good-copy")})
        # so is PostgreSQL, under the running service: candles as they were last read
        database.send_signal(signal.SIGINT)
        database.wait(20)
        body = wait_for_warning(service, settings, "database-down")
        assert {i["origin"] for i in body["inputs"] if i["name"] == "candles"} != {"database"}
    # a cold start with neither: candles from disk
    with serving(settings, log, "/readyz") as service:
        body = ask(service, settings)
        assert body["warnings"] == ["last-good-copy", "database-down"]
        assert {i["origin"] for i in body["inputs"] if i["name"] == "candles"} == {"disk"}
        assert all(i["age_s"] is not None for i in body["inputs"])
        assert service.get(f"/v1/candles?symbol={settings.series[0]}").status_code == 503
        assert service.get("/v1/models").status_code == 503
    # the champion's copy is corrupt, then the previous champion's, then the baseline's
    for version, degraded, rung in (
        (3, "previous-champion", ("persistence", "previous-champion")),
        (2, "baseline", ("persistence_ewma", "baseline")),
    ):
        if version == 3:
            for folder in settings.models_dir.glob("ringside.*/3"):
                (folder / "booster.ubj").write_bytes(b"not a booster")
        corrupt(settings, version)
        with serving(settings, log, "/readyz") as service:
            assert tell(service, settings) == (degraded, {rung})
    corrupt(settings, 1)
    with serving(settings, log) as service:
        ready = service.get("/readyz")
        assert (ready.status_code, len(ready.json()["missing"])) == (503, 2)
        answer = service.get(f"/v1/forecast?symbol={settings.series[0]}")
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:ringside:problem:no-champion"
        assert str(tmp_path) not in answer.text
        assert 'state="unavailable",symbol="BTC/USDT"} 1.0' in service.get("/metrics").text


def wait_for_warning(service: Service, settings: Settings, warning: str) -> dict:
    """Ask until both workers' memory of the database has run out."""
    deadline = time.monotonic() + 20
    while warning not in (body := ask(service, settings))["warnings"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return body


def test_candles_on_disk_that_are_corrupt_or_too_old_are_not_pretended(settings, tmp_path):
    fill_market(settings)
    nowhere = SecretStr("postgresql+psycopg://a:b@127.0.0.1:9/x")
    down = settings.model_copy(update={"database_url": nowhere})
    with serving(settings, tmp_path / "log"):
        pass
    [copy] = settings.models_dir.glob("candles/*.json")
    kept = copy.read_text()
    digest, _, content = kept.partition("\n")
    copy.write_text(f"{digest}\n{content.replace('1', '2', 1)}")
    path = f"/v1/forecast?symbol={settings.series[0]}"
    with serving(down, tmp_path / "log") as service:
        answer = service.get(path)
        assert answer.json()["type"] == "urn:ringside:problem:store-unavailable"
    old = json.loads(content)
    old["offset_s"] += timedelta(hours=30).total_seconds()
    text = json.dumps(old)
    copy.write_text(f"{sha256(text.encode()).hexdigest()}\n{text}")
    with serving(down, tmp_path / "log") as service:
        answer = service.get(path)
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:ringside:problem:candles-stale"
        assert answer.json()["age_s"] > 30 * 3600
