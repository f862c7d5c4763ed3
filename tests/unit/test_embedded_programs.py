"""What is told to supervisord: read back by its own reader, with words that could mislead it."""

import json
import os
import shlex
import subprocess
import sys

import pytest
from supervisor.options import ServerOptions

from ringside.settings import Settings
from ringside_embedded.airflow_api import _to_line
from ringside_embedded.choices import Choices
from ringside_embedded.credentials import _make
from ringside_embedded.environments import ROOT
from ringside_embedded.failures import LaunchError
from ringside_embedded.layout import Layout
from ringside_embedded.ports import DEFAULT_PORTS
from ringside_embedded.programs import (
    START_ORDER,
    STOP_ORDER,
    Platform,
    Program,
    list_programs,
    make_base_environment,
)
from ringside_embedded.supervisor_config import render_files


@pytest.fixture
def layout(tmp_path):
    """A layout in a folder whose name has everything that a config file may trip over."""
    layout = Layout(ROOT, tmp_path / 'a %(b)s "c, d=e', tmp_path)
    layout.make_folders()
    return layout


@pytest.fixture
def platform(layout):
    return Platform(layout, Choices(dict(DEFAULT_PORTS), {"RINGSIDE_SEED": "3"}, {}), _make())


def read_back(layout, programs):
    files = render_files(layout, programs)
    layout.supervisor_config.write_text(files.config)
    layout.programs_file.write_text(files.programs)
    options = ServerOptions()
    options.realize(["-c", str(layout.supervisor_config)])
    return options, {
        group.name: group.process_configs[0] for group in options.process_group_configs
    }


def test_what_supervisord_starts_becomes_the_program_with_the_words_that_were_meant(layout):
    odd = "x %(y)s \"z\" \\ ;#, ='q' $HOME"
    show = "import os, sys, json; print(json.dumps([sys.argv[1:], os.environ['ODD']]))"
    program = Program("odd", [sys.executable, "-c", show, odd, ""], {"ODD": odd})
    options, read = read_back(layout, [program])
    words = shlex.split(read["odd"].command)
    assert words[0] == layout.platform_program("python")
    done = subprocess.run([sys.executable, *words[1:]], capture_output=True, check=True, cwd=ROOT,
                          env={"PYTHONPATH": "include"}, start_new_session=True)  # fmt: skip
    assert json.loads(done.stdout) == [[odd, ""], odd]
    assert read["odd"].stdout_logfile == str(layout.log_of("odd"))
    assert (options.pidfile, options.directory) == (str(layout.supervisor_pid_file), str(ROOT))


def test_another_setting_another_word_or_other_code_is_another_configuration(layout):
    def render(**variables):
        return render_files(layout, [Program("p", ["x"], variables)]).config

    stamp = layout.environments / "platform" / "ringside-stamp.json"
    first = render(A="1")
    assert render(A="1") == first
    assert render(A="2") != first
    stamp.parent.mkdir()
    stamp.write_text("{}")
    assert render(A="1") != first


def test_nothing_starts_by_itself_and_everything_comes_back(platform):
    _, read = read_back(platform.layout, list_programs(platform))
    assert set(read) == set(START_ORDER) == set().union(*STOP_ORDER)
    assert {(config.autostart, bool(config.autorestart)) for config in read.values()} == {
        (False, True)
    }


def test_no_secret_is_on_a_command_line(platform):
    secrets = list(vars(platform.credentials).values())
    commands = [word for program in list_programs(platform) for word in program.command]
    assert [word for word in commands if any(secret in word for secret in secrets)] == []
    assert not any(secret in repr(list_programs(platform)) for secret in secrets)


def test_settings_of_the_processes_are_those_of_the_platform(platform, monkeypatch):
    variables = next(p for p in list_programs(platform) if p.name == "scheduler").variables
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.seed == 3
    assert settings.serving_url == f"http://127.0.0.1:{DEFAULT_PORTS['serving']}"
    assert settings.state_dir == platform.layout.state


def test_processes_do_not_inherit_what_would_mislead_them(layout, monkeypatch):
    for name in ("AIRFLOW__CORE__EXECUTOR", "MLFLOW_TRACKING_URI", "PYTHONDONTWRITEBYTECODE",
                 "RINGSIDE_DATABASE_URL", "VIRTUAL_ENV", "MAKEFLAGS"):  # fmt: skip
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("LANG", "C.UTF-8")
    made = make_base_environment(layout)
    assert "x" not in made.values()
    assert made["LANG"] == "C.UTF-8"
    assert made["PATH"].split(os.pathsep)[0].startswith(str(layout.environments))


def test_a_failure_carries_the_end_of_its_log(tmp_path):
    log = tmp_path / "log"
    log.write_text("\n".join(map(str, range(100_000))))
    assert LaunchError("x", "y", log).log_end() == [str(n) for n in range(99_988, 100_000)]
    assert LaunchError("x", "y", tmp_path / "absent", said=["z"]).log_end() == ["z"]


def test_a_task_log_line_shows_the_text_of_its_error():
    entry = {"event": "Task failed", "error_detail": [{"exc_type": "A", "exc_value": "b"}]}
    assert _to_line(entry) == "Task failed\nA: b"
