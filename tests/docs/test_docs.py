"""What is promised in words exists: commands, pages, runbooks, links, settings."""

import importlib.util
import re
from pathlib import Path

import pytest

from ringside.settings import Settings

REPO = Path(__file__).parents[2]
PAGES = sorted([*REPO.glob("*.md"), *REPO.glob("docs/**/*.md")])
_spec = importlib.util.spec_from_file_location("docs_generate", REPO / "docs" / "generate.py")
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


@pytest.mark.parametrize("page", generate.PAGES)
def test_generated_page_matches_its_source(page):
    assert (REPO / page).read_text() == generate.PAGES[page](), "run `make docs`"


def test_every_make_command_in_the_docs_is_a_target():
    targets = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.M))
    named = set()
    for page in PAGES:
        text = page.read_text()
        named |= set(re.findall(r"`make ([a-z-]+)", text))
        named |= set(re.findall(r"^make ([a-z-]+)", text, re.M))
    assert named
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(REPO).as_posix())
def test_links_lead_to_files(page):
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_runbook_named_in_the_code_exists():
    named = set()
    for folder in ("dags", "plugins", "include", "serving"):
        for path in (REPO / folder).rglob("*.py"):
            named |= set(re.findall(r"docs/runbooks/[\w-]+\.md", path.read_text()))
    assert named
    assert sorted(name for name in named if not (REPO / name).exists()) == []


def test_every_dag_file_has_a_page_text():
    for path in (REPO / "dags").glob("*.py"):
        assert f"## {path.stem}" in (REPO / "docs/dags.md").read_text()


def test_env_example_names_only_real_variables():
    text = (REPO / ".env.example").read_text()
    named = set(re.findall(r"^#?\s*(RINGSIDE_[A-Z_]+)=", text, re.M))
    fields = {f"RINGSIDE_{name.upper()}" for name in Settings.model_fields}
    launcher = {"RINGSIDE_PORTS", "RINGSIDE_ENV_DIR", "RINGSIDE_POSTGRES_BIN", "RINGSIDE_STATE"}
    files = [path.read_text() for path in REPO.glob("docker-compose*.yaml")]
    compose = set(re.findall(r"\$\{(RINGSIDE_\w+)", "\n".join(files)))
    assert named <= fields | launcher | compose


def test_readme_is_short_enough_to_read():
    assert len((REPO / "README.md").read_text().splitlines()) <= 120


def test_no_page_names_a_path_of_some_machine():
    for page in PAGES:
        assert not re.search(r"(?<![\w.])/(?:root|home|tmp|work)/\w", page.read_text()), page
