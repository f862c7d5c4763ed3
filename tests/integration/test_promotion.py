"""Promotion from verdict to record: real PostgreSQL, MLflow and Gunicorn."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ringside.adapters.database import make_engine
from ringside.adapters.registry import Registry
from ringside.adapters.serving import Served, ServingAnswer, Worker, ask_serving
from ringside.adapters.title_store import StoredVerdict, TitleStore
from ringside.core.titles import CHALLENGER, CHAMPION, PREVIOUS_CHAMPION, Title
from ringside.core.verdicts import Reign
from ringside.errors import ServingUnavailableError, TitleError
from ringside.jobs.promotion import (
    promote,
    prove_serving,
    record_titles,
    reload_serving,
)
from ringside.jobs.proving import ANSWERS_IN_A_ROW, find_doubt
from serving_builders import fit_model
from serving_process import serving

pytestmark = pytest.mark.integration

AS_OF = datetime(2026, 2, 1, 12, 5, tzinfo=UTC)
HELD_FROM = AS_OF - timedelta(days=1)
TITLE = Title("BTC/USDT", 1)
NEW, OLD = Served("persistence_ewma", 2, "new"), Served("persistence", 1, "old")


@pytest.fixture
def ring(full_settings):
    """Two titles: persistence (version 1) holds both, persistence_ewma is version 2."""
    settings = full_settings.model_copy(update={"horizons": (1, 6), "reload_timeout_s": 20})
    for title in titles_of(settings):
        with Registry(settings.mlflow_url) as registry:
            for contestant in ("persistence", "persistence_ewma"):
                manifest, files = fit_model(title, contestant)
                made = registry.register(manifest, files, metrics={})
                registry.set_alias(title.model_name, contestant.replace("_", "-"), made.version)
            registry.set_alias(title.model_name, CHAMPION, 1)
            registry.set_alias(title.model_name, CHALLENGER, 2)
        TitleStore(make_engine(settings)).append_reign(
            Reign(title.symbol, title.horizon, "persistence", 1, HELD_FROM, HELD_FROM, "t", "first")
        )
    return settings


def titles_of(settings) -> list[Title]:
    return [Title(settings.series[0], horizon) for horizon in settings.horizons]


def write_verdict(settings, horizon: int, **changes) -> int:
    verdict = StoredVerdict(
        symbol=settings.series[0],
        horizon=horizon,
        as_of=AS_OF,
        outcome="promote_challenger",
        champion="persistence",
        champion_version=1,
        challenger="persistence_ewma",
        challenger_version=2,
        facts={},
        text_en="it is better",
        text_ko="더 정확합니다",
        decided_at=AS_OF,
    )
    return TitleStore(make_engine(settings)).write_verdict(replace(verdict, **changes)).id


def read_aliases(settings, title: Title) -> dict[str, int]:
    with Registry(settings.mlflow_url) as registry:
        aliases = registry.find_aliases(title.model_name)
    return {name: aliases.get(name) for name in (CHAMPION, PREVIOUS_CHAMPION)}


def read_served(answer: ServingAnswer, title: Title) -> list[tuple[str, int]]:
    """What each worker serves for a title."""
    served = [worker.titles[title] for worker in answer.workers]
    return [(one.contestant, one.version) for one in served]


def change_over(settings, verdict_ids) -> None:
    promote(settings, verdict_ids, as_of=AS_OF, promoted_by="a test")
    facts = reload_serving(settings, verdict_ids)
    prove_serving(settings, verdict_ids, former_workers=facts.former_workers)
    record_titles(settings, verdict_ids, as_of=AS_OF, promoted_by="a test")


def test_every_worker_serves_the_new_champion_and_the_title_is_recorded(ring, tmp_path):
    first, other = titles_of(ring)
    verdict_id = write_verdict(ring, first.horizon)
    with serving(ring, tmp_path / "serving.log") as service:
        settings = ring.model_copy(update={"serving_url": service.url})
        service.wait_for_generation(1)
        before = ask_serving(service.url)
        change_over(settings, [verdict_id])
        after = ask_serving(service.url)
        change_over(settings, [verdict_id])
        again = ask_serving(service.url)
    assert read_served(before, first) == [("persistence", 1)] * 2
    for answer in (after, again):
        assert read_served(answer, first) == [("persistence_ewma", 2)] * 2
        assert read_served(answer, other) == [("persistence", 1)] * 2
    assert not {worker.pid for worker in before.workers} & {worker.pid for worker in after.workers}
    assert read_aliases(ring, first) == {CHAMPION: 2, PREVIOUS_CHAMPION: 1}
    reigns = TitleStore(make_engine(ring)).read_reigns(first.symbol, first.horizon)
    assert [(r.contestant, r.model_version, r.held_from) for r in reigns] == [
        ("persistence", 1, HELD_FROM),
        ("persistence_ewma", 2, AS_OF),
    ]
    assert (reigns[1].verdict_id, reigns[1].reason) == (verdict_id, "it is better")


@contextmanager
def deaf_serving(settings) -> Iterator[str]:
    """A service that answers for ever that worker 7 serves the old champion, and its process."""
    old = [
        {
            "symbol": t.symbol,
            "horizon": t.horizon,
            "contestant": "persistence",
            "version": 1,
            "sha256": "old",
        }
        for t in titles_of(settings)
    ]
    worker = {"pid": 7, "generation": 1, "loaded_at": AS_OF.isoformat(), "titles": old}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            import json

            body = json.dumps({**worker, "workers": [worker]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ignore = "import signal,time; signal.signal(signal.SIGHUP, lambda *_: None); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", ignore])
    settings.serving_pid_file.parent.mkdir(parents=True)
    settings.serving_pid_file.write_text(str(process.pid))
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        process.kill()
        process.wait()
        server.shutdown()
        server.server_close()


def test_serving_that_does_not_change_over_gives_the_title_back(ring):
    first, _ = titles_of(ring)
    verdict_id = write_verdict(ring, first.horizon)
    with deaf_serving(ring) as url:
        settings = ring.model_copy(update={"serving_url": url, "reload_timeout_s": 1})
        promote(settings, [verdict_id], as_of=AS_OF, promoted_by="a test")
        assert read_aliases(ring, first) == {CHAMPION: 2, PREVIOUS_CHAMPION: 1}
        with pytest.raises(TitleError, match=r"worker 7@.* serves .*version=1.*keep their titles"):
            prove_serving(settings, [verdict_id], former_workers=[])
    assert read_aliases(ring, first) == {CHAMPION: 1, PREVIOUS_CHAMPION: None}
    assert len(TitleStore(make_engine(ring)).read_reigns(first.symbol, first.horizon)) == 1


def test_serving_that_is_not_there_gives_the_title_back(ring):
    first, _ = titles_of(ring)
    verdict_id = write_verdict(ring, first.horizon)
    settings = ring.model_copy(update={"reload_timeout_s": 0})
    promote(settings, [verdict_id], as_of=AS_OF, promoted_by="a test")
    with pytest.raises(TitleError, match="did not say what it serves"):
        reload_serving(settings, [verdict_id])
    assert read_aliases(ring, first)[CHAMPION] == 1


def test_a_promotion_killed_between_the_aliases_is_finished_by_a_second_run(ring):
    first, _ = titles_of(ring)
    verdict_id = write_verdict(ring, first.horizon)
    with Registry(ring.mlflow_url) as registry:
        registry.set_alias(first.model_name, PREVIOUS_CHAMPION, 1)  # as far as the first run came
    for _ in range(2):
        promote(ring, [verdict_id], as_of=AS_OF, promoted_by="a test")
        assert read_aliases(ring, first) == {CHAMPION: 2, PREVIOUS_CHAMPION: 1}


def test_two_decisions_of_one_instant_leave_two_reigns(ring):
    """`make run` crowns and decides in the same market second."""
    first, _ = titles_of(ring)
    verdict_id = write_verdict(ring, first.horizon)
    for _ in range(2):
        record_titles(ring, [verdict_id], as_of=HELD_FROM, promoted_by="a test")
    reigns = TitleStore(make_engine(ring)).read_reigns(first.symbol, first.horizon)
    assert [reign.held_from for reign in reigns] == [HELD_FROM, HELD_FROM + timedelta(seconds=1)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outcome": "keep_champion"}, "keeps persistence: nothing to promote"),
        ({"challenger": None, "challenger_version": None}, "nothing to promote"),
        ({"champion": "xgboost", "champion_version": 9}, "out of date"),
    ],
)
def test_verdicts_that_can_move_nothing_are_refused(ring, changes, message):
    first, _ = titles_of(ring)
    verdict_id = write_verdict(ring, first.horizon, **changes)
    with pytest.raises(TitleError, match=message):
        promote(ring, [verdict_id], as_of=AS_OF, promoted_by="a test")
    assert read_aliases(ring, first) == {CHAMPION: 1, PREVIOUS_CHAMPION: None}


def test_an_old_verdict_does_not_take_the_title_back_again(ring):
    """The title went to the challenger by the first verdict and returned by the second."""
    first, _ = titles_of(ring)
    there = write_verdict(ring, first.horizon)
    back = write_verdict(
        ring,
        first.horizon,
        as_of=AS_OF + timedelta(days=1),
        champion="persistence_ewma",
        champion_version=2,
        challenger="persistence",
        challenger_version=1,
    )
    record_titles(ring, [there], as_of=AS_OF, promoted_by="a test")
    record_titles(ring, [back], as_of=AS_OF + timedelta(days=1), promoted_by="a test")
    with pytest.raises(TitleError, match="out of date"):
        promote(ring, [there], as_of=AS_OF, promoted_by="a test")


def make_answer(*served: Served, answered_by: Served = NEW) -> ServingAnswer:
    workers = tuple(Worker(10 + i, {TITLE: one}, "a", "1") for i, one in enumerate(served))
    return ServingAnswer((Worker(10, {TITLE: answered_by}, "a", "1"),), workers)


@pytest.mark.parametrize(
    ("answer", "former", "doubt"),
    [
        (make_answer(NEW, NEW), {"3@a#1", "11@a#0", "11@b#1"}, ""),
        (make_answer(NEW, OLD), set(), "worker 11@a#1 serves"),
        (make_answer(NEW, answered_by=OLD), set(), "worker 10@a#1 serves"),
        (make_answer(NEW, NEW), {"11@a#1"}, "before the reload still live: ['11@a#1']"),
        (make_answer(), set(), "no live worker"),
        (make_answer(replace(NEW, version=3)), set(), "worker 10@a#1 serves"),
        (make_answer(replace(NEW, sha256="another")), set(), "worker 10@a#1 serves"),
    ],
)
def test_one_doubtful_worker_is_enough(answer, former, doubt):
    found = find_doubt(answer, {TITLE: NEW}, former)
    assert (found == "") if doubt == "" else (doubt in found)


def test_proof_needs_several_answers():
    assert ANSWERS_IN_A_ROW >= 5


def test_an_answer_that_is_not_understood_is_worth_another_question(deaf_port):
    with pytest.raises(ServingUnavailableError, match="did not say what it serves"):
        ask_serving(f"http://127.0.0.1:{deaf_port}")


@pytest.fixture
def deaf_port():
    """A server that answers 200 with something else than JSON."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>another service</html>")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()
