"""Draw the charts and the scorecard that people look at.

**When.** After titles were decided, and daily at 00:50 UTC.

**What.** Per series: the forecasts with their bands at the hours they speak about, and what came
true; a scorecard of all contestants with intervals; who held each title; the evidence of the
running test with its threshold and pace; whether the bands keep their word; what other ways to
choose would have cost; gaps, quarantine and drifting inputs. Static pages in English and Korean
that need nothing else, `latest/index.html` first; what is missing is said in words.

**A re-run** draws the same pages again from what was known at the run's time. Reports older than
`RINGSIDE_REPORT_KEEP_DAYS` before the newest are removed.

**When it fails:** docs/runbooks/store-unavailable.md.
"""

from airflow.sdk import AssetOrTimeSchedule, dag

from ringside_airflow import tasks
from ringside_airflow.assets import TITLE
from ringside_airflow.defaults import AS_OF_PARAM, HOUSE, Tag, cron_schedule


@dag(
    schedule=AssetOrTimeSchedule(timetable=cron_schedule("50 0 * * *"), assets=[TITLE]),
    tags=[Tag.REPORTS],
    doc_md=__doc__,
    params={"as_of": AS_OF_PARAM},
    **HOUSE,
)
def publish_reports() -> None:
    tasks.publish()


publish_reports()
