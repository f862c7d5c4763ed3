"""The tasks that decide titles, carry changes out, and take them back."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule, task

from ringside.errors import SettingsError
from ringside_airflow.assets import TITLE
from ringside_airflow.clock import AS_OF_KEY, begin_run, parse_instant
from ringside_airflow.connections import task_settings
from ringside_airflow.docket_keys import DOCKETS_KEY, name_dockets
from ringside_airflow.report_keys import LATEST_REPORT, REPORT_KEY
from ringside_airflow.starters import name_starter
from ringside_airflow.tasks import Events, Instance, Params, Run, no_retry_when_permanent

if TYPE_CHECKING:
    from ringside.core.verdicts import Intervention

DECIDE = "decide"
ASK_HUMAN = "ask_human"
QUESTION = "question"


@task.branch
@no_retry_when_permanent
def decide(params: Params = None, dag_run: Run = None, ti: Instance = None) -> list[str]:
    """Decide every title, and branch to the outcomes that occurred.

    Leaves the verdict ids of each outcome under the outcome's name, the contested verdicts in
    words under `question`, and the address of all dockets.
    """
    from ringside.jobs import comparison

    asked = read_intervention(params, asked_by=name_starter(dag_run))
    settings = task_settings()
    as_of = begin_run(settings, params=params, dag_run=dag_run, ti=ti)
    verdicts = comparison.decide_titles(settings, as_of=as_of, asked=asked)
    outcomes = sorted({verdict.outcome for verdict in verdicts})
    for outcome in outcomes:
        alike = [verdict for verdict in verdicts if verdict.outcome == outcome]
        ti.xcom_push(key=outcome, value=[verdict.verdict_id for verdict in alike])
    contested = [verdict for verdict in verdicts if verdict.outcome == ASK_HUMAN]
    texts = [f"- {verdict.text_en}\n- {verdict.text_ko}" for verdict in contested]
    ti.xcom_push(key=QUESTION, value="\n\n".join(texts))
    dockets = [(verdict.verdict_id, verdict.docket) for verdict in verdicts if verdict.docket]
    ti.xcom_push(key=DOCKETS_KEY, value=name_dockets(dockets))
    ti.xcom_push(key=REPORT_KEY, value=LATEST_REPORT)
    return outcomes


def read_intervention(params: Mapping[str, Any], *, asked_by: str) -> "Intervention | None":
    """Read what a person asks of the decision; None where nothing is asked.

    Raises:
        SettingsError: something is asked without a reason, or a title is forced on nobody.
    """
    from ringside.core.verdicts import Intervention

    action = params.get("action")
    if not action:
        return None
    reason = (params.get("reason") or "").strip()
    if not reason:
        raise SettingsError(f"{action} needs a reason; it goes on record beside the verdict")
    if action == "force" and not params.get("contestant"):
        raise SettingsError("force needs a contestant: who shall hold the title?")
    return Intervention(
        action=action,
        reason=reason,
        asked_by=asked_by,
        series=tuple(params.get("series") or ()),
        horizons=tuple(params.get("horizons") or ()),
        contestant=params.get("contestant") or "",
    )


@task
@no_retry_when_permanent
def promote(outcome: str, as_of: str, dag_run: Run = None, ti: Instance = None) -> dict[str, Any]:
    """Move the aliases of all verdicts of one outcome; return which, and for whom."""
    verdict_ids = ti.xcom_pull(task_ids=DECIDE, key=outcome)
    return _promote(verdict_ids, as_of, promoted_by=name_starter(dag_run))


@task
@no_retry_when_permanent
def promote_approved(answer: Mapping[str, Any], as_of: str, ti: Instance = None) -> dict[str, Any]:
    """Move the aliases of the borderline verdicts, which a person has approved."""
    verdict_ids = ti.xcom_pull(task_ids=DECIDE, key=ASK_HUMAN)
    person = (answer["responded_by_user"] or {}).get("name", "unknown")
    return _promote(verdict_ids, as_of, promoted_by=f"approved by {person}")


def _promote(verdict_ids: list[int], as_of: str, *, promoted_by: str) -> dict[str, Any]:
    from ringside.jobs import promotion

    instant = parse_instant(as_of)
    promotion.promote(task_settings(), verdict_ids, as_of=instant, promoted_by=promoted_by)
    return {"verdict_ids": list(verdict_ids), "promoted_by": promoted_by}


@task(outlets=[TITLE])
def keep_champion(as_of: str, outlet_events: Events = None) -> None:
    """Tell the DAGs that wait for titles that some were decided and stay where they are."""
    outlet_events[TITLE].extra = {AS_OF_KEY: as_of}


@task(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
@no_retry_when_permanent
def reload_serving(promotions: Iterable[dict[str, Any] | None]) -> dict[str, Any]:
    """Make the service load the champions anew, once for all promotions that happened."""
    from ringside.jobs import promotion

    happened = [made for made in promotions if made is not None]
    verdict_ids = [verdict_id for made in happened for verdict_id in made["verdict_ids"]]
    facts = promotion.reload_serving(task_settings(), verdict_ids)
    return {
        "verdict_ids": verdict_ids,
        "promoted_by": happened[0]["promoted_by"],
        "former_workers": list(facts.former_workers),
    }


@task
@no_retry_when_permanent
def prove_every_worker(change: dict[str, Any]) -> dict[str, Any]:
    """Ask until every worker answers with exactly the promoted versions."""
    from ringside.jobs import promotion

    promotion.prove_serving(
        task_settings(), change["verdict_ids"], former_workers=change["former_workers"]
    )
    return change


@task(outlets=[TITLE])
@no_retry_when_permanent
def record_title(change: dict[str, Any], as_of: str, outlet_events: Events = None) -> None:
    """Write who holds the titles from now on, and tell the DAGs that wait for titles."""
    from ringside.jobs import promotion

    promotion.record_titles(
        task_settings(),
        change["verdict_ids"],
        as_of=parse_instant(as_of),
        promoted_by=change["promoted_by"],
    )
    outlet_events[TITLE].extra = {AS_OF_KEY: as_of}


# ---- roll_back_champion


@task
@no_retry_when_permanent
def plan_roll_back(params: Params = None, dag_run: Run = None, ti: Instance = None) -> list[int]:
    """Record that a title goes back one step, who asked and why; return the verdict's id."""
    from ringside.core.titles import Title
    from ringside.jobs import rolling_back

    settings = task_settings()
    as_of = begin_run(settings, params=params, dag_run=dag_run, ti=ti)
    return rolling_back.plan_roll_back(
        settings,
        [Title(params["symbol"], params["horizon"])],
        as_of=as_of,
        reason=params["reason"],
        asked_by=name_starter(dag_run),
    )


@task
@no_retry_when_permanent
def promote_former(verdict_ids: list[int], as_of: str, dag_run: Run = None) -> dict[str, Any]:
    """Move the aliases back to the champion before."""
    return _promote(verdict_ids, as_of, promoted_by=name_starter(dag_run))
