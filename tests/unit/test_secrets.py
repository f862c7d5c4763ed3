"""Where secrets may come from: a file per secret, or the first line of stdin; never a listing."""

import io
import os
import sys

import pytest

from ringside import cli
from ringside.settings import Settings

URL = "postgresql+psycopg://training:s3cret@db/ringside"


@pytest.fixture(autouse=True)
def _no_url(monkeypatch):
    monkeypatch.setenv("RINGSIDE_DATABASE_URL", "")  # put back whatever a test leaves
    monkeypatch.delenv("RINGSIDE_DATABASE_URL")


def run(monkeypatch, *, stdin: str, arguments: list[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    monkeypatch.setattr(sys, "argv", ["ringside", *arguments])
    cli.main()


def test_database_url_is_read_from_stdin_when_asked_for(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "ringside.adapters.schema.migrate", lambda s: seen.append(s.database_url) or "1"
    )
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, stdin=f"{URL}\nmore\n", arguments=["--database-url-from-stdin", "migrate"])
    assert ended.value.code == 0
    assert [url.get_secret_value() for url in seen] == [URL]


def test_stdin_that_ends_early_fails_for_good(monkeypatch):
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, stdin="", arguments=["--database-url-from-stdin", "migrate"])
    assert ended.value.code == cli.EXIT_PERMANENT
    assert "RINGSIDE_DATABASE_URL" not in os.environ


def test_a_secret_file_is_named_like_its_variable(tmp_path, monkeypatch):
    (tmp_path / "ringside_database_url").write_text(f"{URL}\n")
    settings = Settings(_secrets_dir=tmp_path)
    assert settings.database_url.get_secret_value() == URL
    assert "s3cret" not in repr(settings)
    monkeypatch.setenv("RINGSIDE_DATABASE_URL", "of-the-environment")
    assert Settings(_secrets_dir=tmp_path).database_url.get_secret_value() == "of-the-environment"
