"""What the launcher settles before anything starts: ports, choices, secrets, environments."""

import ast
import json
import stat

import pytest

from ringside.settings import Settings
from ringside_embedded import environments
from ringside_embedded.choices import read_choices, remember_choices, remember_ports
from ringside_embedded.credentials import read_or_make
from ringside_embedded.environments import ROOT, Environment
from ringside_embedded.failures import LaunchError
from ringside_embedded.layout import Layout
from ringside_embedded.ports import DEFAULT_PORTS, merge_ports, parse_ports
from ringside_embedded.run_lock import only_one


@pytest.fixture
def layout(tmp_path):
    (tmp_path / "state").mkdir()
    return Layout(tmp_path, tmp_path / "state", tmp_path / "env")


def test_ports_named_win_over_the_last_ones_and_these_over_the_defaults():
    merged = merge_ports({"mlflow": 5001, "serving": 8001}, parse_ports("serving = 9000 ,"))
    assert merged == {**DEFAULT_PORTS, "mlflow": 5001, "serving": 9000}


@pytest.mark.parametrize("text", ["web=80", "airflow", "airflow=x", "airflow=80", "airflow=70000"])
def test_ports_that_make_no_sense_are_refused(text):
    with pytest.raises(LaunchError):
        parse_ports(text)


def test_two_parts_on_one_port_are_refused():
    with pytest.raises(LaunchError, match="same port"):
        merge_ports({"airflow": DEFAULT_PORTS["mlflow"]})


def test_choices_come_from_the_environment_then_the_env_file_then_the_last_run(layout):
    first = {"RINGSIDE_SOURCE": "file", "RINGSIDE_SOURCE_PATH": "candles", "RINGSIDE_SEED": "3"}
    remember_choices(layout, read_choices(layout, first))
    (layout.root / ".env").write_text(
        "RINGSIDE_SERIES=ETH/USDT\nRINGSIDE_PORTS=mlflow=5100\nAIRFLOW__CORE__PARALLELISM=2\n"
    )
    choices = read_choices(layout, {"RINGSIDE_PORTS": "airflow=8100", "RINGSIDE_SERIES": ""})
    assert choices.variables == {
        "RINGSIDE_SOURCE": "file",
        "RINGSIDE_SOURCE_PATH": str(layout.root / "candles"),
        "RINGSIDE_SERIES": "ETH/USDT",
    }
    assert choices.ports == {**DEFAULT_PORTS, "airflow": 8100}
    assert choices.passed_on == {"AIRFLOW__CORE__PARALLELISM": "2"}


def test_another_source_lets_go_of_the_folder_of_the_last_one(layout):
    file = {"RINGSIDE_SOURCE": "file", "RINGSIDE_SOURCE_PATH": "candles"}
    remember_choices(layout, read_choices(layout, file))
    assert read_choices(layout, {"RINGSIDE_SOURCE": "simulated"}).variables == {
        "RINGSIDE_SOURCE": "simulated"
    }


def test_a_source_is_remembered_only_once_the_stores_have_accepted_it(layout):
    remember_choices(layout, read_choices(layout, {"RINGSIDE_SOURCE": "simulated"}))
    refused = read_choices(layout, {"RINGSIDE_SOURCE": "exchange", "RINGSIDE_PORTS": "mlflow=5100"})
    remember_ports(layout, refused.ports)
    again = read_choices(layout, {})
    assert (again.variables, again.ports["mlflow"]) == ({"RINGSIDE_SOURCE": "simulated"}, 5100)


def test_secrets_are_made_once_private_and_all_different(tmp_path):
    file = tmp_path / "secrets.json"
    made, is_new = read_or_make(file)
    assert is_new
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_or_make(file) == (made, False)
    kept = json.loads(file.read_text())
    assert len(set(kept.values())) == len(kept) == 9
    assert len(made.airflow_jwt_secret) >= 64
    assert not any(secret in repr(made) for secret in kept.values())


def test_damaged_secrets_are_never_replaced(tmp_path):
    file = tmp_path / "secrets.json"
    file.write_text('{"postgres_password": "x"')
    with pytest.raises(LaunchError, match="damaged"):
        read_or_make(file)
    assert file.read_text() == '{"postgres_password": "x"'


