"""The edges of the service: slow clients, long bodies, killed workers, and the end."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from forecast_api.limits import MAX_BODY_BYTES
from forecast_api.schemas.forecasts import MAX_WINDOWS
from processes import count_pss_mib
from ringside.core.features import LOOKBACK
from serving_builders import window_of
from serving_process import steady_traffic
from serving_stage import Stage, own_stage

pytestmark = pytest.mark.integration

MOST_PSS_MIB = 250  # two workers together
SLOW_CLIENTS = 40  # five times the threads of both workers


@pytest.fixture(scope="module")
def template_of(postgres, _template_database, mlflow_url) -> tuple:
    return postgres, _template_database, mlflow_url


@pytest.fixture(scope="module")
def stage(template_of, tmp_path_factory) -> Iterator[Stage]:
    with own_stage(*template_of, tmp_path_factory.mktemp("edges")) as found:
        yield found


def connect(stage: Stage) -> socket.socket:
    host, port = stage.service.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=15)


def read_answer(opened: socket.socket) -> tuple[int, dict[str, str], bytes]:
    content = b""
    while b"\r\n\r\n" not in content:
        content += opened.recv(65536) or pytest.fail(f"cut off after {content!r}")
    head, _, body = content.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += opened.recv(65536) or pytest.fail(f"cut off after {body!r}")
    return int(status.split()[1]), headers, body


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /livez HT",
        b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{",
    ],
    ids=["silent", "in the head", "in the body"],
)
def test_slow_clients_hold_no_thread(stage, begun):
    with ExitStack() as opened:
        for _ in range(SLOW_CLIENTS):
            opened.enter_context(connect(stage)).sendall(begun)
        with steady_traffic(f"{stage.service.url}/v1/forecast?symbol={stage.symbol}") as traffic:
            wait_until(lambda: traffic.answers > 100)
    assert traffic.failures == []


def test_request_that_comes_in_pieces_is_answered(stage):
    body = json.dumps({"symbol": "DOGE/USDT", "windows": []}).encode()
    head = f"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"  # fmt: skip  # noqa: E501 - one head
    with connect(stage) as opened:
        for piece in (head[:30], head[30:]):
            opened.sendall(piece.encode())
            time.sleep(0.05)
        for at in range(0, len(body), 9):
            opened.sendall(body[at : at + 9])
            time.sleep(0.01)
        assert read_answer(opened)[0] == 422
        # the same connection goes on, with two requests sent at once and a third in part
        get = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
        opened.sendall(get + get[:10])
        assert read_answer(opened)[0] == 200
        opened.sendall(get[10:])
        assert read_answer(opened)[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (f"Content-Length: {MAX_BODY_BYTES + 1}", 413),
        ("Transfer-Encoding: chunked", 411),
    ],
)
def test_body_that_is_not_wanted_is_refused_by_its_head(stage, headers, status):
    with connect(stage) as opened:
        head = f"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}\r\n\r\n"  # fmt: skip  # noqa: E501 - one head
        opened.sendall(head.encode())
        found, answered, body = read_answer(opened)
        assert (found, answered["connection"]) == (status, "close")
        assert json.loads(body)["status"] == status


def test_long_bodies_leave_the_workers_small(stage):
    window = window_of(stage.candles.take(slice(-LOOKBACK, None)))
    body = json.dumps({"symbol": stage.symbol, "windows": [window] * MAX_WINDOWS}).encode()
    assert 4 * 2**20 < len(body) < MAX_BODY_BYTES
    sent = {"content": body, "headers": {"Content-Type": "application/json"}}

    def ask(_) -> int:
        url = f"{stage.service.url}/v1/predict"
        return httpx.post(url, **sent, timeout=60, trust_env=False).status_code

    with ThreadPoolExecutor(8) as callers:  # as many as the threads of both workers
        assert set(callers.map(ask, range(24))) == {200}
    pids = [note["pid"] for note in stage.service.wait_for_workers()["workers"]]
    assert sum(map(count_pss_mib, pids)) < MOST_PSS_MIB


def test_kill_under_load_loses_no_request_but_its_own(stage):
    service = stage.service
    victim = service.wait_for_workers()["workers"][0]["pid"]

    def is_replaced() -> bool:
        return victim not in {note["pid"] for note in service.wait_for_workers()["workers"]}

    with steady_traffic(f"{service.url}/v1/forecast?symbol={stage.symbol}") as traffic:
        wait_until(lambda: traffic.answers > 50)
        os.kill(victim, signal.SIGKILL)
        wait_until(is_replaced)
    # four callers: those whose connection was the victim's at that instant, and no other
    assert len(traffic.failures) <= 4, traffic.failures
    assert all("Error" in failure for failure in traffic.failures), traffic.failures


def test_term_drains(template_of, tmp_path):
    with own_stage(*template_of, tmp_path) as stage:
        answered: list[int] = []
        path = f"{stage.service.url}/v1/forecasts?symbol={stage.symbol}"

        def ask() -> None:
            """Ask on one connection until the server says that this was the last answer."""
            with httpx.Client(trust_env=False, timeout=10) as client:
                while True:
                    answer = client.get(path)
                    answered.append(answer.status_code)
                    if answer.headers["connection"] == "close":
                        return

        with ThreadPoolExecutor(4) as callers:
            asking = [callers.submit(ask) for _ in range(4)]
            wait_until(lambda: len(answered) > 20)
            stage.service.process.send_signal(signal.SIGTERM)
            for caller in asking:
                caller.result()  # raises what the caller met
        assert stage.service.process.wait(15) == 0
        assert set(answered) == {200}


def wait_until(holds) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
