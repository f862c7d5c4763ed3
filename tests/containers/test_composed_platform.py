"""The platform's promise in containers: closed doors, a promoted champion, nothing lost.

One composed platform serves all tests, which build on each other from top to bottom.
"""

import json
import threading
import time

import httpx
import pytest

from builders import make_candles, make_predictable_returns, write_candle_file
from containers.composed_stack import ComposedStack

PLANTED = "PLANTED/USDT"
HOURS = 160 * 24
IMAGES = ("airflow", "training", "mlflow", "serving", "postgres", "sentry")
TABLES = ("candles", "forecasts", "scores", "verdicts", "title_history")
COUNT = "SELECT " + ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in TABLES)

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    returns = make_predictable_returns(HOURS, seed=1)
    write_candle_file(make_candles(HOURS, symbol=PLANTED, returns=returns, seed=1), folder)
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(0o644)
    return folder


@pytest.fixture(scope="module")
def stack(data):
    stack = ComposedStack(
        data,
        (PLANTED,),
        RINGSIDE_HORIZONS="1,6",
        RINGSIDE_HISTORY_DAYS="125",
        RINGSIDE_TRAIN_DAYS="60",
        RINGSIDE_RECORD_WEEKS="4",
    )
    try:
        stack.start()
        yield stack
    finally:
        stack.destroy()


def read_champions(stack):
    answer = httpx.get(f"{stack.serving_url}/v1/forecast", params={"symbol": PLANTED}, timeout=20)
    assert answer.status_code == 200, answer.text
    return {f["horizon"]: f["contestant"] for f in answer.json()["forecasts"]}


def wait_champions(stack, expected):
    def has_come():
        try:
            return read_champions(stack) == expected
        except (httpx.TransportError, AssertionError):
            return False

    stack.wait_until(has_come, timeout_s=120)


# ---- what the images and containers are


@pytest.mark.parametrize("name", IMAGES)
def test_image_runs_as_nobody_special_and_carries_no_compiler(stack, name):
    image = f"ringside-{name}:0.1.0"
    script = "id -u; command -v gcc cc g++ make pip uv || true"

    said = stack.run("docker", "run", "--rm", "--network", "none", image, "sh", "-c", script)

    assert said.split() == ["10001"]


def test_serving_image_is_small(stack):
    size = int(stack.run("docker", "image", "inspect", "-f", "{{.Size}}", "ringside-serving:0.1.0"))

    assert size / 2**20 <= 450


def list_processes(stack, names):
    """(container, process id, user id) of every process; a starting one is root's for a moment."""
    listed = {name: stack.run("docker", "top", name, "-eo", "pid,uid") for name in names}
    rows = [(name, *row.split()) for name, text in listed.items() for row in text.splitlines()[1:]]
    return set(rows)


def test_no_process_runs_as_root(stack):
    names = stack.compose("ps", "--format", "{{.Name}}").split()
    first = list_processes(stack, names)
    time.sleep(1)
    lasting = first & list_processes(stack, names)

    assert {name for name, _, _ in lasting} == set(names)
    assert len(names) == 7
    assert {row for row in lasting if row[2] != "10001"} == set()


def test_no_password_shows_in_a_listing_a_layer_or_a_log(stack):
    names = stack.compose("ps", "--all", "--format", "{{.Name}}").split()
    shown = stack.run("docker", "inspect", *names) + stack.compose("config")
    shown += stack.compose("logs", "--no-color")
    for image in IMAGES:
        shown += stack.run("docker", "history", "--no-trunc", f"ringside-{image}:0.1.0")

    assert len(stack.secrets) == 9
    assert [name for name, secret in stack.secrets.items() if secret in shown] == []


def test_only_three_ports_are_published_and_on_the_loopback(stack):
    ports = json.loads(
        "[" + ",".join(stack.compose("ps", "--format", "json").strip().splitlines()) + "]"
    )
    published = {
        (p["URL"], p["PublishedPort"]) for part in ports for p in part["Publishers"] or []
        if p["PublishedPort"]
    }  # fmt: skip

    assert published == {("127.0.0.1", port) for port in stack.ports.values()}


# ---- closed doors

WRITE = """
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from ringside.adapters.database import make_engine
from ringside.settings import Settings
settings = Settings()
{prepare}
for statement in {statements}:
    try:
        with make_engine(settings).begin() as connection:
            connection.execute(text(statement))
        print("done")
    except ProgrammingError as error:
        print(type(error.orig).__name__)
"""