def test_a_second_command_is_told_who_is_at_work_and_leaves_it_alone(layout):
    with only_one(layout, "run"):
        with (
            pytest.raises(LaunchError, match=r"`make run`, process \d+, since"),
            only_one(layout, "stop"),
        ):
            pass
        assert "make run" in (layout.run / "lock").read_text()
    with only_one(layout, "stop"):
        pass


def test_a_socket_path_too_long_for_the_kernel_moves_to_the_temp_folder(tmp_path):
    deep = Layout(tmp_path, tmp_path / ("x" * 90), tmp_path)
    assert len(str(deep.supervisor_socket)) < 108
    assert deep.supervisor_socket == Layout(tmp_path, deep.state, tmp_path).supervisor_socket
    other = Layout(tmp_path, tmp_path / ("y" * 90), tmp_path)
    assert deep.supervisor_socket != other.supervisor_socket


def test_the_way_in_parses_on_python_3_4():
    source = (ROOT / "include/ringside_embedded/bootstrap.py").read_text()
    ast.parse(source, feature_version=(3, 4))


@pytest.fixture
def environment(tmp_path):
    """A stand-in for an environment that was made to the end, from two locks."""
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    folder = tmp_path / "platform"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    environments._write_stamp(folder, Environment("platform", ("a.txt", "b.txt")), tmp_path)
    return folder


@pytest.mark.parametrize("locks", [("a.txt",), ("a.txt", "b.txt")])
def test_an_environment_is_whole_for_the_locks_it_was_made_from(environment, locks):
    assert environments.is_whole(environment, Environment("platform", locks), environment.parent)


@pytest.mark.parametrize("harm", ["no stamp", "no python", "other lock", "moved", "cut stamp"])
def test_an_environment_that_was_cut_short_or_has_another_lock_is_not_whole(environment, harm):
    root, folder = environment.parent, environment
    stamp = folder / "ringside-stamp.json"
    if harm == "no stamp":
        stamp.unlink()
    elif harm == "no python":
        (folder / "bin" / "python").unlink()
    elif harm == "other lock":
        (root / "a.txt").write_text("a newer version")
    elif harm == "moved":
        folder = folder.rename(root / "elsewhere")
    else:
        stamp.write_text(stamp.read_text()[:20])
    assert not environments.is_whole(folder, Environment("platform", ("a.txt",)), root)


def test_a_setup_that_fails_says_what_to_do_and_leaves_no_stamp(environment, monkeypatch, tmp_path):
    root = environment.parent
    (root / "a.txt").write_text("a newer version")
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'error: Failed to fetch: https://index/flask'; exit 2\n")
    uv.chmod(0o755)
    with pytest.raises(environments.SetupError, match="registry could not be reached"):
        environments._make(uv, environment, Environment("platform", ("a.txt",)), root)
    assert (
        not environments.is_whole(environment, Environment("platform", ()), root)
        or not (environment / "ringside-stamp.json").exists()
    )


def test_a_disk_too_full_for_setup_is_refused_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("RINGSIDE_ENV_DIR", str(tmp_path / "env"))
    monkeypatch.setattr(environments, "MIN_FREE_GIB", 1e9)
    with pytest.raises(environments.SetupError, match="GiB of free disk"):
        environments.prepare((environments.SERVING,))
    assert [path.name for path in (tmp_path / "env").iterdir()] == ["lock"]


def test_env_example_names_every_setting():
    text = (ROOT / ".env.example").read_text()
    assert [n for n in Settings.model_fields if f"\n#RINGSIDE_{n.upper()}=" not in text] == []


def test_a_secret_that_older_versions_lacked_is_made_and_the_others_stay(tmp_path):
    file = tmp_path / "secrets.json"
    read_or_make(file)
    older = {k: v for k, v in json.loads(file.read_text()).items() if k != "reload_token"}
    file.write_text(json.dumps(older))
    added, is_new = read_or_make(file)
    assert not is_new
    assert {k: v for k, v in vars(added).items() if k in older} == older
    assert json.loads(file.read_text())["reload_token"] == added.reload_token
