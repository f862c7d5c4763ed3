"""How a task names the page of its audit to the link in Airflow."""

from pathlib import Path

PAGE_KEY = "audit_page"
"""Key of the XCom that holds the address of a task's audit page below the API server."""


def name_page(page: str) -> str:
    """Give the address of an audit page, from the path of its file.

    Examples:
        >>> name_page("/state/audits/run_at_20250301T120007.html")
        '/ringside/audits/run_at_20250301T120007.html'
    """
    return f"/ringside/audits/{Path(page).name}"
