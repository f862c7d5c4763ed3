"""What operators get: who serves, probes, reports, and reloads for the bearer of the token."""

import os
from dataclasses import replace

import pytest

from forecast_api.champions import Champions
from serving_builders import NOW, TOKEN

PROBLEM = "application/problem+json"


def test_model_names_versions_checksums_and_workers(ask, desk):
    desk.board.write({"pid": os.getpid(), "generation": 9})
    body = ask("/v1/model").json
    assert [(t["horizon"], t["version"], t["source"]) for t in body["titles"]] == [
        (1, 4, "registry"),
        (6, 5, "registry"),
    ]
    assert all(len(title["sha256"]) == 64 for title in body["titles"])
    assert body["loaded_at"] == NOW.isoformat()
    assert [worker["generation"] for worker in body["workers"]] == [9]


def test_probes_tell_the_truth(ask, desk):
    assert ask("/livez").status_code == 200
    assert ask("/readyz").status_code == 200
    answer = ask(
        "/readyz",
        market=replace(desk.market, is_down=True),
        champions=replace(desk.champions, ladders={}),
    )
    assert (answer.status_code, answer.content_type) == (503, PROBLEM)
    assert len(answer.json["missing"]) == 3, answer.json["missing"]
    assert ask("/livez", champions=Champions(1, NOW, {}, ())).status_code == 200


def test_newest_report_is_sent(ask, desk):
    desk.reports_dir.mkdir()
    (desk.reports_dir / "index.html").write_text("<h1>charts</h1>")
    with ask("/reports/") as answer:
        assert answer.text == "<h1>charts</h1>"


@pytest.mark.parametrize(
    ("given", "status"),
    [({}, 401), ({"Authorization": "Basic x"}, 401), ({"Authorization": "Bearer "}, 401),
     ({"Authorization": "Bearer no"}, 403), ({"Authorization": f"Bearer {TOKEN}"}, 202)],
)  # fmt: skip
def test_reload_is_for_the_bearer_of_the_token(ask, given, status):
    asked = []
    answer = ask(
        "/v1/reload", method="POST", headers=given, request_reload=lambda: asked.append(True)
    )
    assert answer.status_code == status
    assert bool(asked) == (status == 202)


def test_reload_without_a_token_set_is_for_nobody(ask):
    headers = {"Authorization": "Bearer None"}
    answer = ask("/v1/reload", method="POST", headers=headers, reload_token=None)
    assert (answer.status_code, answer.json["type"]) == (
        403,
        "urn:ringside:problem:reload-by-signal-only",
    )
