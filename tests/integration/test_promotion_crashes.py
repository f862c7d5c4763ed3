"""A promotion killed at each of its steps: one champion everywhere after the next run."""

import multiprocessing
import os
import signal
import time
from contextlib import ExitStack
from datetime import timedelta

import httpx
import pytest
import test_promotion
from pydantic import SecretStr
from sqlalchemy import make_url
from test_promotion import AS_OF, change_over, read_aliases, read_served, titles_of, write_verdict

from relay import Relay, relayed
from ringside.adapters.database import make_engine
from ringside.adapters.registry import Registry
from ringside.adapters.serving import ProcessReloader, ask_serving
from ringside.adapters.title_store import TitleStore
from ringside.core.titles import CHAMPION
from ringside.errors import (
    RegistryUnavailableError,
    StoreUnavailableError,
    TitleError,
)
from ringside.jobs import proving
from ringside.jobs.promotion import promote, prove_serving, record_titles, reload_serving
from ringside.jobs.restoring import settle_titles
from serving_process import serving

pytestmark = pytest.mark.integration

ring = test_promotion.ring  # the fixture

STEPS = (
    (Registry, "set_alias"),  # previous-champion
    (Registry, "set_alias"),  # champion
    (ProcessReloader, "reload"),
    (proving, "find_doubt"),  # the first answer has been looked at
    (TitleStore, "append_reign"),
)
KILLS = [*((step, "before") for step in range(len(STEPS))), (len(STEPS) - 1, "after")]
SIDES = ("persistence", 1), ("persistence_ewma", 2)


def promote_and_die(settings, verdict_id: int, step: int, when: str) -> None:
    """Carry the verdict out, and be killed before or after one of the steps.

    What is after one step is before the next; only the last has an "after" of its own.
    """
    place, name = STEPS[step]
    calls = [0]
    nth = sum(known == STEPS[step] for known in STEPS[: step + 1])
    original = getattr(place, name)

    def wrapped(*args, **kwargs):
        calls[0] += 1
        if calls[0] == nth and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = original(*args, **kwargs)
        if calls[0] == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(place, name, wrapped)
    change_over(settings, [verdict_id])


