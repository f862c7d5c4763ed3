"""Which models a worker ends up serving, when the registry and the copies on disk misbehave."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from forecast_api.champions import load_champions
from forecast_api.last_good import POINTER_FILE, LastGood
from forecast_api.lineup import choose_lineup
from forecast_api.worker_board import WorkerBoard
from ringside.adapters.model_files import find_folder, load_contestant
from ringside.core.contestants import CONTESTANTS
from ringside.core.known_values import KnownValues
from ringside.core.titles import Title
from ringside.errors import ModelRefusedError, RegistryUnavailableError
from serving_builders import TITLES, make_copy

LOADED_AT = datetime(2026, 1, 1, tzinfo=UTC)


class FakeRegistry:
    """A registry whose champions are given; its copies are already on disk."""

    def __init__(self, versions: dict[Title, int], *, is_down: bool = False, others=None) -> None:
        self.versions = {title.model_name: version for title, version in versions.items()}
        self.is_down = is_down
        self.others = others or {}
        self.asked = 0

    def find_aliases(self, model_name):
        self.asked += 1
        if self.is_down:
            raise RegistryUnavailableError("MLflow at http://user:secret@host did not answer")
        version = self.versions.get(model_name)
        champion = {} if version is None else {"champion": version}
        return champion | self.others

    def download(self, model_name, version, into):
        load_contestant(find_folder(into, model_name, version))
        return into


@pytest.fixture
def serve(tmp_path):
    """Let a master choose and a worker load, as a reload does."""

    def run(registry, titles=TITLES):
        last_good = LastGood(tmp_path)
        lineup = choose_lineup(titles, registry, last_good, models_dir=tmp_path, generation=2)
        return load_champions(lineup, last_good, loaded_at=LOADED_AT)

    return run


def _served(champions) -> dict:
    return {t.horizon: (c.version, c.source) for t, c in champions.by_title.items()}


@pytest.fixture
def first(tmp_path, serve):
    """Version 1 of both titles has been served."""
    for title in TITLES:
        make_copy(tmp_path, title, 1)
    return serve(FakeRegistry(dict.fromkeys(TITLES, 1)))


def test_champion_of_the_registry_is_served_and_remembered(first, tmp_path):
    assert _served(first) == {1: (1, "registry"), 6: (1, "registry")}
    pointer = json.loads((tmp_path / POINTER_FILE).read_text())
    assert {name: copy["version"] for name, copy in pointer.items()} == {
        title.model_name: 1 for title in TITLES
    }


def test_registry_down_serves_the_last_good_copies_and_asks_once(first, serve):
    registry = FakeRegistry({}, is_down=True)
    champions = serve(registry)
    assert _served(champions) == {1: (1, "last-good-copy"), 6: (1, "last-good-copy")}
    assert registry.asked == 1
    assert {refusal.reason for refusal in champions.refused} == {"the registry did not answer"}


def test_registry_down_and_nothing_on_disk_serves_nothing(serve):
    champions = serve(FakeRegistry({}, is_down=True))
    assert champions.by_title == {}
    assert len(champions.refused) == len(TITLES)


def test_title_that_lost_its_champion_keeps_the_last_good_copy(first, serve):
    champions = serve(FakeRegistry({TITLES[0]: 1}))
    assert _served(champions) == {1: (1, "registry"), 6: (1, "last-good-copy")}
    assert [r.reason for r in champions.refused] == ["the registry names no champion"]


def test_altered_model_is_refused_and_the_old_one_serves_on(first, serve, tmp_path):
    new = make_copy(tmp_path, TITLES[0], 2)
    make_copy(tmp_path, TITLES[1], 2)
    (new / "band.json").write_text("{}")
    champions = serve(FakeRegistry(dict.fromkeys(TITLES, 2)))
    assert _served(champions) == {1: (1, "previous-champion"), 6: (2, "registry")}
    [refusal] = champions.refused
    assert (refusal.title, refusal.version) == (TITLES[0], 2)
    assert "checksum" in refusal.reason
    assert str(tmp_path) not in str(champions.describe())


def test_reason_names_no_path_of_the_machine(first, serve, tmp_path):
    champions = serve(FakeRegistry(dict.fromkeys(TITLES, 7)))
    assert [r.version for r in champions.refused] == [7, 7]
    assert str(tmp_path) not in str(champions.describe())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_model_whose_golden_forecast_is_nonsense_is_refused(
    first, serve, tmp_path, monkeypatch, bad
):
    make_copy(tmp_path, TITLES[0], 2, "persistence_ewma")
    make_copy(tmp_path, TITLES[1], 2)

    def forecast(self, features, sigma):
        return np.tile([0.0, 0.1, 0.2, 0.3, bad], (len(sigma), 1))

    monkeypatch.setattr(CONTESTANTS["persistence_ewma"], "forecast", forecast)
    champions = serve(FakeRegistry(dict.fromkeys(TITLES, 2)))
    assert _served(champions) == {1: (1, "previous-champion"), 6: (2, "registry")}
    pointer = LastGood(tmp_path)
    assert [pointer.find_all(title)["champion"].version for title in TITLES] == [1, 2]
    assert pointer.find_all(TITLES[1])["previous-champion"].version == 1


def test_model_of_another_title_is_refused(first, serve, tmp_path):
    stranger = make_copy(tmp_path / "elsewhere", Title("BTC/USDT", 24), 2)
    stranger.rename(find_folder(tmp_path, TITLES[0].model_name, 2))
    champions = serve(FakeRegistry({TITLES[0]: 2, TITLES[1]: 1}))
    assert _served(champions) == {1: (1, "previous-champion"), 6: (1, "registry")}


def test_last_good_copy_exchanged_for_another_sound_model_is_refused(first, serve, tmp_path):
    make_copy(tmp_path, TITLES[0], 1, seed=99)
    champions = serve(FakeRegistry({}, is_down=True))
    assert _served(champions) == {6: (1, "last-good-copy")}


@pytest.mark.parametrize("content", ["", "[1]", '{"a": {"version": 1}}', '{"a": 3}'])
def test_damaged_pointer_counts_as_none(first, serve, tmp_path, content):
    (tmp_path / POINTER_FILE).write_text(content)
    assert serve(FakeRegistry({}, is_down=True)).by_title == {}
    assert len(serve(FakeRegistry(dict.fromkeys(TITLES, 1))).by_title) == len(TITLES)


def test_refusing_registry_answer_names_its_model(serve, tmp_path):
    class Refusing(FakeRegistry):
        def download(self, model_name, version, into):
            raise ModelRefusedError(f"altered: /secret/place of {model_name}")

    champions = serve(Refusing({TITLES[0]: 3}), TITLES[:1])
    assert [(r.version, r.reason) for r in champions.refused] == [
        (3, "altered: (path) of ringside.BTCUSDT.h1")
    ]


def test_board_lists_only_living_workers_of_this_master(tmp_path):
    board = WorkerBoard(tmp_path)
    board.write({"pid": os.getpid(), "generation": 1})
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    dead = int(ended.stdout)
    (tmp_path / f"{dead}.json").write_text(json.dumps({"pid": dead, "parent": os.getppid()}))
    (tmp_path / "1.json").write_text(json.dumps({"pid": 1, "parent": 0}))
    (tmp_path / "2.json").write_text("")
    assert [note["pid"] for note in board.read()] == [os.getpid()]
    board.sweep()
    assert not (tmp_path / f"{dead}.json").exists()
    board.remove(os.getpid())
    assert board.read() == []


def test_ladder_is_champion_previous_baseline(tmp_path, serve):
    for version, contestant in ((1, "persistence_ewma"), (2, "persistence"), (3, "xgboost")):
        make_copy(tmp_path, TITLES[0], version, contestant)
    aliases = {"previous-champion": 2, "persistence-ewma": 1, "persistence": 2}
    champions = serve(FakeRegistry({TITLES[0]: 3}, others=aliases), TITLES[:1])
    rungs = [(c.version, c.source) for c in champions.ladders[TITLES[0]]]
    assert rungs == [(3, "registry"), (2, "previous-champion"), (1, "baseline")]
    # all of it is remembered for the day on which the registry does not answer
    cut_off = serve(FakeRegistry({}, is_down=True), TITLES[:1])
    rungs = [(c.version, c.source) for c in cut_off.ladders[TITLES[0]]]
    assert rungs == [(3, "last-good-copy"), (2, "previous-champion"), (1, "baseline")]


def test_what_served_until_now_comes_before_what_the_registry_calls_previous(
    first, tmp_path, serve
):
    make_copy(tmp_path, TITLES[0], 5)
    registry = FakeRegistry({TITLES[0]: 9, TITLES[1]: 1}, others={"previous-champion": 5})
    champions = serve(registry, TITLES[:1])
    rungs = [(c.version, c.source) for c in champions.ladders[TITLES[0]]]
    assert rungs == [(1, "previous-champion"), (5, "previous-champion")]


def test_baseline_is_never_remembered_as_a_champion(tmp_path, serve):
    make_copy(tmp_path, TITLES[0], 1, "persistence_ewma")
    champions = serve(FakeRegistry({}, others={"persistence-ewma": 1}), TITLES[:1])
    assert [c.source for c in champions.ladders[TITLES[0]]] == ["baseline"]
    assert set(LastGood(tmp_path).find_all(TITLES[0])) == {"baseline"}


def test_model_fitted_with_a_series_that_is_not_configured_is_refused(serve, tmp_path):
    days = np.datetime64("2024-01-01", "s") + np.arange(900) * np.timedelta64(1, "D")
    vix = {"vix": KnownValues(days, 15 + np.arange(900) / 100)}
    make_copy(tmp_path, TITLES[0], 3, "linear", auxiliary=vix)
    make_copy(tmp_path, TITLES[0], 1, "persistence_ewma", auxiliary=vix)
    registry = FakeRegistry({TITLES[0]: 3}, others={"persistence-ewma": 1})
    champions = serve(registry, TITLES[:1])
    assert _served(champions) == {1: (1, "baseline")}
    [refusal] = champions.refused
    assert refusal.reason.startswith("no auxiliary values are given for vix_age_h, vix_change_")