def test_serving_may_read_the_candles_and_write_nothing(stack):
    statements = [
        "SELECT count(*) FROM candles",
        "UPDATE candles SET close = 0",
        "INSERT INTO scores SELECT * FROM scores WHERE false",
        "CREATE TABLE mine ()",
    ]
    said = stack.run_python("serving", WRITE.format(prepare="", statements=statements))

    assert said.split() == ["done"] + ["InsufficientPrivilege"] * 3


def test_training_may_add_to_the_record_and_alter_nothing_published(stack):
    statements = [
        "INSERT INTO scores SELECT * FROM scores WHERE false",
        "DELETE FROM candles",
        "UPDATE forecasts SET q50 = 0",
        "UPDATE title_history SET contestant = 'mine'",
    ]
    change = "{'database_url': settings.training_database_url}"
    prepare = f"settings = settings.model_copy(update={change})"
    said = stack.run_python(
        "airflow-scheduler", WRITE.format(prepare=prepare, statements=statements)
    )

    assert said.split() == ["done"] + ["InsufficientPrivilege"] * 3


REACH = """
import socket
for host, port in {targets}:
    try:
        socket.create_connection((host, port), timeout=3).close()
        print("reached")
    except OSError:
        print("closed")
"""


@pytest.mark.parametrize(
    ("service", "expected"),
    [("serving", "closed"), ("mlflow", "closed"), ("airflow-scheduler", "reached")],
)
def test_only_the_scheduler_reaches_the_socket_filter(stack, service, expected):
    said = stack.run_python(service, REACH.format(targets=[("socket-filter", 2375)]))

    assert said == expected


FORBIDDEN = """
import json
import httpx
client = httpx.Client(base_url="http://socket-filter:2375/v1.41", timeout=20)
good = {
    "Image": "ringside-training:0.1.0", "Cmd": ["id"], "Labels": {"ringside.role": "training"},
    "HostConfig": {
        "NetworkMode": NETWORK, "Memory": 2**28, "NanoCpus": 10**9, "PidsLimit": 32,
        "ReadonlyRootfs": True, "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"],
    },
}
def create(name="ringside-training-probe", host=None, **changes):
    body = {**good, **changes}
    body["HostConfig"] = {**good["HostConfig"], **(host or {})}
    return client.post(f"/containers/create?name={name}", json=body).status_code
answers = {
    "exec": client.post(f"/containers/{SERVING}/exec", json={"Cmd": ["sh"]}).status_code,
    "mount the host": create(host={"Binds": ["/:/host"]}),
    "mount the host anew": create(
        host={"Mounts": [{"Type": "bind", "Source": "/", "Target": "/host"}]}
    ),
    "privileged": create(host={"Privileged": True}),
    "host network": create(host={"NetworkMode": "host"}),
    "host processes": create(host={"PidMode": "host"}),
    "another image": create(Image="ringside-postgres:0.1.0"),
    "as root": create(User="0"),
    "no limit": create(host={"Memory": 0}),
    "another name": create(name="innocent"),
    "pull": client.post("/images/create?fromImage=alpine").status_code,
    "build": client.post("/build", content=b"").status_code,
    "volumes": client.get("/volumes").status_code,
    "logs of serving": client.get(f"/containers/{SERVING}/logs?stdout=1").status_code,
    "logs of a stranger": client.get(f"/containers/{STRANGER}/logs?stdout=1").status_code,
    "kill serving": client.post(f"/containers/{SERVING}/kill").status_code,
    "stop serving": client.post(f"/containers/{SERVING}/stop").status_code,
    "remove serving": client.delete(f"/containers/{SERVING}?force=1").status_code,
    "read files": client.get(f"/containers/{SERVING}/archive?path=/run/secrets").status_code,
    "old protocol": httpx.post(
        f"http://socket-filter:2375/v1.23/containers/{SERVING}/kill?signal=HUP"
    ).status_code,
}
seen = [found["Names"][0] for found in client.get("/containers/json?all=1").json()]
made = client.post("/containers/create?name=ringside-training-probe", json=good)
print(json.dumps({
    "answers": answers, "seen": seen, "made": made.status_code,
    "removed": client.delete("/containers/ringside-training-probe?force=1").status_code,
}))
"""


