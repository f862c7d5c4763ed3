"""What the DAGs that change titles share: the steps after an alias has moved, and parameters."""

from airflow.sdk import Param, XComArg

from ringside_airflow import title_tasks

SHORTEST_REASON = 5

INTERVENTION_PARAMS = {
    "action": Param(
        None,
        type=["null", "string"],
        enum=[None, "force", "hold", "freeze", "unfreeze"],
        description="force: give the title to `contestant`. hold: keep champions in this run. "
        "freeze: keep them until unfreeze. Empty: the gate alone decides.",
    ),
    "reason": Param(
        None,
        type=["null", "string"],
        minLength=SHORTEST_REASON,
        description="Why; required with an action, and recorded with who asked.",
    ),
    "contestant": Param(
        None,
        type=["null", "string"],
        description="Who gets the title by force, for example persistence_ewma: its newest version "
        "in the ring.",
    ),
    "series": Param(
        None,
        type=["null", "array"],
        items={"type": "string"},
        description="Symbols that the action is about, one a line. Empty: all.",
    ),
    "horizons": Param(
        None,
        type=["null", "array"],
        items={"type": "integer", "minimum": 1},
        description="Horizons that the action is about. Empty: all.",
    ),
}


def change_over(as_of: str, *promotions: XComArg) -> None:
    """Reload serving, prove it, record the title: the way of every change of title."""
    reloaded = title_tasks.reload_serving(list(promotions))
    title_tasks.record_title(title_tasks.prove_every_worker(reloaded), as_of)
