"""What the tasks do beyond calling a job: errors, branches, what they hand on."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from ringside.errors import CandleGapError, SettingsError, StoreUnavailableError
from ringside.settings import Settings
from ringside_airflow import connections, starters, tasks, title_tasks
from ringside_airflow.assets import TITLE

AS_OF = "2026-03-01T12:00:00+00:00"
RUN = SimpleNamespace(
    dag_id="decide_title",
    run_id="a_run",
    consumed_asset_events=[],
    triggering_user_name="ada",
)


@pytest.fixture(autouse=True)
def _settings(monkeypatch):
    made = Settings(database_url="postgresql+psycopg://nobody@127.0.0.1:9/none")
    for module in (tasks, title_tasks):
        monkeypatch.setattr(module, "task_settings", lambda: made)


def make_verdict(verdict_id, outcome):
    return SimpleNamespace(
        verdict_id=verdict_id,
        outcome=outcome,
        docket=f"TUSDT.h1.{verdict_id:016x}.json.gz" if verdict_id < 3 else None,
        text_en=f"en {verdict_id}",
        text_ko=f"ko {verdict_id}",
    )


def test_permanent_error_fails_the_task_at_once_and_tells_its_facts():
    @tasks.no_retry_when_permanent
    def job_task():
        raise CandleGapError("two hours are missing", symbol="BTC/USDT")

    with pytest.raises(AirflowFailException, match=r"two hours are missing.*BTC/USDT"):
        job_task()


def test_retryable_error_is_left_to_the_retries():
    @tasks.no_retry_when_permanent
    def job_task():
        raise StoreUnavailableError("no answer")

    with pytest.raises(StoreUnavailableError):
        job_task()


def test_decide_branches_to_every_outcome_and_sorts_the_verdicts(monkeypatch, instance):
    from ringside.jobs import comparison

    verdicts = [
        make_verdict(1, "promote_challenger"),
        make_verdict(2, "ask_human"),
        make_verdict(3, "promote_challenger"),
    ]
    seen = []
    monkeypatch.setattr(
        comparison,
        "decide_titles",
        lambda settings, *, as_of, asked: seen.append((as_of, asked)) or verdicts,
    )
    branches = title_tasks.decide.function(params={"as_of": AS_OF}, dag_run=RUN, ti=instance)
    assert branches == ["ask_human", "promote_challenger"]
    assert seen == [(datetime(2026, 3, 1, 12, tzinfo=UTC), None)]
    assert instance.xcoms == {
        "as_of": AS_OF,
        "promote_challenger": [1, 3],
        "ask_human": [2],
        "question": "- en 2\n- ko 2",
        "dockets": "/ringside/dockets/?docket=1%3ATUSDT.h1.0000000000000001.json.gz"
        "&docket=2%3ATUSDT.h1.0000000000000002.json.gz",
        "report": "/ringside/reports/latest/index.html",
    }


@pytest.fixture
def promotion(monkeypatch):
    """The promotion job, carrying out nothing and telling what it was asked for."""
    from ringside.jobs import promotion

    asked = SimpleNamespace(promoted=[], reloaded=[], proven=[], recorded=[])
    facts = promotion.ReloadFacts(former_workers=(11, 12))
    monkeypatch.setattr(
        promotion, "promote", lambda settings, ids, **more: asked.promoted.append((ids, more))
    )
    monkeypatch.setattr(
        promotion, "reload_serving", lambda settings, ids: asked.reloaded.append(ids) or facts
    )
    monkeypatch.setattr(
        promotion, "prove_serving", lambda settings, ids, **more: asked.proven.append((ids, more))
    )
    monkeypatch.setattr(
        promotion, "record_titles", lambda settings, ids, **more: asked.recorded.append((ids, more))
    )
    return asked


def test_promotions_of_both_kinds_are_served_proven_and_recorded_together(promotion, instance):
    instance.xcoms |= {"promote_challenger": [1, 3], "fall_back_to_baseline": [2]}
    made = [
        title_tasks.promote.function(outcome, AS_OF, dag_run=RUN, ti=instance)
        for outcome in ("promote_challenger", "fall_back_to_baseline")
    ]
    change = title_tasks.prove_every_worker.function(title_tasks.reload_serving.function(made))
    events = {TITLE: SimpleNamespace(extra={})}
    title_tasks.record_title.function(change, AS_OF, outlet_events=events)
    recorded = {"as_of": datetime(2026, 3, 1, 12, tzinfo=UTC), "promoted_by": "decide_title by ada"}
    assert promotion.promoted == [([1, 3], recorded), ([2], recorded)]
    assert promotion.reloaded == [[1, 3, 2]]
    assert promotion.proven == [([1, 3, 2], {"former_workers": [11, 12]})]
    assert promotion.recorded == [([1, 3, 2], recorded)]
    assert events[TITLE].extra == {"as_of": AS_OF}


def test_skipped_promotion_is_left_out_of_the_reload(promotion):
    made = {"verdict_ids": [2], "promoted_by": "somebody"}
    assert title_tasks.reload_serving.function([None, made])["verdict_ids"] == [2]


@pytest.mark.parametrize(
    ("user", "name"), [({"id": "1", "name": "grace"}, "grace"), (None, "unknown")]
)
def test_approved_promotion_is_recorded_with_the_person(promotion, instance, user, name):
    instance.xcoms["ask_human"] = [2]
    made = title_tasks.promote_approved.function({"responded_by_user": user}, AS_OF, ti=instance)
    assert made == {"verdict_ids": [2], "promoted_by": f"approved by {name}"}
    assert promotion.promoted[0][1]["promoted_by"] == f"approved by {name}"


def test_serving_is_told_of_first_champions_only(promotion):
    with pytest.raises(AirflowSkipException, match="BTC/USDT"):
        tasks.serve_first_champion.function([], "BTC/USDT")
    assert promotion.reloaded == []
    tasks.serve_first_champion.function([1, 6], "BTC/USDT")
    assert promotion.reloaded == [[]]


def test_kept_title_tells_its_time_to_the_reports():
    events = {TITLE: SimpleNamespace(extra={})}
    title_tasks.keep_champion.function(AS_OF, outlet_events=events)
    assert events[TITLE].extra == {"as_of": AS_OF}


def test_series_asked_for_by_hand_replace_those_of_the_settings(instance):
    asked = {"as_of": AS_OF, "series": ["ETH/USDT"]}
    everything = {"as_of": AS_OF, "series": None}
    assert tasks.list_series.function(params=asked, dag_run=RUN, ti=instance) == ["ETH/USDT"]
    assert tasks.list_series.function(params=everything, dag_run=RUN, ti=instance) == ["BTC/USDT"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"action": "hold"}, "hold needs a reason"),
        ({"action": "freeze", "reason": "   "}, "freeze needs a reason"),
        ({"action": "force", "reason": "a drill"}, "force needs a contestant"),
    ],
)
def test_action_without_its_words_is_refused_before_anything_is_asked(params, message):
    with pytest.raises(SettingsError, match=message):
        title_tasks.read_intervention(params, asked_by="ada")


def test_action_is_read_with_who_asked_and_for_which_titles():
    params = {"action": "hold", "reason": " a holiday ", "series": ["BTC/USDT"], "horizons": [6]}
    asked = title_tasks.read_intervention(params, asked_by="decide_title by ada")
    assert (asked.action, asked.reason, asked.asked_by) == (
        "hold",
        "a holiday",
        "decide_title by ada",
    )
    assert asked.concerns("BTC/USDT", 6)
    assert not asked.concerns("BTC/USDT", 1)
    assert not asked.concerns("ETH/USDT", 6)
    everything = title_tasks.read_intervention(
        params | {"series": [], "horizons": None}, asked_by=""
    )
    assert everything.concerns("ETH/USDT", 1)
    assert title_tasks.read_intervention({"action": None}, asked_by="ada") is None


def test_title_goes_back_by_hand_with_who_asked_and_why(monkeypatch, promotion, instance):
    from ringside.core.titles import Title
    from ringside.jobs import rolling_back

    seen = []
    monkeypatch.setattr(
        rolling_back,
        "plan_roll_back",
        lambda settings, titles, **more: seen.append((titles, more)) or [7],
    )
    params = {"symbol": "BTC/USDT", "horizon": 6, "reason": "it looks odd", "as_of": AS_OF}
    ids = title_tasks.plan_roll_back.function(params=params, dag_run=RUN, ti=instance)
    made = title_tasks.promote_former.function(ids, AS_OF, dag_run=RUN)
    assert made == {"verdict_ids": [7], "promoted_by": "decide_title by ada"}
    assert seen[0][0] == [Title("BTC/USDT", 6)]
    assert seen[0][1]["reason"] == "it looks odd"
    assert seen[0][1]["asked_by"] == "decide_title by ada"


def test_spent_probation_gives_the_title_back_and_others_skip(monkeypatch):
    from ringside.jobs import rolling_back

    facts = [SimpleNamespace(verdict_id=None), SimpleNamespace(verdict_id=4)]
    seen = []
    monkeypatch.setattr(rolling_back, "watch_probation", lambda settings, *, as_of: facts)
    monkeypatch.setattr(rolling_back, "give_back", lambda settings, ids, *, as_of: seen.append(ids))
    ids = tasks.watch_probation.function(AS_OF)
    events = {TITLE: SimpleNamespace(extra={})}
    tasks.give_title_back.function(ids, AS_OF, outlet_events=events)
    assert (ids, seen, events[TITLE].extra) == ([4], [[4]], {"as_of": AS_OF})
    with pytest.raises(AirflowSkipException):
        tasks.give_title_back.function([], AS_OF, outlet_events=events)


def test_scheduled_run_is_named_by_its_dag():
    run = SimpleNamespace(dag_id="train_challenger", triggering_user_name=None)
    assert starters.name_starter(run) == "train_challenger by schedule"


def test_database_of_the_airflow_connection_wins(monkeypatch, database_connection):
    monkeypatch.setenv("RINGSIDE_DATABASE_URL", "postgresql+psycopg://other@127.0.0.1:9/other")
    monkeypatch.setenv("RINGSIDE_SERIES", "ETH/USDT")
    made = connections.task_settings()
    expected = "postgresql+psycopg://ringside:s3cret@127.0.0.1:9/ringside"
    assert made.database_url.get_secret_value() == expected
    assert made.series == ("ETH/USDT",)
