"""Serving pods behind one name: each is asked to reload over HTTP, with the token.

Real HTTP at two addresses of this machine, real Gunicorns for a promotion; the name server is a
stand-in.
"""

import socket
import threading
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import test_promotion
from pydantic import SecretStr
from test_promotion import AS_OF, NEW, OLD, change_over, read_aliases, titles_of, write_verdict

import serving_process
from processes import find_free_port
from ringside.adapters.serving import ask_replicas, make_reloader
from ringside.core.titles import CHAMPION
from ringside.errors import ServingUnavailableError, SettingsError, TitleError
from ringside.jobs.promotion import promote, reload_serving
from ringside.settings import Settings
from serving_process import serving

pytestmark = pytest.mark.integration

ring = test_promotion.ring  # the fixture
HOSTS = ("127.0.0.1", "127.0.0.2")
TOKEN = "t0ken-of-this-test"


class Pod(ThreadingHTTPServer):
    """Answers `POST /v1/reload` as planned, to whoever knows the token."""

    def __init__(self, host, port, status):
        super().__init__((host, port), _Handler)
        self.status, self.asked = status, []


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.asked.append(self.path)
        is_known = self.headers["Authorization"] == f"Bearer {TOKEN}"
        self.send_response(self.server.status if is_known else 403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@contextmanager
def running_pod(host, port, status):
    with Pod(host, port, status) as pod:
        thread = threading.Thread(target=pod.serve_forever, daemon=True)
        thread.start()
        yield pod
        pod.shutdown()
        thread.join()


@contextmanager
def pods(*statuses):
    """Run a pod for each status at one port of ever another address."""
    port = find_free_port()
    with ExitStack() as stack:
        yield [
            stack.enter_context(running_pod(host, port, status))
            for host, status in zip(HOSTS, statuses, strict=False)
        ]


@pytest.fixture(autouse=True)
def _name_server(monkeypatch):
    """Let the headless name `serving-pods` have both addresses, in any order."""
    ask = socket.getaddrinfo

    def answer(host, *more, **named):
        if host == "serving-pods":
            return [(socket.AF_INET, 1, 6, "", (address, 0)) for address in reversed(HOSTS)]
        return ask(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def make_settings(port, **changes):
    asked = {
        "database_url": "postgresql+psycopg://nobody@127.0.0.1:9/ringside",
        "serving_url": f"http://serving-pods:{port}",
        "serving_runner": "kubernetes",
        "reload_token": TOKEN,
    }
    return Settings(**(asked | changes))


def reload_all(running, **changes):
    make_reloader(make_settings(running[0].server_port, **changes)).reload()


def test_every_pod_is_asked_once(caplog):
    caplog.set_level("INFO")
    with pods(202, 202) as running:
        reload_all(running)
    assert [pod.asked for pod in running] == [["/v1/reload"], ["/v1/reload"]]
    for host in HOSTS:
        assert f"replica=http://{host}:" in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("status", [200, 404, 503])
def test_pod_that_does_not_accept_is_named_and_the_next_one_still_asked(status):
    with pods(status, 202) as running, pytest.raises(ServingUnavailableError) as raised:
        reload_all(running)
    assert f"{HOSTS[0]}:{running[0].server_port} answered {status}" in str(raised.value)
    assert HOSTS[1] not in str(raised.value)
    assert running[1].asked == ["/v1/reload"]


def test_pod_that_is_gone_is_named():
    with pods(202) as running, pytest.raises(ServingUnavailableError, match=HOSTS[1]) as raised:
        reload_all(running)
    assert "Connect" in str(raised.value)


def test_another_token_is_refused_and_none_is_told():
    with pods(202, 202) as running, pytest.raises(ServingUnavailableError) as raised:
        reload_all(running, reload_token="another-token-than-theirs")
    assert str(raised.value).count("answered 403") == len(HOSTS)
    assert "another-token-than-theirs" not in str(raised.value)


def test_no_token_is_a_setting_that_is_missing():
    with pytest.raises(SettingsError, match="RINGSIDE_RELOAD_TOKEN"):
        make_reloader(make_settings(9, reload_token=None))


def name_served(found, title):
    return [(w.titles[title].contestant, w.titles[title].version) for w in found.workers]


@contextmanager
def two_real_pods(ring, tmp_path):
    """Run two Gunicorns behind the headless name; give the settings of whoever promotes."""
    states = [ring.model_copy(update={"state_dir": tmp_path / host}) for host in HOSTS]
    with serving(states[0], tmp_path / "1.log") as one:
        port = one.url.rsplit(":", 1)[1]
        with serving(states[1], tmp_path / "2.log", at=f"{HOSTS[1]}:{port}") as two:
            for pod in (one, two):
                pod.wait_for_generation(1)
            asked = make_settings(port, reload_token=serving_process.TOKEN)
            named = ("serving_url", "serving_runner", "reload_token")
            yield ring.model_copy(update={name: getattr(asked, name) for name in named})


def test_promotion_is_proved_by_every_worker_of_every_pod(ring, tmp_path):
    first, _ = titles_of(ring)
    verdict_id = write_verdict(ring, first.horizon)
    with two_real_pods(ring, tmp_path) as settings:
        before = ask_replicas(settings)
        change_over(settings, [verdict_id])
        after = ask_replicas(settings)
    assert name_served(before, first) == [(OLD.contestant, OLD.version)] * 4
    assert name_served(after, first) == [(NEW.contestant, NEW.version)] * 4
    assert {worker.key for worker in before.workers}.isdisjoint(w.key for w in after.workers)


def test_pods_with_another_token_keep_the_champion(ring, tmp_path):
    first, _ = titles_of(ring)
    verdict_id = write_verdict(ring, first.horizon)
    with two_real_pods(ring, tmp_path) as settings:
        wrong = settings.model_copy(update={"reload_token": SecretStr("another-token-than-theirs")})
        promote(wrong, [verdict_id], as_of=AS_OF, promoted_by="a test")
        with pytest.raises(TitleError, match=r"answered 403.*former champions keep"):
            reload_serving(wrong, [verdict_id])
        after = ask_replicas(settings)
    assert read_aliases(ring, first)[CHAMPION] == 1
    assert name_served(after, first) == [(OLD.contestant, OLD.version)] * 4