@pytest.fixture(scope="module")
def forks():
    """A clean process that has loaded the job and forks those that are to die."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ringside.jobs.promotion", "ringside.jobs.restoring"])
    return context


def run_until_killed(forks, settings, verdict_id, step, when) -> None:
    process = forks.Process(target=promote_and_die, args=(settings, verdict_id, step, when))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL, (STEPS[step], when, process.exitcode)


def find_champions(settings, title) -> set[tuple[str, int]]:
    """Who is champion by alias, by history and by every worker, as soon as all are of one reload.

    Workers of the former generation may take a moment to leave.
    """
    alias = SIDES[read_aliases(settings, title)[CHAMPION] - 1]
    reign = TitleStore(make_engine(settings)).read_champion(title.symbol, title.horizon)
    deadline = time.monotonic() + 10
    while True:
        served = set(read_served(ask_serving(settings.serving_url), title))
        if len(served) == 1 or time.monotonic() > deadline:
            return {alias, (reign.contestant, reign.model_version)} | served
        time.sleep(0.1)


def write_swap(settings, title, holder, number: int) -> int:
    """Write a verdict that gives the title of `holder` to the other side."""
    rival = SIDES[1 - SIDES.index(holder)]
    return write_verdict(
        settings,
        title.horizon,
        as_of=AS_OF + timedelta(hours=number),
        champion=holder[0],
        champion_version=holder[1],
        challenger=rival[0],
        challenger_version=rival[1],
    )


@pytest.fixture
def arena(ring, tmp_path):
    """The ring with its service running."""
    with serving(ring, tmp_path / "serving.log") as service:
        service.wait_for_generation(1)
        yield ring.model_copy(update={"serving_url": service.url})


def test_killed_at_any_step_the_next_run_undoes_it_or_the_same_run_finishes_it(arena, forks):
    first, _ = titles_of(arena)
    holder = SIDES[0]
    for number, (step, when) in enumerate(KILLS):
        rival = SIDES[1 - SIDES.index(holder)]
        verdict_id = write_swap(arena, first, holder, number)
        run_until_killed(forks, arena, verdict_id, step, when)
        settle_titles(arena, [first])  # what a new decision begins with
        is_recorded = when == "after"
        expected = {rival if is_recorded else holder}
        assert find_champions(arena, first) == expected, (STEPS[step], when, "new run")
        if not is_recorded:
            run_until_killed(forks, arena, verdict_id, step, when)
        change_over(arena, [verdict_id])
        assert find_champions(arena, first) == {rival}, (STEPS[step], when, "same run")
        holder = rival


@pytest.fixture
def plugs(ring):
    """The ring behind two plugs: MLflow's and PostgreSQL's."""
    database = make_url(ring.database_url.get_secret_value())
    with (
        relayed(httpx.URL(ring.mlflow_url).port) as mlflow,
        relayed(database.port) as postgres,
    ):
        url = database.set(port=postgres.port).render_as_string(hide_password=False)
        changes = {
            "mlflow_url": f"http://127.0.0.1:{mlflow.port}",
            "database_url": SecretStr(url),
            "reload_timeout_s": 5,
        }
        yield ring.model_copy(update=changes), mlflow, postgres


def test_stores_and_serving_stopped_in_the_middle_leave_one_champion(plugs, tmp_path):
    settings, mlflow, postgres = plugs
    first, _ = titles_of(settings)
    with ExitStack() as services:
        service = services.enter_context(serving(settings, tmp_path / "1.log"))
        service.wait_for_generation(1)
        arena = settings.model_copy(update={"serving_url": service.url})
        verdict_id = write_swap(arena, first, SIDES[0], 1)
        lose_mlflow(arena, verdict_id, mlflow)
        assert find_champions(arena, first) == {SIDES[0]}
        lose_postgres(arena, verdict_id, postgres)
        assert find_champions(arena, first) == {SIDES[0]}
        promote(arena, [verdict_id], as_of=AS_OF, promoted_by="a test")
    with pytest.raises(TitleError, match=r"did not say what it serves.*keep their titles"):
        reload_serving(arena, [verdict_id])
    at = arena.serving_url.removeprefix("http://")
    with serving(settings, tmp_path / "2.log", at=at) as service:
        service.wait_for_generation(1)
        assert find_champions(arena, first) == {SIDES[0]}
        change_over(arena, [verdict_id])
        assert find_champions(arena, first) == {SIDES[1]}


def lose_mlflow(arena, verdict_id: int, mlflow: Relay) -> None:
    """It stops when the aliases have moved; the workers reload what they last proved."""
    promote(arena, [verdict_id], as_of=AS_OF, promoted_by="a test")
    mlflow.pull()
    facts = reload_serving(arena, [verdict_id])
    with pytest.raises(RegistryUnavailableError):
        prove_serving(arena, [verdict_id], former_workers=facts.former_workers)
    with pytest.raises(RegistryUnavailableError):
        settle_titles(arena, titles_of(arena))
    mlflow.plug_in()
    settle_titles(arena, titles_of(arena))


def lose_postgres(arena, verdict_id: int, postgres: Relay) -> None:
    """It stops when every worker serves the new champion and nothing is recorded yet."""
    promote(arena, [verdict_id], as_of=AS_OF, promoted_by="a test")
    facts = reload_serving(arena, [verdict_id])
    prove_serving(arena, [verdict_id], former_workers=facts.former_workers)
    postgres.pull()
    with pytest.raises(StoreUnavailableError):
        record_titles(arena, [verdict_id], as_of=AS_OF, promoted_by="a test")
    postgres.plug_in()
    settle_titles(arena, titles_of(arena))
