"""Who started a run, in words for the record."""

from airflow.sdk.types import DagRunProtocol


def name_starter(dag_run: DagRunProtocol) -> str:
    """Name who started a run, for the record: a user, or the DAG's own schedule."""
    return f"{dag_run.dag_id} by {dag_run.triggering_user_name or 'schedule'}"
