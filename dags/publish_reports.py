"""Draw the charts and the scorecard that people look at.

**When.** After titles were decided, and daily at 00:50 UTC.

**What.** Per series: the forecasts as they were issued with their bands, what came true, and who
held the title; and a scorecard of all contestants. Written as static pages that need nothing else.

**A re-run** draws the same pages again from what was known at the run's time.

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