def test_filter_refuses_everything_but_training_and_the_signal(stack):
    serving = stack.find_containers("serving")[0]
    stranger = stack.compose("ps", "--format", "{{.Name}}", "postgres").strip()
    names = {"SERVING": serving, "STRANGER": stranger, "NETWORK": f"{stack.project}_stores"}
    program = "".join(f"{name} = {value!r}\n" for name, value in names.items()) + FORBIDDEN

    said = json.loads(stack.run_python("airflow-scheduler", program))

    assert {what: code for what, code in said["answers"].items() if code != 403} == {}
    assert said["seen"] == [f"/{serving}"]
    assert (said["made"], said["removed"]) == (201, 204)


# ---- from nothing to a promoted champion


def test_history_is_ingested_audited_and_published(stack):
    state, tasks = stack.trigger("ingest_candles")

    assert (state, set(tasks.values())) == ("success", {"success"})
    assert stack.query("SELECT count(*) FROM candles")[0][0] >= 125 * 24


def test_training_runs_in_a_container_that_is_gone_afterwards(stack):
    seen, is_over = set(), threading.Event()

    def watch():
        while not is_over.is_set():
            seen.update(stack.find_containers("training"))
            time.sleep(0.3)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        state, _ = stack.trigger("train_challenger")
    finally:
        is_over.set()
        watcher.join(30)

    assert state == "success"
    assert len(seen) == 2  # train and record
    assert stack.find_containers("training") == []
    wait_champions(stack, {1: "persistence", 6: "persistence"})


def test_better_challenger_reaches_callers_without_a_failed_request(stack):
    with stack.steady_traffic(PLANTED) as traffic:
        state, tasks = stack.trigger("decide_title")
        time.sleep(1)

    assert (state, tasks["promote_challenger"], tasks["record_title"]) == ("success",) * 3
    assert traffic.failures == []
    assert traffic.versions[0] != traffic.versions[-1]
    assert read_champions(stack) == {1: "xgboost", 6: "xgboost"}


RELOAD = """
from ringside.adapters.serving import make_reloader
from ringside.settings import Settings
make_reloader(Settings()).reload()
"""


def read_generation(port):
    answer = httpx.get(f"http://127.0.0.1:{port}/v1/model", timeout=20).json()
    return {worker["generation"] for worker in answer["workers"]}


def test_second_serving_replica_is_signalled_too(stack):
    first = stack.ports["serving"]
    stack.environment["RINGSIDE_SERVING_PORT"] = f"{first}-{first + 3}"
    stack.compose("up", "--detach", "--wait", "--no-build", "--scale", "serving=2")
    try:
        inspected = json.loads(stack.run("docker", "inspect", *stack.find_containers("serving")))
        ports = [int(c["NetworkSettings"]["Ports"]["8000/tcp"][0]["HostPort"]) for c in inspected]
        before = [read_generation(port) for port in ports]

        stack.run_python("airflow-scheduler", RELOAD)

        assert len(ports) == 2
        assert before == [{1}, {1}]
        stack.wait_until(lambda: [read_generation(p) for p in ports] == [{2}, {2}], timeout_s=30)
    finally:
        stack.environment["RINGSIDE_SERVING_PORT"] = str(first)
        stack.compose("up", "--detach", "--wait", "--no-build")


# ---- nothing is lost


def test_platform_goes_on_after_its_containers_were_killed(stack):
    before = stack.query(COUNT)
    stack.compose("kill", "airflow-scheduler", "serving", "postgres")
    stack.start()

    wait_champions(stack, {1: "xgboost", 6: "xgboost"})
    assert stack.query(COUNT) == before
    assert stack.trigger("issue_forecasts")[0] == "success"


def test_down_and_up_again_keeps_all_data(stack):
    before, secrets = stack.query(COUNT), stack.secrets
    stack.stop()

    assert stack.run("docker", "ps", "--all", "--quiet", "--filter",
                     f"label=com.docker.compose.project={stack.project}") == ""  # fmt: skip
    said = stack.start()

    wait_champions(stack, {1: "xgboost", 6: "xgboost"})
    assert stack.query(COUNT) == before
    assert stack.secrets == secrets
    assert secrets["airflow_admin_password"] not in said


def test_a_wrong_secret_is_named_before_anything_starts(stack):
    stack.stop()
    volume = f"{stack.project}_credentials:/kept"
    damage = "import pathlib; pathlib.Path('/kept/credentials.json').write_text('{')"
    stack.run("docker", "run", "--rm", "--volume", volume, "ringside-sentry:0.1.0",
              "python3", "-c", damage)  # fmt: skip

    with pytest.raises(AssertionError, match="kept secrets are damaged"):
        stack.start()

    assert stack.compose("ps", "--quiet") == ""
