"""Laws that hold for all DAGs, present and to come."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
FILES = sorted((REPO / "dags").glob("*.py"))
HEAVY = [
    "ccxt",
    "great_expectations",
    "matplotlib",
    "mlflow",
    "numpy",
    "pandas",
    "scipy",
    "xgboost",
]
DAG_IDS = [path.stem for path in FILES]


@pytest.fixture(params=DAG_IDS)
def dag(request, dag_bag):
    return dag_bag.dags[request.param]


def test_dag_is_documented_tagged_and_never_floods(dag):
    from ringside_airflow.defaults import Tag

    assert "re-run" in dag.doc_md.lower()
    assert "docs/runbooks/" in dag.doc_md
    assert dag.tags
    assert dag.tags <= set(Tag)
    assert (dag.catchup, dag.max_active_runs) == (False, 1)


def test_first_start_runs_no_schedule_of_the_past_but_ingestion(dag_bag):
    started = {dag_id for dag_id, dag in dag_bag.dags.items() if dag.start_date is not None}
    assert started == {"ingest_candles"}
    for dag_id in ("train_challenger", "decide_title", "publish_reports"):
        timetable = dag_bag.dags[dag_id].timetable
        cron = getattr(timetable, "timetable", timetable)
        assert cron.run_immediately <= timedelta(minutes=2), dag_id


def test_dag_states_its_parameters(dag):
    assert "as_of" in dag.params
    for name in dag.params:
        param = dag.params.get_param(name)
        assert param.description, name
        assert param.schema["type"], name


def test_every_task_is_owned_bounded_and_survives_a_lost_start(dag):
    for task in dag.tasks:
        assert task.owner == "ringside", task.task_id
        assert task.retries >= 2, task.task_id
        assert task.retry_exponential_backoff, task.task_id
        assert timedelta(0) < task.execution_timeout <= timedelta(hours=1), task.task_id
        assert task.has_on_failure_callback, task.task_id


def test_every_dag_has_a_runbook_for_its_alert(dag_bag):
    from ringside_airflow.alerts import RUNBOOKS

    assert set(RUNBOOKS) == set(dag_bag.dags)


def test_only_training_takes_the_training_slot(dag_bag):
    from ringside_airflow.operators import TrainingOperator

    for dag in dag_bag.dags.values():
        for task in dag.tasks:
            trains = issubclass(getattr(task, "operator_class", type(task)), TrainingOperator)
            assert (task.pool == "training") == trains, task.task_id


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_dag_file_fits_on_a_screen(path):
    assert len(path.read_text().splitlines()) <= 80


def test_parsing_all_dags_loads_no_heavy_library():
    script = (
        "import sys\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        f"assert not DagBag({str(REPO / 'dags')!r}).import_errors\n"
        f"sys.stderr.write('loaded=' + ','.join(m for m in {HEAVY} if m in sys.modules))\n"
    )
    path = os.pathsep.join(str(REPO / part) for part in ("include", "plugins"))
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("loaded=")
