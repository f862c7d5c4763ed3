"""Give one title back to the champion before, one step, by hand.

**When.** By hand only: press *Trigger* with the title and why.

**What.** `plan_roll_back` records who asked and why, and finds the last version that was live
before. Its alias moves back, the service reloads, every worker has to answer with it, and only
then is the title recorded. Doing it again goes one step further back, not to and fro. The gate
goes on from there; to keep it from acting, freeze the title in `decide_title`.

**A re-run** of the same run finishes a change that was cut short and takes no second step.

**When it fails:** docs/runbooks/promotion-failed.md.
"""

from airflow.sdk import Param, dag

from ringside_airflow import title_tasks
from ringside_airflow.changes import SHORTEST_REASON, change_over
from ringside_airflow.defaults import AS_OF_PARAM, HOUSE, Tag, as_of_from, required_param

AS_OF = as_of_from("plan_roll_back")


@dag(
    schedule=None,
    tags=[Tag.TITLE],
    doc_md=__doc__,
    params={
        "symbol": required_param("Series of the title, for example BTC/USDT."),
        "horizon": Param(1, type="integer", minimum=1, description="Candles ahead of the title."),
        "reason": Param(
            type="string",
            minLength=SHORTEST_REASON,
            description="Why the title goes back; recorded with who asked.",
        ),
        "as_of": AS_OF_PARAM,
    },
    **HOUSE,
)
def roll_back_champion() -> None:
    planned = title_tasks.plan_roll_back()
    change_over(AS_OF, title_tasks.promote_former(planned, AS_OF))


roll_back_champion()
