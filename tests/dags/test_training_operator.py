"""TrainingOperator in both of its ways: a real child process, a container of a stand-in engine."""

import gc
import os
import re
import threading
import warnings

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from docker_engine import running_engine
from ringside.cli import EXIT_PERMANENT, EXIT_RETRYABLE
from ringside_airflow.operators import AskHumanOperator, TrainingOperator

pytestmark = pytest.mark.usefixtures("database_connection", "no_chosen_settings")


@pytest.fixture
def command_line(tmp_path, monkeypatch):
    """Let `python -m ringside.cli` be a script of the test's own."""

    def write(script):
        package = tmp_path / "ringside"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "cli.py").write_text(f"import os, sys, time\n{script}\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return tmp_path

    return write


def make_operator(**arguments):
    return TrainingOperator(task_id="train", command=["train", "--series", "BTC/USDT"], **arguments)


def run_aside(operator):
    """Run a task in a thread; return the thread and the list that its error will be in."""
    errors = []

    def run():
        try:
            operator.execute({})
        except AirflowException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, errors


def test_process_gets_the_command_and_the_connections_database(command_line, task_log, monkeypatch):
    command_line("print(sys.argv[1:], os.environ['RINGSIDE_DATABASE_URL'], os.getcwd())")
    monkeypatch.chdir("/")
    make_operator().execute({})
    url = "postgresql+psycopg://ringside:s3cret@127.0.0.1:9/ringside"
    task_log.wait_for(re.escape(f"['train', '--series', 'BTC/USDT'] {url} /"))


def test_process_lines_reach_the_log_while_it_runs(command_line, task_log, monkeypatch):
    folder = command_line(
        "print('first')\n"
        "for _ in range(1000):\n"
        "    if os.path.exists('go'): break\n"
        "    time.sleep(.02)\n"
        "print('second', file=sys.stderr)"
    )
    monkeypatch.chdir(folder)
    thread, errors = run_aside(make_operator())
    task_log.wait_for("first")
    assert "second" not in task_log.read()
    (folder / "go").touch()
    thread.join(10)
    assert errors == []
    task_log.wait_for("second")


@pytest.mark.parametrize(
    ("code", "retries"), [(EXIT_PERMANENT, False), (2, False), (EXIT_RETRYABLE, True), (1, True)]
)
def test_exit_code_of_the_process_decides_on_retries(command_line, code, retries):
    command_line(f"sys.exit({code})")
    with pytest.raises(AirflowException, match=f"exit code {code}") as raised:
        make_operator().execute({})
    assert isinstance(raised.value, AirflowFailException) != retries


def test_killed_task_takes_its_process_along(command_line, task_log):
    command_line("print('pid', os.getpid())\ntime.sleep(40)")
    operator = make_operator()
    thread, errors = run_aside(operator)
    child = int(task_log.wait_for(r"pid (\d+) ").group(1))
    operator.on_kill()
    thread.join(10)
    assert "exit code -15" in str(errors[0])
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_kill_before_the_process_started_and_after_it_ended_is_harmless(command_line):
    command_line("pass")
    operator = make_operator()
    operator.on_kill()
    operator.execute({})
    operator.on_kill()


class Instance:
    dag_id, run_id, task_id, map_index = "train_challenger", "manual__1", "enter.train", 2


OWNER = {
    "ringside.role": "training",
    "ringside.project": "ringside",
    "ringside.dag": "train_challenger",
    "ringside.run": "manual__1",
    "ringside.task": "enter.train",
    "ringside.map_index": "2",
}
URL = "postgresql+psycopg://ringside:s3cret@127.0.0.1:9/ringside"


def run_in_container(monkeypatch, operator, *, exit_code=0, planned=None, **chosen):
    with running_engine(("fitted",), exit_code, **(planned or {})) as engine:
        monkeypatch.setenv("RINGSIDE_TRAINING_RUNNER", "docker")
        monkeypatch.setenv("RINGSIDE_DOCKER_URL", engine.url)
        for name, value in chosen.items():
            monkeypatch.setenv(f"RINGSIDE_{name.upper()}", value)
        try:
            operator.execute({"ti": Instance})
        finally:
            operator.hook.api_client.close()
            with warnings.catch_warnings(action="ignore", category=ResourceWarning):
                gc.collect()  # the docker client leaves its streaming sockets to the collector
    return engine


def test_container_is_bounded_removed_and_gets_the_same_command(monkeypatch, task_log):
    engine = run_in_container(
        monkeypatch,
        make_operator(),
        planned={"images": ("ringside-training:9",)},
        training_image="ringside-training:9",
        training_network="inner",
        training_memory_mib="700",
        horizons="1,6",
        seed="4",
    )
    (asked,) = engine.created
    assert asked["Image"] == "sha256:1"
    assert re.fullmatch(r"ringside-training-enter\.train-[0-9a-f]{8}", asked["Name"])
    command = ["ringside", "--database-url-from-stdin", "train", "--series", "BTC/USDT"]
    assert asked["Cmd"] == command
    assert sorted(asked["Env"]) == [
        "HOME=/tmp",
        "MPLCONFIGDIR=/tmp",
        "OMP_NUM_THREADS=1",
        "OMP_WAIT_POLICY=PASSIVE",
        "RINGSIDE_HORIZONS=1,6",
        "RINGSIDE_IMAGE_ID=sha256:1",
        "RINGSIDE_SEED=4",
        "RINGSIDE_STATE_DIR=/tmp/ringside",
    ]
    assert asked["Labels"] == OWNER
    host = asked["HostConfig"]
    assert (host["Memory"], host["MemorySwap"]) == (700 * 2**20, 700 * 2**20)
    assert (host["NanoCpus"], host["NetworkMode"], host["PidsLimit"]) == (10**9, "inner", 256)
    assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert not host.get("Binds")
    assert not host.get("Mounts")
    assert not host.get("Privileged")
    assert engine.removed == ["c1"]
    task_log.wait_for("fitted")


@pytest.mark.parametrize("training_url", ["", "postgresql+psycopg://training:other@db/ringside"])
def test_database_url_goes_in_on_stdin_and_nowhere_else(monkeypatch, task_log, training_url):
    chosen = {"training_database_url": training_url} if training_url else {}
    engine = run_in_container(monkeypatch, make_operator(), **chosen)
    assert engine.stdin == [f"{training_url or URL}\n"]
    for secret in ("s3cret", "other@"):
        assert secret not in str(engine.created) + task_log.read()


def test_containers_of_a_killed_try_go_before_the_next_one_starts(monkeypatch):
    engine = run_in_container(monkeypatch, make_operator(), planned={"containers": ("c7", "c8")})
    assert engine.removed == ["c7", "c8", "c1"]
    assert engine.filters == [{"label": [f"{name}={value}" for name, value in OWNER.items()]}]


def test_image_that_the_engine_lacks_fails_at_once_and_says_what_to_do(monkeypatch):
    with pytest.raises(AirflowFailException, match=r"no image ringside-training:0.1.0.*`make up`"):
        run_in_container(monkeypatch, make_operator(), planned={"images": ()})


def test_nothing_secret_is_rendered(monkeypatch):
    operator = make_operator()
    run_in_container(monkeypatch, operator)
    rendered = {name: getattr(operator, name) for name in operator.template_fields}
    assert rendered == {"command": ["train", "--series", "BTC/USDT"]}


@pytest.mark.parametrize(
    ("code", "retries"), [(EXIT_PERMANENT, False), (EXIT_RETRYABLE, True), (137, True)]
)
def test_exit_code_of_the_container_decides_on_retries(monkeypatch, code, retries):
    with pytest.raises(AirflowException, match=f"exit code {code}") as raised:
        run_in_container(monkeypatch, make_operator(), exit_code=code)
    assert isinstance(raised.value, AirflowFailException) != retries


def test_chunks_that_end_anywhere_become_whole_lines():
    from ringside_airflow.training_container import split_lines

    chunks = [b"on", b"e\r\ntw", b"o\n\nthr", "é".encode()[:1], "é".encode()[1:]]
    assert list(split_lines(chunks)) == ["one", "two", "", "thré"]


def test_a_person_is_waited_for_as_long_as_the_setting_says(monkeypatch):
    from airflow.providers.standard.operators import hitl
    from airflow.sdk.exceptions import TaskAwaitingInput

    class Running:
        id = "an_id"

    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **detail: None)
    monkeypatch.setenv("RINGSIDE_ASK_TIMEOUT_MINUTES", "7")
    operator = AskHumanOperator(task_id="ask_human", subject="?", body="!")
    with pytest.raises(TaskAwaitingInput) as waiting:
        operator.execute({"task_instance": Running()})
    assert waiting.value.timeout.total_seconds() == 7 * 60
    assert operator.defaults == [operator.REJECT]
