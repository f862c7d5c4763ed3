"""The OpenAPI document against the real server: driven by it, and attacked by it."""

import gzip
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from jsonschema_rs import validator_for

from ringside.core.features import LOOKBACK
from serving_process import TOKEN
from serving_stage import Stage, own_stage

pytestmark = pytest.mark.integration

# What JSON Schema cannot say of a window: columns of one length, hours that ascend.
ATTACK = """
[auth.openapi.reload-token]
bearer = "{token}"

[[operations]]
include-name = "POST /v1/predict"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 422]
"""


@pytest.fixture(scope="module")
def stage(postgres, _template_database, mlflow_url, tmp_path_factory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("contract")
    with own_stage(postgres, _template_database, mlflow_url, folder) as found:
        yield found


@pytest.fixture
def client(stage) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stage.service.url, timeout=10, trust_env=False) as opened:
        yield opened


def fill(schema: dict, document: dict) -> object:
    """Make the value a schema asks for from its own enum, default or bounds."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema["enum"][0] if "enum" in schema else schema["default"]


def ask(client: httpx.Client, document: dict, name: str, **given) -> httpx.Response:
    """Call an operation by its id with its required parameters, as its description says."""
    path, method, operation = next(
        (path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if operation["operationId"] == name
    )
    required = [each for each in operation["parameters"] if each["required"]]
    query = {each["name"]: fill(each["schema"], document) for each in required}
    body = given.pop("body", None)
    headers = {"Authorization": f"Bearer {TOKEN}"} if operation.get("security") else {}
    answer = client.request(method, path, params=query | given, json=body, headers=headers)
    described = operation["responses"][str(answer.status_code)]
    [media_type] = described["content"]
    assert answer.headers["content-type"].partition(";")[0] == media_type
    if media_type.endswith("json"):
        schema = {
            **described["content"][media_type]["schema"],
            "components": document["components"],
        }
        validator_for(schema).validate(answer.json())
    return answer


def test_every_operation_can_be_driven_from_the_document_alone(client, stage):
    document = client.get("/openapi.json").json()
    names = {o["operationId"] for path in document["paths"].values() for o in path.values()}
    candles = ask(client, document, "get_candles", limit=LOOKBACK).json()["candles"]
    symbol = fill(
        document["components"]["schemas"]["PredictBody"]["properties"]["symbol"], document
    )
    assert symbol == stage.symbol
    predicted = ask(
        client, document, "predict", body={"symbol": symbol, "windows": [candles]}
    ).json()
    forecast = ask(client, document, "get_forecast").json()
    assert predicted["windows"][0]["forecasts"] == forecast["forecasts"]
    left = names - {"get_candles", "predict", "get_forecast"}
    assert left == {
        "get_forecasts", "get_models", "get_model", "reload", "get_livez", "get_readyz",
        "get_metrics", "get_openapi",
    }  # fmt: skip
    for name in sorted(left - {"reload"}):
        assert ask(client, document, name).status_code == 200, name
    generation = ask(client, document, "reload").json()["generation"]
    stage.service.wait_for_generation(generation + 1)


def test_schemathesis_finds_no_failure(stage, tmp_path):
    config = tmp_path / "schemathesis.toml"
    config.write_text(ATTACK.format(token=TOKEN))
    url = stage.service.url
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run",
            f"{url}/openapi.json", "--url", url, "--checks", "all", "--max-examples", "15",
            "--seed", "1", "--workers", "1", "--no-color",
        ],
        capture_output=True, text=True, cwd=tmp_path, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    lines = stage.service.log.read_text().splitlines()
    statuses = [json.loads(line)["status"] for line in lines if line.startswith('{"time"')]
    assert len(statuses) > 300
    assert max(statuses) < 500
    stage.service.wait_for_workers()


def test_counts_are_those_of_all_workers(stage, client):
    def count() -> float:
        text = client.get("/metrics").text
        return sum(
            float(value)
            for value in re.findall(
                r'ringside_request_seconds_count\{endpoint="/livez".*\} (\S+)', text
            )
        )

    before = count()
    pids = set()
    for _ in range(60):
        stage.service.get("/livez")
        pids.add(stage.service.get("/v1/model").json()["pid"])
    assert len(pids) == 2
    assert count() - before == 60


def test_metrics_tell_versions_rungs_ages_and_reloads(stage, client):
    client.get(f"/v1/forecast?symbol={stage.symbol}")
    text = client.get("/metrics").text
    assert re.search(rf'ringside_forecasts_total\{{contestant="xgboost",horizon="1",rung="registry",symbol="{stage.symbol}",version="2"\}} [1-9]', text)  # fmt: skip  # noqa: E501 - one line of the format
    for name in ("data_age", "model_age", "last_reload_age"):
        assert re.search(rf"^ringside_{name}_seconds(\{{.*\}})? -?\d", text, re.M), name
    assert f'ringside_degraded{{state="baseline",symbol="{stage.symbol}"}} 0.0' in text
    assert re.search(r'ringside_reloads_total\{outcome="accepted"\} [1-9]', text)


def test_request_id_comes_back_and_is_in_the_log(stage, client):
    answer = client.get("/livez", headers={"X-Request-ID": "mine-42"})
    assert answer.headers["x-request-id"] == "mine-42"
    forged = client.get("/livez", headers={"X-Request-ID": 'a"b c'}).headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", forged)
    wait_until(lambda: '"request_id": "mine-42"' in stage.service.log.read_text())
    line = next(
        json.loads(line) for line in stage.service.log.read_text().splitlines() if "mine-42" in line
    )
    assert (line["method"], line["path"], line["status"]) == ("GET", "/livez", 200)


def test_what_is_known_is_not_sent_again_and_what_is_long_is_compressed(stage):
    with httpx.Client(base_url=stage.service.url, trust_env=False) as client:
        path = f"/v1/forecast?symbol={stage.symbol}"
        first = client.get(path)
        again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert re.fullmatch(r"max-age=\d+", first.headers["cache-control"])
        long = f"/v1/candles?symbol={stage.symbol}&limit=500"
        with client.stream("GET", long, headers={"Accept-Encoding": "gzip"}) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
        plain = client.get(long, headers={"Accept-Encoding": "identity"})
        assert gzip.decompress(raw) == plain.content
        assert len(raw) < len(plain.content) / 2


def test_reload_asks_for_the_token(stage, client):
    for headers, status in (({}, 401), ({"Authorization": "Bearer wrong"}, 403)):
        answer = client.post("/v1/reload", headers=headers)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
    log = stage.service.log.read_text()
    assert TOKEN not in log


def test_pages_need_nothing_from_outside(client):
    page = client.get("/docs")
    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert "docs/swagger_bundle.js" in files
    for file in files:
        assert not file.startswith(("http", "//"))
        if not file.startswith("data:"):
            assert client.get(f"/{file}").status_code == 200, file
    assert "default-src 'none'" in page.headers["content-security-policy"]


def wait_until(holds) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
