"""The composed platform's images and closed doors: users, passwords, ports, rights, the filter."""

import json
import time

import pytest

pytestmark = pytest.mark.containers

IMAGES = ("airflow", "training", "mlflow", "serving", "postgres", "sentry")


# ---- what the images and containers are


@pytest.mark.parametrize("name", IMAGES)
def test_image_runs_as_nobody_special_and_carries_no_compiler(stack, name):
    image = f"ringside-{name}:0.1.0"
    script = "id -u; command -v gcc cc g++ make pip uv || true"

    said = stack.run("docker", "run", "--rm", "--network", "none", image, "sh", "-c", script)

    assert said.split() == ["10001"]


@pytest.mark.parametrize("name", IMAGES)
def test_image_carries_no_program_that_gives_rights(stack, name):
    find = ("find", "/", "-xdev", "-type", "f", "-perm", "/6000")
    alone = ("docker", "run", "--rm", "--network", "none", "--user", "root")

    assert stack.run(*alone, f"ringside-{name}:0.1.0", *find) == ""


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
    assert len(names) == (10 if stack.has_workers else 7)
    assert {row for row in lasting if row[2] != "10001"} == set()


def test_no_password_shows_in_a_listing_a_layer_or_a_log(stack):
    names = stack.compose("ps", "--all", "--format", "{{.Name}}").split()
    shown = stack.run("docker", "inspect", *names) + stack.compose("config")
    shown += stack.compose("logs", "--no-color")
    for image in IMAGES:
        shown += stack.run("docker", "history", "--no-trunc", f"ringside-{image}:0.1.0")

    assert len(stack.secrets) == 10
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
