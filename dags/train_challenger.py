"""Train every contestant of every series anew and enter the best-trained as challenger.

**When.** Sundays at 01:20 UTC; by hand with the series and the market time of your choice.

**What.** Per series, each on its own: plants leak canaries and requires that they are flagged,
chooses hyper-parameters, tries all contestants out on weeks they have not seen, fits them for all
horizons on the candles known at the run's time, and registers them in MLflow, each under its alias
(`train`); fetches those versions and verifies their checksums (`require_versions`); forecasts the
weeks before, in as-of order, so that a verdict has rows to stand on (`record`); gives a title that
nobody holds to the naive forecast and makes the service load it.
Training runs in a container, a pod or a local process, as `RINGSIDE_TRAINING_RUNNER` says.

**A re-run** for the same time registers nothing twice and skips hours already on record.

**When it fails:** docs/runbooks/training-failed.md, docs/runbooks/leak-canary.md.
"""

from datetime import timedelta

from airflow.sdk import Param, dag, task_group

from ringside_airflow import tasks
from ringside_airflow.defaults import AS_OF_PARAM, HOUSE, Tag, as_of_from, cron_schedule
from ringside_airflow.operators import TrainingOperator

TRAINING_LIMIT = timedelta(hours=1)


@dag(
    schedule=cron_schedule("20 1 * * 0"),
    tags=[Tag.TRAINING],
    doc_md=__doc__,
    params={
        "as_of": AS_OF_PARAM,
        "series": Param(
            None,
            type=["null", "array"],
            items={"type": "string"},
            description="Symbols to train, one a line, for example BTC/USDT. Empty: all.",
        ),
    },
    **HOUSE,
)
def train_challenger() -> None:
    as_of = as_of_from("list_series")

    @task_group
    def enter_challenger(symbol: str) -> None:
        train, record = (
            TrainingOperator(
                task_id=job,
                command=[job, "--series", symbol, "--as-of", as_of],
                execution_timeout=TRAINING_LIMIT,
                map_index_template="{{ task.command[2] }}",
            )
            for job in ("train", "record")
        )
        crowned = tasks.crown_first_champion(symbol, as_of)
        train >> tasks.require_versions(symbol, as_of) >> record >> crowned
        tasks.serve_first_champion(crowned, symbol)

    enter_challenger.expand(symbol=tasks.list_series())


train_challenger()
