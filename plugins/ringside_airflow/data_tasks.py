"""Tasks of the DAGs that care for the data by hand or beside the candles: each calls one job."""

from datetime import timedelta

from airflow.sdk import task
from airflow.sdk.exceptions import AirflowSkipException

from ringside_airflow.assets import CANDLES
from ringside_airflow.audit_keys import PAGE_KEY, name_page
from ringside_airflow.clock import AS_OF_KEY, begin_run, parse_instant
from ringside_airflow.connections import task_settings
from ringside_airflow.retries import WaitAsAsked
from ringside_airflow.starters import name_starter
from ringside_airflow.tasks import (
    Events,
    Instance,
    Params,
    Run,
    no_retry_when_permanent,
)


@task(execution_timeout=timedelta(hours=1))
@no_retry_when_permanent
def backfill(params: Params = None, dag_run: Run = None, ti: Instance = None) -> list[str]:
    """Load the window chunk by chunk; return the batches, leave the address of the audit page."""
    from ringside.jobs import backfill as backfill_job

    settings = task_settings()
    start = parse_instant(params["start"])
    end = parse_instant(params["end"]) if params["end"] else None
    as_of = begin_run(settings, params=params, dag_run=dag_run, ti=ti)
    facts = backfill_job.backfill_candles(
        settings, params["symbol"], as_of=as_of, start=start, end=end
    )
    if facts.page:
        ti.xcom_push(key=PAGE_KEY, value=name_page(facts.page))
    return list(facts.batch_ids)


@task(outlets=[CANDLES])
@no_retry_when_permanent
def release(
    params: Params = None, dag_run: Run = None, ti: Instance = None, outlet_events: Events = None
) -> list[str]:
    """Publish the rows with who and why; return when they open."""
    from ringside.jobs import releasing

    settings = task_settings()
    as_of = begin_run(settings, params=params, dag_run=dag_run, ti=ti)
    facts = releasing.release_quarantine(
        settings,
        params["batch_id"],
        list(params["rows"]),
        as_of=as_of,
        released_by=name_starter(dag_run),
        reason=params["reason"],
    )
    outlet_events[CANDLES].extra = {AS_OF_KEY: as_of.isoformat()}
    return list(facts.open_times)


@task
@no_retry_when_permanent
def list_auxiliary(params: Params = None, dag_run: Run = None, ti: Instance = None) -> list[str]:
    """List the auxiliary series of the settings; skip when there are none."""
    settings = task_settings()
    begin_run(settings, params=params, dag_run=dag_run, ti=ti)
    if not settings.auxiliary:
        raise AirflowSkipException("RINGSIDE_AUXILIARY names no series")
    return list(settings.auxiliary)


@task(map_index_template="{{ task.op_kwargs['name'] }}", retry_policy=WaitAsAsked())
@no_retry_when_permanent
def ingest_values(name: str, as_of: str, ti: Instance = None) -> None:
    """Fetch, audit and publish one series; fail loudly when values were refused."""
    from ringside.jobs import auxiliary

    facts = auxiliary.ingest_auxiliary(task_settings(), name, as_of=parse_instant(as_of))
    if facts.page:
        ti.xcom_push(key=PAGE_KEY, value=name_page(facts.page))
    auxiliary.require_clean_values(facts)


@task
@no_retry_when_permanent
def prune(params: Params = None, dag_run: Run = None, ti: Instance = None) -> int:
    """Remove the pages and results of old audits; return how many files went."""
    from ringside.jobs import pruning

    settings = task_settings()
    as_of = begin_run(settings, params=params, dag_run=dag_run, ti=ti)
    return pruning.prune_audits(settings, as_of=as_of).removed_files
