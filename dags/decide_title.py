"""Weigh the evidence for every rival of each champion; the title changes hands only on proof.

**When.** Daily at 00:25 UTC; by hand at the market time of your choice.

**What.** `decide` weighs all contestants of every title, says its verdicts in the log in English
and Korean, and branches to the outcomes that occurred: the challenger is promoted, the champion
stays or hands over to a newer version of itself, a baseline takes over, or a person is asked
(*Required Actions* in the menu; without an answer in time the champion stays). After a promotion
the service reloads, every worker has to answer with exactly the new versions, and only then is the
title recorded. What a person approves takes the same way, on its own. *Dockets* on `decide` shows
what each verdict rests on.

**By hand.** `action` forces a title on a contestant, holds titles in this run, or freezes them
until they are unfrozen; with a reason, which goes on record with your name.

**A re-run** finds the same verdict and finishes a change of title that was cut short.

**When it fails:** docs/runbooks/promotion-failed.md.
"""

from airflow.sdk import TaskGroup, dag

from ringside_airflow import title_tasks
from ringside_airflow.changes import INTERVENTION_PARAMS, change_over
from ringside_airflow.defaults import AS_OF_PARAM, HOUSE, Tag, as_of_from, cron_schedule
from ringside_airflow.operators import AskHumanOperator

AS_OF = as_of_from("decide")
CHANGES = ("promote_challenger", "refresh_champion", "fall_back_to_baseline")


@dag(
    schedule=cron_schedule("25 0 * * *"),
    tags=[Tag.TITLE],
    doc_md=__doc__,
    params={"as_of": AS_OF_PARAM, **INTERVENTION_PARAMS},
    **HOUSE,
)
def decide_title() -> None:
    promotions = [
        title_tasks.promote.override(task_id=outcome)(outcome, AS_OF) for outcome in CHANGES
    ]
    change_over(AS_OF, *promotions)
    ask_human = AskHumanOperator(
        task_id="ask_human",
        subject="Ringside: a title is contested, as of " + AS_OF,
        body="{{ ti.xcom_pull(task_ids='decide', key='question') }}",
    )
    with TaskGroup("approved"):
        change_over(AS_OF, title_tasks.promote_approved(ask_human.output, AS_OF))
    title_tasks.decide() >> [*promotions, title_tasks.keep_champion(AS_OF), ask_human]


decide_title()
