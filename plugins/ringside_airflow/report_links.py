"""The page *Ringside* inside Airflow, and the reports: for those who are logged in."""

from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperatorLink
from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, HTMLResponse, Response

from ringside_airflow.audit_links import AuditLink, require_login
from ringside_airflow.report_keys import REPORT_KEY

POLICY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:"
}
_TRAINING = "train"
_KINDS = {".html": "text/html", ".svg": "image/svg+xml"}
_PAGES = {"": "en", "index.html": "en", "index.ko.html": "ko"}

NAVIGATION: list[dict[str, Any]] = [
    {"name": "Ringside", "href": "/ringside/home/", "destination": "nav"},
    {"name": "Ringside (한국어)", "href": "/ringside/home/index.ko.html", "destination": "nav"},
]
"""What puts the page into Airflow's navigation, in the menu *Plugins*.

Without a route it opens as a page of its own: in Airflow's frame no link to MLflow could open.
There must be two: Airflow 3.3 draws a single one as a button that leads nowhere.
"""


class ReportLink(AuditLink):
    """The button *Report* on tasks whose outcome the report shows."""

    name = "Report"
    key = REPORT_KEY


class ModelsLink(BaseOperatorLink):
    """The button *MLflow* on trainings: the models whose versions and runs they make."""

    name = "MLflow"

    def get_link(self, operator: object, *, ti_key: Any) -> str:  # noqa: ANN401 - a task's key
        """Give the address of the models; empty for tasks that are no training."""
        if ti_key.task_id.rpartition(".")[2] != _TRAINING:
            return ""
        settings = _read_settings()
        return f"{settings.mlflow_page_url or settings.mlflow_url}/#/models"


def make_report_app() -> FastAPI:
    """Build the small app that serves `<state>/reports`; every file asks for a login."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/{address:path}")
    async def show_file(address: str, request: Request) -> FileResponse:
        await require_login(request)
        folder = _read_settings().reports_dir.resolve()
        path = (folder / address).resolve()
        if not path.is_relative_to(folder) or path.suffix not in _KINDS or not path.is_file():
            raise HTTPException(404, "no such report")
        return FileResponse(path, media_type=_KINDS[path.suffix], headers=POLICY)

    return app


def make_home_app() -> FastAPI:
    """Build the small app of the page *Ringside*: standings, verdicts, and the way to all else."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/{page:path}")
    async def show_home(page: str, request: Request) -> Response:
        await require_login(request)
        if page not in _PAGES:
            raise HTTPException(404, "no such page")
        return await run_in_threadpool(_answer_home, _PAGES[page])

    return app


def _answer_home(language: str) -> Response:
    from ringside.errors import RetryableError

    try:
        return HTMLResponse(_render_home(language), headers=POLICY)
    except RetryableError as error:
        raise HTTPException(503, f"Ringside's stores cannot be read: {error}") from error


def _render_home(language: str) -> str:
    # The API server imports this module at its start, and must not pay for stores and templates.
    from ringside.adapters.report_pages import NOTHING, render_page
    from ringside.core.charts.canvas import Caption
    from ringside.jobs.reporting import find_source
    from ringside.jobs.standings import read_standings

    settings = _read_settings()
    as_of = _read_now(settings)
    latest = settings.reports_dir / "latest"
    standings = read_standings(settings, as_of=as_of)
    folders = dict.fromkeys(one.folder for one in standings)
    return render_page(
        "home.html.j2",
        language,
        Caption(as_of, find_source(settings)),
        standings=standings,
        has_report=(latest / "index.html").is_file(),
        timelines=[name for name in folders if _has_timeline(latest, name)],
        mlflow=settings.mlflow_page_url or settings.mlflow_url,
        serving=settings.serving_page_url or settings.serving_url,
        nothing=NOTHING,
    )


def _has_timeline(latest: Path, folder: str) -> bool:
    return (latest / folder / "timeline.svg").is_file()


def _read_now(settings: Any) -> datetime:  # noqa: ANN401 - loaded when a page is asked for
    from ringside_airflow.clock import read_market_now

    return read_market_now(settings)


def _read_settings() -> Any:  # noqa: ANN401 - loaded when a page is asked for
    from ringside.settings import Settings

    return Settings()
