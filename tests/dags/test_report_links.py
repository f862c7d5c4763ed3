"""The page *Ringside* and the reports inside Airflow: only for those who are logged in."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
import pytest

from ringside.core.reports import VerdictNote
from ringside.core.verdicts import Reign
from ringside.core.words import Words
from ringside.errors import StoreUnavailableError
from ringside.jobs.standings import Standing

AS_OF = datetime(2026, 1, 5, tzinfo=UTC)
REIGN = Reign("BTC/USDT", 1, "xgboost", 3, AS_OF, AS_OF, "test", "test")
VERDICT = VerdictNote(AS_OF, "keep_champion", Words("xgboost <keeps> it", "자리를 지킵니다"))
STANDINGS = [Standing("BTC/USDT", 1, REIGN, VERDICT), Standing("BTC/USDT", 6, None, None)]


def ask(make_app, path: str) -> httpx.Response:
    """Ask the app itself; no server, no socket."""

    async def get():
        transport = httpx.ASGITransport(make_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as session:
            return await session.get(path)

    return asyncio.run(get())


@pytest.fixture
def links(tmp_path, monkeypatch):
    """The module with a state folder of its own and stores that answer."""
    from ringside.jobs import reporting, standings
    from ringside_airflow import report_links

    monkeypatch.setenv("RINGSIDE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("RINGSIDE_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:9/none")
    monkeypatch.setenv("RINGSIDE_MLFLOW_PAGE_URL", "http://mlflow.example:5000")
    monkeypatch.setattr(report_links, "_read_now", lambda settings: AS_OF)
    monkeypatch.setattr(standings, "read_standings", lambda settings, as_of: STANDINGS)
    monkeypatch.setattr(reporting, "find_source", lambda settings: "simulated market, seed 7")
    return report_links


@pytest.fixture
def reader(links, monkeypatch):
    """Somebody who is logged in."""

    async def let_in(request):
        return None

    monkeypatch.setattr(links, "require_login", let_in)
    return links


def write_report(folder) -> None:
    latest = folder / "reports" / "latest" / "BTCUSDT"
    latest.mkdir(parents=True)
    (latest.parent / "index.html").write_text("<h1>index</h1>")
    (latest / "timeline.svg").write_text("<svg/>")
    (folder / "reports" / "secret.txt").write_text("hush")
    (folder / "secret.html").write_text("hush")


@pytest.mark.parametrize(
    ("address", "status", "kind"),
    [
        ("latest/index.html", 200, "text/html; charset=utf-8"),
        ("latest/BTCUSDT/timeline.svg", 200, "image/svg+xml"),
        ("secret.txt", 404, ""),
        ("..%2Fsecret.html", 404, ""),
        ("latest", 404, ""),
    ],
)
def test_reports_are_shown_and_nothing_else(reader, tmp_path, address, status, kind):
    write_report(tmp_path)
    answer = ask(reader.make_report_app, f"/{address}")
    assert answer.status_code == status
    if status == 200:
        assert answer.headers["content-type"] == kind
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_home_tells_standings_and_verdicts_and_links_every_page(reader, tmp_path):
    write_report(tmp_path)
    page = ask(reader.make_home_app, "/").text
    for part in (
        "xgboost version 3",
        "nobody yet",
        "xgboost &lt;keeps&gt; it",
        'href="/ringside/reports/latest/index.html"',
        'href="/ringside/reports/latest/BTCUSDT/index.html#h1"',
        'src="/ringside/reports/latest/BTCUSDT/timeline.svg"',
        'href="/ringside/audits/"',
        'href="http://mlflow.example:5000"',
        'href="http://127.0.0.1:8000/docs"',
        "simulated market, seed 7",
    ):
        assert part in page
    korean = ask(reader.make_home_app, "/index.ko.html").text
    assert "자리를 지킵니다" in korean
    assert "latest/index.ko.html" in korean
    assert ask(reader.make_home_app, "/other.html").status_code == 404


def test_home_without_a_report_says_so_and_links_none(reader):
    page = ask(reader.make_home_app, "/index.html").text
    assert "No report has been written yet" in page
    assert "/ringside/reports/" not in page


def test_stores_that_do_not_answer_are_said(reader, monkeypatch):
    from ringside.jobs import standings

    def fail(settings, as_of):
        raise StoreUnavailableError("PostgreSQL did not answer")

    monkeypatch.setattr(standings, "read_standings", fail)
    answer = ask(reader.make_home_app, "/")
    assert answer.status_code == 503
    assert "did not answer" in answer.json()["detail"]


# Airflow's security pulls in a test client whose own dependency has been renamed.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Using `httpx`:UserWarning")
def test_stranger_is_turned_away(links):
    assert ask(links.make_home_app, "/").status_code == 401
    assert ask(links.make_report_app, "/latest/index.html").status_code == 401


@pytest.mark.parametrize(
    ("task", "address"),
    [("enter_challenger.train", "http://mlflow.example:5000/#/models"), ("decide", "")],
)
def test_trainings_link_the_models_they_make(links, task, address):
    key = SimpleNamespace(task_id=task)
    assert links.ModelsLink().get_link(None, ti_key=key) == address


def test_views_stand_in_the_navigation_and_their_page_is_served():
    from ringside_plugin import RingsidePlugin

    views = RingsidePlugin.external_views
    prefixes = [app["url_prefix"] for app in RingsidePlugin.fastapi_apps]
    assert len(views) > 1  # Airflow 3.3 draws a single one as a button that leads nowhere
    for view in views:
        assert view["destination"] == "nav"
        assert "url_route" not in view  # its frame would block the links to MLflow
        assert view["href"].rpartition("/")[0] in prefixes
