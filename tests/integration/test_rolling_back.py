"""Titles that go back one step, by hand or by a spent probation: real stores, real Gunicorn."""

from datetime import UTC, datetime, timedelta

import pytest
import test_promotion
from ledger_rows import write_streams
from test_promotion import (
    AS_OF,
    change_over,
    read_aliases,
    read_served,
    titles_of,
    write_verdict,
)

from gate_builders import make_rows
from ringside.adapters.database import make_engine
from ringside.adapters.serving import ask_serving
from ringside.adapters.title_store import TitleStore
from ringside.core.titles import CHAMPION, PREVIOUS_CHAMPION
from ringside.core.verdicts import Reign, find_predecessor
from ringside.errors import TitleError
from ringside.jobs.promotion import change_over as change_title
from ringside.jobs.promotion import promote, record_titles
from ringside.jobs.rolling_back import give_back, plan_roll_back, watch_probation
from serving_process import serving

pytestmark = pytest.mark.integration

ring = test_promotion.ring  # the fixture
HOUR = timedelta(hours=1)


def read_reigns(settings, title):
    reigns = TitleStore(make_engine(settings)).read_reigns(title.symbol, title.horizon)
    return [(reign.contestant, reign.model_version) for reign in reigns]


def plan(settings, title, as_of, reason="it looks odd"):
    return plan_roll_back(settings, [title], as_of=as_of, reason=reason, asked_by="ada")


def test_title_goes_back_one_step_everywhere_and_not_to_and_fro(ring, tmp_path):
    first, _ = titles_of(ring)
    with serving(ring, tmp_path / "serving.log") as service:
        settings = ring.model_copy(update={"serving_url": service.url})
        service.wait_for_generation(1)
        change_over(settings, [write_verdict(ring, first.horizon)])
        for _ in range(2):  # a second run of the same finds the same plan
            ids = plan(settings, first, AS_OF + HOUR)
            change_title(settings, ids, as_of=AS_OF + HOUR, promoted_by="ada")
        answer = ask_serving(service.url)
    assert set(read_served(answer, first)) == {("persistence", 1)}
    assert read_aliases(ring, first) == {CHAMPION: 1, PREVIOUS_CHAMPION: 2}
    expected = [("persistence", 1), ("persistence_ewma", 2), ("persistence", 1)]
    assert read_reigns(ring, first) == expected
    store = TitleStore(make_engine(ring))
    verdict = store.read_verdict(ids[0])
    assert (verdict.origin, verdict.asked_by, verdict.asked_reason) == (
        "roll_back",
        "ada",
        "it looks odd",
    )
    reason = store.read_reigns(first.symbol, first.horizon)[-1].reason
    assert "from persistence_ewma (version 2) to persistence (version 1)" in reason
    assert reason.endswith("Asked by ada: it looks odd.")
    assert "되돌립니다" in verdict.text_ko
    with pytest.raises(TitleError, match="nobody to go back to"):
        plan(settings, first, AS_OF + 2 * HOUR)


def make_reign(contestant: str, verdict_id: int | None) -> Reign:
    at = datetime.fromisoformat("2026-01-01T00:00Z")
    return Reign("BTC/USDT", 1, contestant, 1, at, at, "test", "test", verdict_id)


@pytest.mark.parametrize(
    ("steps", "predecessor"),
    [
        ("a", None),
        ("a b", "a"),
        ("a b c", "b"),
        ("a b c <b", "a"),
        ("a b c <b <a", None),
        ("a b <a c", "a"),
        ("a b c <b d", "b"),
    ],
)
def test_each_step_back_undoes_the_last_step_forward(steps, predecessor):
    reigns, origins = [], {}
    for number, step in enumerate(steps.split()):
        reigns.append(make_reign(step.lstrip("<"), number if number else None))
        origins[number] = "probation" if step.startswith("<") else "gate"
    found = find_predecessor(reigns, origins)
    assert (found.contestant if found else None) == predecessor


FIRST_HOUR = datetime(2026, 2, 1, 13, tzinfo=UTC)


@pytest.fixture
def on_probation(ring):
    """The challenger holds the first title since yesterday; its record is the test's to write."""
    settings = ring.model_copy(update={"horizons": (1,), "probation_budget_hours": 6.0})
    title = titles_of(settings)[0]
    verdict_id = write_verdict(settings, 1)
    promote(settings, [verdict_id], as_of=AS_OF, promoted_by="a test")
    record_titles(settings, [verdict_id], as_of=AS_OF, promoted_by="a test")
    return settings, title


def write_live(settings, days: float, *, new: float, live: bool = True) -> None:
    """Write what both forecast since the promotion; the true band has width 1."""
    common = {"start": FIRST_HOUR, "noise": 0.05, "live": live}
    streams = {
        "persistence_ewma": make_rows(days, width=new, version=2, **common),
        "persistence": make_rows(days, width=1.0, version=1, seed=2, **common),
    }
    write_streams(make_engine(settings), streams, symbol=settings.series[0])


def test_champion_that_spends_its_budget_gives_the_title_back_by_itself(
    on_probation, tmp_path, caplog
):
    settings, title = on_probation
    write_live(settings, 4, new=3.0)
    now = FIRST_HOUR + timedelta(days=4)
    early = FIRST_HOUR + timedelta(hours=2)
    assert [one.verdict_id for one in watch_probation(settings, as_of=early)] == [None]
    (seen,) = watch_probation(settings, as_of=now)
    assert watch_probation(settings, as_of=now) == [seen]
    assert seen.seen.lost > 6
    with serving(settings, tmp_path / "serving.log") as service:
        served = settings.model_copy(update={"serving_url": service.url})
        service.wait_for_generation(1)
        for _ in range(2):
            give_back(served, [seen.verdict_id], as_of=now)
        answer = ask_serving(service.url)
    assert set(read_served(answer, title)) == {("persistence", 1)}
    assert read_aliases(settings, title)[CHAMPION] == 1
    last = TitleStore(make_engine(settings)).read_reigns(title.symbol, 1)[-1]
    assert (last.contestant, last.promoted_by) == ("persistence", "the probation")
    assert "live hours; 6 are allowed, passed at 2026-02-0" in last.reason
    assert any("수습 기간의 실시간 예측" in message for message in caplog.messages)
    assert watch_probation(settings, as_of=now + HOUR) == []  # who came back is not new


def test_champion_as_good_as_the_one_before_passes(on_probation):
    settings, title = on_probation
    write_live(settings, 4, new=1.0)
    now = FIRST_HOUR + timedelta(days=4)
    (seen,) = watch_probation(settings, as_of=now)
    assert (seen.seen.hours, seen.verdict_id) == (96, None)
    after = now + timedelta(days=settings.probation_days)
    assert watch_probation(settings, as_of=after) == []  # its time is over
    assert read_reigns(settings, title)[-1] == ("persistence_ewma", 2)


def test_only_what_was_issued_live_counts_on_probation(on_probation):
    settings, _ = on_probation
    write_live(settings, 4, new=3.0, live=False)
    (seen,) = watch_probation(settings, as_of=FIRST_HOUR + timedelta(days=4))
    assert (seen.seen.hours, seen.verdict_id) == (0, None)


def test_first_champion_is_on_no_probation(ring):
    assert watch_probation(ring, as_of=AS_OF) == []
