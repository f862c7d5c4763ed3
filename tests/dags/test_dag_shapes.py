"""The whole graph of each DAG as one dict: an arrow that comes or goes is seen here."""

import pytest

GRAPHS = {
    "backfill_candles": {"backfill": {"require_clean_audit"}, "require_clean_audit": set()},
    "ingest_auxiliary": {"list_auxiliary": {"ingest_values"}, "ingest_values": set()},
    "prune_audits": {"prune": set()},
    "release_quarantine": {"release": set()},
    "ingest_candles": {
        "find_windows": {"fetch"},
        "fetch": {"audit_candles", "require_clean_audit"},
        "audit_candles": {"publish_candles"},
        "publish_candles": {"require_clean_audit"},
        "require_clean_audit": set(),
    },
    "issue_forecasts": {
        "issue": {"score"},
        "score": {"watch_probation"},
        "watch_probation": {"give_title_back"},
        "give_title_back": set(),
    },
    "roll_back_champion": {
        "plan_roll_back": {"promote_former"},
        "promote_former": {"reload_serving"},
        "reload_serving": {"prove_every_worker"},
        "prove_every_worker": {"record_title"},
        "record_title": set(),
    },
    "train_challenger": {
        "list_series": {
            "enter_challenger.train",
            "enter_challenger.require_versions",
            "enter_challenger.examine",
            "enter_challenger.enter_ring",
            "enter_challenger.require_passed",
            "enter_challenger.record",
            "enter_challenger.crown_first_champion",
            "enter_challenger.serve_first_champion",
        },
        "enter_challenger.train": {"enter_challenger.require_versions"},
        "enter_challenger.require_versions": {"enter_challenger.examine"},
        "enter_challenger.examine": {"enter_challenger.enter_ring"},
        "enter_challenger.enter_ring": {
            "enter_challenger.record",
            "enter_challenger.require_passed",
        },
        "enter_challenger.require_passed": set(),
        "enter_challenger.record": {"enter_challenger.crown_first_champion"},
        "enter_challenger.crown_first_champion": {"enter_challenger.serve_first_champion"},
        "enter_challenger.serve_first_champion": set(),
    },
    "decide_title": {
        "decide": {
            "promote_challenger",
            "keep_champion",
            "refresh_champion",
            "fall_back_to_baseline",
            "ask_human",
        },
        "promote_challenger": {"reload_serving"},
        "refresh_champion": {"reload_serving"},
        "fall_back_to_baseline": {"reload_serving"},
        "reload_serving": {"prove_every_worker"},
        "prove_every_worker": {"record_title"},
        "record_title": set(),
        "keep_champion": set(),
        "ask_human": {"approved.promote_approved"},
        "approved.promote_approved": {"approved.reload_serving"},
        "approved.reload_serving": {"approved.prove_every_worker"},
        "approved.prove_every_worker": {"approved.record_title"},
        "approved.record_title": set(),
    },
    "publish_reports": {"publish": set()},
}


def test_each_file_holds_the_dag_of_its_name(dag_bag):
    assert dag_bag.import_errors == {}
    files = {dag_id: dag.fileloc.rsplit("/", 1)[-1] for dag_id, dag in dag_bag.dags.items()}
    assert files == {dag_id: f"{dag_id}.py" for dag_id in GRAPHS}


@pytest.mark.parametrize("dag_id", GRAPHS)
def test_dag_has_exactly_these_arrows(dag_bag, dag_id):
    dag = dag_bag.dags[dag_id]
    assert {task.task_id: task.downstream_task_ids for task in dag.tasks} == GRAPHS[dag_id]


def test_branch_names_every_outcome_of_a_verdict(dag_bag):
    from typing import get_args

    from ringside.core.gate.verdict import Outcome

    branches = dag_bag.dags["decide_title"].get_task("decide").downstream_task_ids
    assert branches == set(get_args(Outcome))


def test_series_are_fetched_and_trained_side_by_side(dag_bag):
    from airflow.sdk.definitions.mappedoperator import MappedOperator
    from airflow.sdk.definitions.taskgroup import MappedTaskGroup

    assert isinstance(dag_bag.dags["ingest_candles"].get_task("fetch"), MappedOperator)
    groups = dag_bag.dags["train_challenger"].task_group_dict
    assert isinstance(groups["enter_challenger"], MappedTaskGroup)


def test_a_failed_fetch_fails_the_run_but_not_the_audit_of_the_others(dag_bag):
    tasks = dag_bag.dags["ingest_candles"].task_dict
    assert tasks["audit_candles"].trigger_rule == "all_done_min_one_success"
    assert tasks["require_clean_audit"].trigger_rule == "all_success"


def test_serving_is_reloaded_when_any_of_the_promotions_happened(dag_bag):
    task = dag_bag.dags["decide_title"].get_task("reload_serving")
    assert task.trigger_rule == "none_failed_min_one_success"


def test_dags_wait_for_each_other_through_assets(dag_bag):
    makes = {
        (asset.name, dag_id)
        for dag_id, dag in dag_bag.dags.items()
        for task in dag.tasks
        for asset in task.outlets
    }
    waits = {
        (asset.name, dag_id)
        for dag_id, dag in dag_bag.dags.items()
        if getattr(dag.timetable, "asset_condition", None)
        for asset in dag.timetable.asset_condition.objects
    }
    assert makes == {
        ("candles", "ingest_candles"),
        ("candles", "release_quarantine"),
        ("title", "decide_title"),
        ("title", "issue_forecasts"),
        ("title", "roll_back_champion"),
    }
    assert waits == {("candles", "issue_forecasts"), ("title", "publish_reports")}
