"""The dockets inside Airflow: listed and shown to those who are logged in."""

import asyncio
import gzip

import httpx
import pytest

NAME = "BTCUSDT.h1.00ff00ff00ff00ff.json.gz"


def ask(path: str) -> httpx.Response:
    """Ask the app itself; no server, no socket."""
    from ringside_airflow.docket_links import make_docket_app

    async def get():
        transport = httpx.ASGITransport(make_docket_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as session:
            return await session.get(path)

    return asyncio.run(get())


@pytest.fixture
def dockets(tmp_path, monkeypatch):
    """A folder with one docket and one file that is none, and a reader who is logged in."""
    from ringside_airflow import docket_links

    async def let_in(request):
        return None

    (tmp_path / NAME).write_bytes(gzip.compress(b'{"rows": {}}'))
    (tmp_path / "secret").write_text("hush")
    monkeypatch.setattr(docket_links, "require_login", let_in)
    monkeypatch.setattr(docket_links, "_find_dockets_dir", lambda: tmp_path)


@pytest.mark.usefixtures("dockets")
def test_docket_is_shown_as_json():
    answer = ask(f"/{NAME}")
    assert (answer.status_code, answer.json()) == (200, {"rows": {}})
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.usefixtures("dockets")
@pytest.mark.parametrize("name", ["secret", "..%2Fsecret", f"{NAME}x", "OTHER.h1.0.json.gz"])
def test_nothing_else_is_shown(name):
    assert ask(f"/{name}").status_code == 404


@pytest.mark.usefixtures("dockets")
def test_page_lists_what_the_task_has_named_and_no_markup():
    from ringside_airflow.docket_keys import name_dockets

    address = name_dockets([(3, NAME), (4, "<script>")]).removeprefix("/ringside/dockets")
    page = ask(address).text
    assert f'<a href="{NAME}">' in page
    assert "ringside verdict replay 3" in page
    assert "script" not in page


# Airflow's security pulls in a test client whose own dependency has been renamed.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Using `httpx`:UserWarning")
def test_stranger_is_turned_away():
    assert ask(f"/{NAME}").status_code == 401
