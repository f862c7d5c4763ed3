"""The state of the platform in a backup: dockets are in it, by the very commands that run there."""

import gzip
from dataclasses import replace
from types import SimpleNamespace

import pytest

from ringside.adapters.docket_files import DocketFiles
from ringside_containers import backup, places
from ringside_containers.archive import ArchiveError

SERVICES = '{"services": {"mlflow": {"environment": {"MLFLOW_ARTIFACTS_DESTINATION": "/art"}}}}'
STACK = SimpleNamespace(in_service=lambda service, command: command)
"""Runs on this machine what else runs in a passing container."""


@pytest.fixture
def state(tmp_path, monkeypatch):
    """The place that the platform's configuration names, moved into an empty folder."""
    config = SimpleNamespace(returncode=0, stdout=SERVICES)
    monkeypatch.setattr(places.subprocess, "run", lambda *_, **__: config)
    place = places.find_places(("compose",))["state"]
    monkeypatch.undo()
    folder = tmp_path / "state"
    for name in ("models", "reports", "run"):
        (folder / name).mkdir(parents=True)
        (folder / name / "passing").write_text("comes from elsewhere")
    return replace(place, path=str(folder)), folder


def keep(place, folder):
    return backup.keep(place.pack(STACK.in_service, is_new=False), folder, "state", False)


def test_dockets_are_kept_and_come_back_over_what_was_there(state, tmp_path):
    place, folder = state
    dockets = DocketFiles(folder / "dockets")
    docket = dockets.write("BTC/USDT", 1, b'{"rows":{}}')
    part = keep(place, tmp_path)
    assert list(part.files) == [f"dockets/{docket.name}"]

    (folder / "dockets" / docket.name).unlink()
    later = dockets.write("BTC/USDT", 1, b'{"rows":{"later":1}}')
    backup.load_files(STACK, place, part, tmp_path)
    backup.run(place.change_over(STACK.in_service))
    assert dockets.read(docket) == {"rows": {}}
    assert (folder / "dockets" / docket.name).stat().st_mode & 0o222 == 0
    assert not (folder / "dockets" / later.name).exists()
    assert sorted(one.name for one in folder.iterdir()) == ["dockets", "models", "reports", "run"]
    assert (folder / "models" / "passing").exists()


def test_a_docket_that_was_loaded_otherwise_is_named(state, tmp_path):
    place, folder = state
    docket = DocketFiles(folder / "dockets").write("BTC/USDT", 1, b'{"rows":{}}')
    part = keep(place, tmp_path)
    path = folder / "dockets" / docket.name
    path.chmod(0o644)
    path.write_bytes(gzip.compress(b'{"rows":{"BTC":1}}'))
    keep(place, tmp_path)  # in the place of the member that `part` describes
    with pytest.raises(ArchiveError, match=rf"1 of 1 differ.*{docket.name}"):
        backup.load_files(STACK, place, part, tmp_path)
