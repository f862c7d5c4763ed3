"""The dockets inside Airflow: what each verdict rested on, linked from the branch task."""

import re
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from ringside_airflow.audit_links import AuditLink, require_login
from ringside_airflow.docket_keys import DOCKETS_KEY

_NAME = r"[A-Z0-9]+\.h[0-9]+\.[0-9a-f]{16}\.json\.gz"
_DOCKET = re.compile(rf"([0-9]+):({_NAME})")
_POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


def make_docket_app() -> FastAPI:
    """Build the small app that serves `<state>/dockets`; every page asks for a login."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/")
    async def list_dockets(
        request: Request, docket: Annotated[list[str], Query(max_length=200)]
    ) -> Response:
        await require_login(request)
        matches = [_DOCKET.fullmatch(one) for one in docket]
        rows = [f"{_render(match[1], match[2])}" for match in matches if match]
        page = f"<!doctype html><meta charset=utf-8><title>Dockets</title><ul>{''.join(rows)}</ul>"
        return HTMLResponse(page, headers=_POLICY)

    @app.get("/{name}")
    async def show_docket(name: str, request: Request) -> FileResponse:
        await require_login(request)
        path = _find_dockets_dir() / name
        if not re.fullmatch(_NAME, name) or not path.is_file():
            raise HTTPException(404, "no such docket")
        headers = {"Content-Encoding": "gzip", **_POLICY}
        return FileResponse(path, media_type="application/json", headers=headers)

    return app


class DocketLink(AuditLink):
    """The button *Dockets* on a task that has decided titles."""

    name = "Dockets"
    key = DOCKETS_KEY


def _render(verdict_id: str, name: str) -> str:
    replay = f"ringside verdict replay {verdict_id}"
    return f'<li>verdict {verdict_id}: <a href="{name}">{name}</a> (<code>{replay}</code>)'


def _find_dockets_dir() -> Path:
    from ringside.settings import Settings

    return Settings().dockets_dir.resolve()
