"""The audit pages inside Airflow: served to those who are logged in, linked from their task."""

import re
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperatorLink
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse

from ringside_airflow.audit_keys import PAGE_KEY

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_LISTED = 100
_PAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\.(html|json)")


def make_audit_app() -> FastAPI:
    """Build the small app that serves `<state>/audits`; every page asks for a login."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/")
    async def list_pages(request: Request) -> HTMLResponse:
        await require_login(request)
        names = [path.name for path in _find_newest(_find_audits_dir())]
        rows = "".join(f'<li><a href="{name}">{name}</a>' for name in names)
        text = f"<ul>{rows}</ul>" if rows else "<p>Nothing has been audited yet."
        page = f"<!doctype html><meta charset=utf-8><title>Audits</title><h1>Audits</h1>{text}"
        return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})

    @app.get("/{page}")
    async def show_page(page: str, request: Request) -> FileResponse:
        await require_login(request)
        path = _find_audits_dir() / page
        if not _PAGE.fullmatch(page) or not path.is_file():
            raise HTTPException(404, "no such audit")
        return FileResponse(path, headers={"Content-Security-Policy": _POLICY})

    return app


class AuditLink(BaseOperatorLink):
    """The button *Audit* on a task that has audited something."""

    name = "Audit"
    key = PAGE_KEY

    def get_link(self, operator: object, *, ti_key: Any) -> str:  # noqa: ANN401  # a key, or a past try
        """Read the address that the task left; empty for tasks that audit nothing."""
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session

        query = XComModel.get_many(
            key=self.key,
            run_id=ti_key.run_id,
            dag_ids=ti_key.dag_id,
            task_ids=ti_key.task_id,
            map_indexes=ti_key.map_index,
        ).with_only_columns(XComModel.value)
        with create_session() as session:
            found = session.execute(query).first()
        if not found:
            return ""
        # PostgreSQL gives the text itself, SQLite gives it as JSON, in quotes.
        return str(found.value).strip('"')


async def require_login(request: Request) -> None:
    """Refuse who is not logged in to Airflow.

    Raises:
        HTTPException: 401.
    """
    # Loading Airflow's security takes seconds that only the API server should pay.
    from airflow.api_fastapi.core_api.security import bearer_scheme, get_user

    await get_user(request, None, await bearer_scheme(request))


def _find_newest(folder: Path) -> list[Path]:
    """Find the newest pages of a folder, newest first."""
    pages = [path for path in folder.glob("*.html") if _PAGE.fullmatch(path.name)]
    return sorted(pages, key=lambda path: path.stat().st_mtime, reverse=True)[:_LISTED]


def _find_audits_dir() -> Path:
    from ringside.settings import Settings

    return Settings().audits_dir.resolve()  # type: ignore[call-arg]  # read from the environment
