"""The audit pages inside Airflow: served to those who are logged in, linked from their task."""

import re
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperatorLink
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse

from ringside_airflow.audit_keys import PAGE_KEY

_PAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\.(html|json)")


def make_audit_app() -> FastAPI:
    """Build the small app that serves `<state>/audits`; every page asks for a login."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/{page}")
    async def show_page(page: str, request: Request) -> FileResponse:
        await _require_login(request)
        path = _find_audits_dir() / page
        if not _PAGE.fullmatch(page) or not path.is_file():
            raise HTTPException(404, "no such audit")
        policy = "default-src 'none'; style-src 'unsafe-inline'"
        return FileResponse(path, headers={"Content-Security-Policy": policy})

    return app


class AuditLink(BaseOperatorLink):
    """The button *Audit* on a task that has audited something."""

    name = "Audit"

    def get_link(self, operator: object, *, ti_key: Any) -> str:  # noqa: ANN401  # a key, or a past try
        """Read the address that the task left; empty for tasks that audit nothing."""
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session

        query = XComModel.get_many(
            key=PAGE_KEY,
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


async def _require_login(request: Request) -> None:
    # Loading Airflow's security takes seconds that only the API server should pay.
    from airflow.api_fastapi.core_api.security import bearer_scheme, get_user

    await get_user(request, None, await bearer_scheme(request))


def _find_audits_dir() -> Path:
    from ringside.settings import Settings

    return Settings().audits_dir.resolve()  # type: ignore[call-arg]  # read from the environment
