"""The audit page inside Airflow: only for those who are logged in, and only audits."""

import asyncio

import httpx
import pytest


@pytest.fixture
def client(monkeypatch, tmp_path):
    from ringside_airflow import audit_links

    (tmp_path / "audits").mkdir()
    (tmp_path / "audits" / "a_b-1.html").write_text("<h1>clean</h1>")
    (tmp_path / "secret.html").write_text("no")
    monkeypatch.setenv("RINGSIDE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("RINGSIDE_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:9/none")
    transport = httpx.ASGITransport(audit_links.make_audit_app())

    async def get(page):
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as session:
            return await session.get(page)

    return lambda page: asyncio.run(get(page))


# Airflow's security pulls in a test client whose own dependency has been renamed.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Using `httpx`:UserWarning")
def test_nobody_sees_an_audit_without_a_login(client):
    assert client("/a_b-1.html").status_code == 401


@pytest.mark.parametrize(
    ("page", "status"),
    [("a_b-1.html", 200), ("other.html", 404), ("..%2Fsecret.html", 404), ("a_b-1.txt", 404)],
)
def test_who_is_logged_in_sees_audits_and_nothing_else(client, monkeypatch, page, status):
    from ringside_airflow import audit_links

    async def let_in(request):
        return None

    monkeypatch.setattr(audit_links, "require_login", let_in)
    answer = client(f"/{page}")
    assert answer.status_code == status
    if status == 200:
        assert "default-src 'none'" in answer.headers["content-security-policy"]


# Airflow reads `.airflowignore` with a pattern class that its own library has deprecated.
@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")
def test_the_plugin_registers_the_links_and_the_pages():
    from airflow import plugins_manager

    links = plugins_manager.get_global_operator_extra_links()
    assert [link.name for link in links if type(link).__module__.startswith("ringside")] == [
        "Audit",
        "Dockets",
        "Report",
        "MLflow",
    ]
