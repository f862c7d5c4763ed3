"""What the tasks do beyond calling a job: errors, branches, what they hand on."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from ringside.errors import CandleGapError, StoreUnavailableError
from ringside.settings import Settings
from ringside_airflow import connections, tasks
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
    monkeypatch.setattr(tasks, "task_settings", lambda: made)


def make_verdict(verdict_id, outcome):
    return SimpleNamespace(
        verdict_id=verdict_id,
        outcome=outcome,
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
    asked = []
    monkeypatch.setattr(
        comparison, "decide_titles", lambda settings, *, as_of: asked.append(as_of) or verdicts
    )
    branches = tasks.decide.function(params={"as_of": AS_OF}, dag_run=RUN, ti=instance)
    assert branches == ["ask_human", "promote_challenger"]
    assert asked == [datetime(2026, 3, 1, 12, tzinfo=UTC)]
    assert instance.xcoms == {
        "as_of": AS_OF,
        "promote_challenger": [1, 3],
        "ask_human": [2],
        "question": "- en 2\n- ko 2",
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
        tasks.promote.function(outcome, AS_OF, dag_run=RUN, ti=instance)
        for outcome in ("promote_challenger", "fall_back_to_baseline")
    ]
    change = tasks.prove_every_worker.function(tasks.reload_serving.function(made))
    events = {TITLE: SimpleNamespace(extra={})}
    tasks.record_title.function(change, AS_OF, outlet_events=events)
    recorded = {"as_of": datetime(2026, 3, 1, 12, tzinfo=UTC), "promoted_by": "decide_title by ada"}
    assert promotion.promoted == [([1, 3], recorded), ([2], recorded)]
    assert promotion.reloaded == [[1, 3, 2]]
    assert promotion.proven == [([1, 3, 2], {"former_workers": [11, 12]})]
    assert promotion.recorded == [([1, 3, 2], recorded)]
    assert events[TITLE].extra == {"as_of": AS_OF}


def test_skipped_promotion_is_left_out_of_the_reload(promotion):
    made = {"verdict_ids": [2], "promoted_by": "somebody"}
    assert tasks.reload_serving.function([None, made])["verdict_ids"] == [2]


@pytest.mark.parametrize(
    ("user", "name"), [({"id": "1", "name": "grace"}, "grace"), (None, "unknown")]
)
def test_approved_promotion_is_recorded_with_the_person(promotion, instance, user, name):
    instance.xcoms["ask_human"] = [2]
    made = tasks.promote_approved.function({"responded_by_user": user}, AS_OF, ti=instance)
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
    tasks.keep_champion.function(AS_OF, outlet_events=events)
    assert events[TITLE].extra == {"as_of": AS_OF}


def test_series_asked_for_by_hand_replace_those_of_the_settings(instance):
    asked = {"as_of": AS_OF, "series": ["ETH/USDT"]}
    everything = {"as_of": AS_OF, "series": None}
    assert tasks.list_series.function(params=asked, dag_run=RUN, ti=instance) == ["ETH/USDT"]
    assert tasks.list_series.function(params=everything, dag_run=RUN, ti=instance) == ["BTC/USDT"]


def test_scheduled_run_is_named_by_its_dag():
    run = SimpleNamespace(dag_id="train_challenger", triggering_user_name=None)
    assert tasks.name_starter(run) == "train_challenger by schedule"


def test_database_of_the_airflow_connection_wins(monkeypatch, database_connection):
    monkeypatch.setenv("RINGSIDE_DATABASE_URL", "postgresql+psycopg://other@127.0.0.1:9/other")
    monkeypatch.setenv("RINGSIDE_SERIES", "ETH/USDT")
    made = connections.task_settings()
    expected = "postgresql+psycopg://ringside:s3cret@127.0.0.1:9/ringside"
    assert made.database_url.get_secret_value() == expected
    assert made.series == ("ETH/USDT",)
