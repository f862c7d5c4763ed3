"""The tasks of the DAGs: each reads its arguments, calls one job and hands on ids and times."""

import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any, ParamSpec, TypeVar

from airflow.sdk import task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk.types import (
    DagRunProtocol,
    OutletEventAccessorsProtocol,
    RuntimeTaskInstanceProtocol,
)

from ringside.errors import PermanentError
from ringside_airflow.assets import CANDLES, TITLE
from ringside_airflow.audit_keys import PAGE_KEY, name_page
from ringside_airflow.clock import AS_OF_KEY, begin_run, parse_instant, read_market_now
from ringside_airflow.connections import task_settings
from ringside_airflow.report_keys import REPORT_KEY, name_report
from ringside_airflow.retries import WaitAsAsked
from ringside_airflow.starters import name_starter

P = ParamSpec("P")
R = TypeVar("R")

# Airflow hands these to a task function by name; they are never None while a task runs.
Params = Mapping[str, Any] | None
Run = DagRunProtocol | None
Instance = RuntimeTaskInstanceProtocol | None
Events = OutletEventAccessorsProtocol | None

CHATTY = ("great_expectations", "httpx")
"""Loggers whose hundreds of lines would bury the facts of a task."""


def no_retry_when_permanent(job_task: Callable[P, R]) -> Callable[P, R]:
    """Fail the task at once on a PermanentError; all other errors use up its retries."""

    @functools.wraps(job_task)
    def shell(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            return job_task(*args, **kwargs)
        except PermanentError as error:
            facts = f" {error.facts}" if error.facts else ""
            raise AirflowFailException(f"{error}{facts}") from error

    return shell


# ---- ingest_candles


@task
@no_retry_when_permanent
def find_windows(
    params: Params = None, dag_run: Run = None, ti: Instance = None
) -> list[dict[str, Any]]:
    """List what each series lacks: new hours, gaps, and a few hours again for revisions."""
    from ringside.jobs import windows as windows_job

    settings = task_settings()
    as_of = begin_run(settings, params=params, dag_run=dag_run, ti=ti)
    start, end = (parse_instant(params[k]) if params[k] else None for k in ("start", "end"))
    windows = windows_job.find_windows(settings, as_of=as_of, start=start, end=end)
    return [asdict(window) for window in windows]


@task(map_index_template="{{ task.op_kwargs['window']['symbol'] }}", retry_policy=WaitAsAsked())
@no_retry_when_permanent
def fetch(window: dict[str, Any], as_of: str) -> str:
    """Store the closed candles of one window as a raw batch; return the batch's id."""
    from ringside.jobs import ingestion
    from ringside.jobs.windows import Window

    asked = Window(**window)
    return ingestion.fetch_window(task_settings(), asked, as_of=parse_instant(as_of)).batch_id


@task
@no_retry_when_permanent
def audit_candles(batch_ids: Iterable[str], as_of: str, ti: Instance = None) -> list[str]:
    """Audit all batches of the run in one go; return their ids, leave the address of the page."""
    from ringside.jobs import ingestion

    fetched = list(batch_ids)
    facts = ingestion.audit_batches(task_settings(), fetched, as_of=parse_instant(as_of))
    if facts.page:
        ti.xcom_push(key=PAGE_KEY, value=name_page(facts.page))
    return fetched


@task(outlets=[CANDLES])
@no_retry_when_permanent
def publish_candles(batch_ids: list[str], as_of: str, outlet_events: Events = None) -> list[str]:
    """Publish the good rows, quarantine the others, tell the DAGs that wait for candles."""
    from ringside.jobs import ingestion

    ingestion.publish_batches(task_settings(), batch_ids, as_of=parse_instant(as_of))
    outlet_events[CANDLES].extra = {AS_OF_KEY: as_of}
    return batch_ids


@task
@no_retry_when_permanent
def require_clean_audit(batch_ids: list[str]) -> None:
    """Fail the run, after the good rows are published, when any row was quarantined."""
    from ringside.jobs import ingestion

    ingestion.require_clean(task_settings(), batch_ids)


# ---- issue_forecasts


@task
@no_retry_when_permanent
def issue(params: Params = None, dag_run: Run = None, ti: Instance = None) -> None:
    """Put every contestant's forecast on the record, before its outcome is known."""
    from ringside.jobs import issuing

    settings = task_settings()
    as_of = begin_run(settings, params=params, dag_run=dag_run, ti=ti)
    issuing.issue_forecasts(
        settings, as_of=as_of, issued_at=read_market_now(settings), is_replay=params["replay"]
    )


@task
@no_retry_when_permanent
def score(as_of: str) -> None:
    """Score the forecasts whose hour has passed, anew where a candle was revised."""
    from ringside.jobs import scoring

    scoring.score_matured(task_settings(), as_of=parse_instant(as_of))


@task
@no_retry_when_permanent
def watch_probation(as_of: str) -> list[int]:
    """Hold champions on probation against those before them; return the verdicts that end one."""
    from ringside.jobs import rolling_back

    facts = rolling_back.watch_probation(task_settings(), as_of=parse_instant(as_of))
    return [one.verdict_id for one in facts if one.verdict_id is not None]


@task(outlets=[TITLE])
@no_retry_when_permanent
def give_title_back(verdict_ids: list[int], as_of: str, outlet_events: Events = None) -> None:
    """Give titles back whose new champion has spent its budget; skip where none has."""
    from ringside.jobs import rolling_back

    if not verdict_ids:
        raise AirflowSkipException("no champion on probation has spent its budget")
    rolling_back.give_back(task_settings(), verdict_ids, as_of=parse_instant(as_of))
    outlet_events[TITLE].extra = {AS_OF_KEY: as_of}


# ---- train_challenger


@task
@no_retry_when_permanent
def list_series(params: Params = None, dag_run: Run = None, ti: Instance = None) -> list[str]:
    """List the symbols to train: those asked for by hand, else all of the settings."""
    settings = task_settings()
    begin_run(settings, params=params, dag_run=dag_run, ti=ti)
    return list(params["series"] or settings.series)


@task(map_index_template="{{ task.op_args[0] }}")
@no_retry_when_permanent
def require_versions(symbol: str, as_of: str) -> None:
    """Prove by registry and checksums what the training process has only claimed."""
    from ringside.jobs import training

    training.require_versions(task_settings(), symbol, as_of=parse_instant(as_of))


@task(map_index_template="{{ task.op_args[0] }}")
@no_retry_when_permanent
def enter_ring(symbol: str, as_of: str) -> None:
    """Let baselines and the challengers that passed their examination forecast for the title."""
    from ringside.jobs import examination

    examination.enter_ring(task_settings(), symbol, as_of=parse_instant(as_of))


@task(map_index_template="{{ task.op_args[0] }}")
@no_retry_when_permanent
def require_passed(symbol: str, as_of: str) -> None:
    """Fail the run, after the others have entered, when a challenger was refused."""
    from ringside.jobs import examination

    examination.require_passed(task_settings(), symbol, as_of=parse_instant(as_of))


@task(map_index_template="{{ task.op_args[0] }}")
@no_retry_when_permanent
def crown_first_champion(symbol: str, as_of: str, dag_run: Run = None) -> list[int]:
    """Give the titles that nobody holds to the naive forecast; return their horizons."""
    from ringside.jobs import crowning

    facts = crowning.crown_first_champion(
        task_settings(), symbol, as_of=parse_instant(as_of), promoted_by=name_starter(dag_run)
    )
    return list(facts.crowned)


@task(map_index_template="{{ task.op_args[1] }}")
@no_retry_when_permanent
def serve_first_champion(crowned: list[int], symbol: str) -> None:
    """Make the service load champions that were crowned now; skip where all titles were held."""
    from ringside.jobs import promotion

    if not crowned:
        raise AirflowSkipException(f"every title of {symbol} was held already")
    promotion.reload_serving(task_settings(), [])


# ---- publish_reports


@task
@no_retry_when_permanent
def publish(params: Params = None, dag_run: Run = None, ti: Instance = None) -> None:
    """Draw the charts and the scorecard of every series."""
    from ringside.jobs import reporting

    settings = task_settings()
    as_of = begin_run(settings, params=params, dag_run=dag_run, ti=ti)
    facts = reporting.publish_reports(settings, as_of=as_of)
    ti.xcom_push(key=REPORT_KEY, value=name_report(facts.page))
