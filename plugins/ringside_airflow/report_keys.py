"""How a task names the report that shows its outcome to the link in Airflow."""

from pathlib import Path

REPORT_KEY = "report"
"""Key of the XCom that holds the address of a report below the API server."""

LATEST_REPORT = "/ringside/reports/latest/index.html"


def name_report(page: str) -> str:
    """Give the address of a day's report, from the path of its index.

    Examples:
        >>> name_report("/state/reports/2026-01-05/index.html")
        '/ringside/reports/2026-01-05/index.html'
    """
    path = Path(page)
    return f"/ringside/reports/{path.parent.name}/{path.name}"
