"""Two serving replicas behind one name: each is signalled, each is proved.

Two real Gunicorns at two addresses of this machine; the engine that signals them is a stand-in.
"""

import socket
from contextlib import contextmanager

import pytest
import test_promotion
from test_promotion import (
    AS_OF,
    change_over,
    read_aliases,
    read_served,
    titles_of,
    write_verdict,
)

from docker_engine import running_engine
from ringside.adapters.serving import ask_replicas, find_replicas, make_reloader
from ringside.core.titles import CHAMPION, PREVIOUS_CHAMPION
from ringside.errors import ServingUnavailableError, SettingsError, TitleError
from ringside.jobs.promotion import promote, prove_serving, reload_serving
from serving_process import serving

pytestmark = pytest.mark.integration

ring = test_promotion.ring  # the fixture
HOSTS = ("127.0.0.1", "127.0.0.2")


@pytest.fixture
def name_server(monkeypatch):
    """Let the name `serving` have both addresses, each told twice, as Docker's DNS may."""
    ask = socket.getaddrinfo

    def answer(host, *more, **named):
        if host == "serving":
            return [(socket.AF_INET, 1, 6, "", (address, 0)) for address in (*HOSTS, *HOSTS)]
        return ask(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@contextmanager
def two_replicas(ring, tmp_path, *, deaf=()):
    """Run both; the engine passes a signal on, but to the containers named in `deaf`."""
    states = [ring.model_copy(update={"state_dir": tmp_path / host}) for host in HOSTS]
    with serving(states[0], tmp_path / "1.log") as one:
        port = one.url.rsplit(":", 1)[1]
        with (
            serving(states[1], tmp_path / "2.log", at=f"{HOSTS[1]}:{port}") as two,
            running_engine(containers=("c1", "c2")) as engine,
        ):
            services = {"c1": one, "c2": two}
            for service in services.values():
                service.wait_for_generation(1)
            engine.on_signal = lambda name: name in deaf or services[name].hup()
            yield (
                engine,
                ring.model_copy(
                    update={
                        "serving_url": f"http://serving:{port}",
                        "serving_runner": "docker",
                        "docker_url": engine.url,
                        "reload_timeout_s": 8,
                    }
                ),
            )


@pytest.mark.usefixtures("name_server")
def test_every_worker_of_every_replica_serves_the_new_champion(ring, tmp_path):
    first, _ = titles_of(ring)
    verdict_id = write_verdict(ring, first.horizon)
    with two_replicas(ring, tmp_path) as (engine, settings):
        before = ask_replicas(settings)
        change_over(settings, [verdict_id])
        after = ask_replicas(settings)
    assert engine.signals == [("c1", "HUP"), ("c2", "HUP")]
    labels = ["ringside.role=serving", "ringside.project=ringside"]
    assert engine.filters[0] == {"label": labels, "status": ["running"]}
    assert read_served(before, first) == [("persistence", 1)] * 4
    assert read_served(after, first) == [("persistence_ewma", 2)] * 4
    assert read_aliases(ring, first) == {CHAMPION: 2, PREVIOUS_CHAMPION: 1}


@pytest.mark.usefixtures("name_server")
def test_one_replica_that_does_not_follow_gives_the_title_back(ring, tmp_path):
    first, _ = titles_of(ring)
    verdict_id = write_verdict(ring, first.horizon)
    with two_replicas(ring, tmp_path, deaf=("c2",)) as (_, settings):
        promote(settings, [verdict_id], as_of=AS_OF, promoted_by="a test")
        facts = reload_serving(settings, [verdict_id])
        with pytest.raises(TitleError, match=rf"before the reload still live.*{HOSTS[1]}"):
            prove_serving(settings, [verdict_id], former_workers=facts.former_workers)
    assert read_aliases(ring, first)[CHAMPION] == 1


@pytest.mark.usefixtures("name_server")
def test_a_replica_without_an_address_is_not_overlooked(settings):
    with running_engine(containers=("c1", "c2", "c3")) as engine:
        asked = settings.model_copy(
            update={
                "serving_url": "http://serving:8000",
                "serving_runner": "docker",
                "docker_url": engine.url,
            }
        )
        with pytest.raises(ServingUnavailableError, match="3 serving containers run"):
            find_replicas(asked)


def test_no_serving_container_is_an_error_and_not_a_reload(settings):
    with running_engine() as engine:
        docker = settings.model_copy(update={"serving_runner": "docker", "docker_url": engine.url})
        with pytest.raises(ServingUnavailableError, match="no running container"):
            make_reloader(docker).reload()


def test_engine_that_does_not_answer_is_worth_another_try(settings):
    changes = {"serving_runner": "docker", "docker_url": "tcp://127.0.0.1:9"}
    docker = settings.model_copy(update=changes)
    with pytest.raises(ServingUnavailableError, match="did not answer"):
        make_reloader(docker).reload()


def test_engine_of_an_unknown_kind_is_refused(settings):
    docker = settings.model_copy(update={"serving_runner": "docker", "docker_url": "ssh://me@x"})
    with pytest.raises(SettingsError, match="RINGSIDE_DOCKER_URL"):
        make_reloader(docker)
