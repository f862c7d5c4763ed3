"""A DAG for the tests alone: a training that takes longer than its task may."""

from datetime import timedelta

from airflow.sdk import Param, dag

from ringside_airflow.operators import TrainingOperator


@dag(schedule=None, params={"as_of": Param(type="string"), "symbol": Param(type="string")})
def outlast_its_limit() -> None:
    TrainingOperator(
        task_id="train",
        command=["train", "--series", "{{ params.symbol }}", "--as-of", "{{ params.as_of }}"],
        execution_timeout=timedelta(seconds=20),
        retries=0,
    )


outlast_its_limit()
