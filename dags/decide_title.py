"""Compare champion and rivals on identical hours; the better one gets the title, on proof.

**When.** Daily at 00:25 UTC; by hand at the market time of your choice.

**What.** `decide` compares all contestants of every title, says its verdicts in the log in English
and Korean, and branches to the outcomes that occurred: the challenger is promoted, the champion
stays, a baseline takes over, or a person is asked (*Required Actions* in the menu; without an
answer in time the champion stays). After a promotion the service reloads, every worker has to
answer with exactly the new versions, and only then is the title recorded. What a person approves
takes the same way, on its own, so that clear verdicts need not wait.

**A re-run** finds the same verdict and finishes a change of title that was cut short.

**When it fails:** docs/runbooks/promotion-failed.md.
"""

from airflow.sdk import TaskGroup, XComArg, dag

from ringside_airflow import tasks
from ringside_airflow.defaults import AS_OF_PARAM, HOUSE, Tag, as_of_from, cron_schedule
from ringside_airflow.operators import AskHumanOperator

AS_OF = as_of_from("decide")


def change_over(*promotions: XComArg) -> None:
    """Reload serving, prove it, record the title: the way of every promotion."""
    reloaded = tasks.reload_serving(list(promotions))
    tasks.record_title(tasks.prove_every_worker(reloaded), AS_OF)


@dag(
    schedule=cron_schedule("25 0 * * *"),
    tags=[Tag.TITLE],
    doc_md=__doc__,
    params={"as_of": AS_OF_PARAM},
    **HOUSE,
)
def decide_title() -> None:
    promoted, fell_back = (
        tasks.promote.override(task_id=outcome)(outcome, AS_OF)
        for outcome in ("promote_challenger", "fall_back_to_baseline")
    )
    change_over(promoted, fell_back)
    ask_human = AskHumanOperator(
        task_id="ask_human",
        subject="Ringside: a title is too close to call, as of " + AS_OF,
        body="{{ ti.xcom_pull(task_ids='decide', key='question') }}",
    )
    with TaskGroup("approved"):
        change_over(tasks.promote_approved(ask_human.output, AS_OF))
    tasks.decide() >> [promoted, tasks.keep_champion(AS_OF), fell_back, ask_human]


decide_title()
