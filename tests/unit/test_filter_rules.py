"""What the socket filter lets through, and that each law of a training container can refuse."""

import copy
import json
from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from ringside_containers.filter_rules import (
    Bounds,
    ContainerCall,
    RefusedError,
    Request,
    admit_container,
    admit_general,
    find_container_call,
)

BOUNDS = Bounds("ring", "ringside-training:0.1.0", "sha256:1", "ring_stores")
GOOD = {
    "Image": "sha256:1",
    "Cmd": ["ringside", "train"],
    "Env": ["A=b"],
    "Labels": {"ringside.role": "training"},
    "User": None,
    "Volumes": {},
    "HostConfig": {
        "NetworkMode": "ring_stores",
        "Memory": 2**31,
        "MemorySwap": 2**31,
        "NanoCpus": 10**9,
        "PidsLimit": 256,
        "ReadonlyRootfs": True,
        "Tmpfs": {"/scratch": "size=1m"},
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Init": True,
        "Privileged": False,
        "LogConfig": {"Type": "", "Config": {}},
    },
}


def create(content, name="ringside-training-train-1"):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    request = Request("POST", "/v1.41/containers/create", f"name={name}", body)
    return admit_general(request, BOUNDS)


def test_bounded_training_container_passes_marked_as_this_platforms():
    admitted = create(GOOD)

    marked = {**GOOD, "Labels": {"ringside.role": "training", "ringside.project": "ring"}}
    assert json.loads(admitted.body) == marked
    assert admitted.query == "name=ringside-training-train-1"


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ("", "Image", "ringside-postgres:0.1.0"),
        ("", "User", "0"),
        ("", "Entrypoint", ["sh"]),
        ("", "Volumes", {"/x": {}}),
        ("", "Labels", {}),
        ("", "hostconfig", {"Privileged": True}),
        ("", "NetworkingConfig", {"EndpointsConfig": {"other": {}}}),
        ("HostConfig", "Binds", ["/:/host"]),
        ("HostConfig", "Mounts", [{"Type": "bind", "Source": "/", "Target": "/h"}]),
        ("HostConfig", "VolumesFrom", ["other"]),
        ("HostConfig", "Privileged", True),
        ("HostConfig", "privileged", True),
        ("HostConfig", "PidMode", "host"),
        ("HostConfig", "Devices", [{"PathOnHost": "/dev/sda"}]),
        ("HostConfig", "CapAdd", ["SYS_ADMIN"]),
        ("HostConfig", "CapDrop", []),
        ("HostConfig", "SecurityOpt", ["seccomp=unconfined"]),
        ("HostConfig", "NetworkMode", "host"),
        ("HostConfig", "Memory", 0),
        ("HostConfig", "NanoCpus", None),
        ("HostConfig", "PidsLimit", -1),
        ("HostConfig", "ReadonlyRootfs", False),
        ("HostConfig", "LogConfig", {"Type": "syslog"}),
        ("HostConfig", "PortBindings", {"80/tcp": [{}]}),
    ],
)
def test_each_step_out_of_bounds_is_refused(place, key, value):
    content = copy.deepcopy(GOOD)
    (content[place] if place else content)[key] = value

    with pytest.raises(RefusedError):
        create(content)


@pytest.mark.parametrize("image", ["ringside-serving:0.1.0", "sha256:2"])
def test_the_service_s_own_image_may_be_run_within_the_same_bounds(image):
    """New challengers are examined in it."""
    bounds = replace(BOUNDS, serving=frozenset({"ringside-serving:0.1.0", "sha256:2"}))
    content = copy.deepcopy(GOOD) | {"Image": image}
    with pytest.raises(RefusedError, match="image must be"):
        create(content)
    asked = Request(
        "POST",
        "/v1.41/containers/create",
        "name=ringside-training-examine-1",
        json.dumps(content).encode(),
    )
    assert json.loads(admit_general(asked, bounds).body)["Image"] == image
    content["HostConfig"]["Memory"] = 0
    with pytest.raises(RefusedError, match="memory"):
        admit_general(replace(asked, body=json.dumps(content).encode()), bounds)


@pytest.mark.parametrize("name", ["innocent", "", "ringside-training-", "ringside-training-../x"])
def test_container_must_have_a_name_of_trainings(name):
    with pytest.raises(RefusedError):
        create(GOOD, name)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"Image": 1}', b'{"HostConfig": 3}'])
def test_nonsense_is_refused_and_not_raised(body):
    with pytest.raises(RefusedError):
        create(body)


@pytest.mark.parametrize(
    "asked",
    [
        "POST /v1.41/images/create", "POST /build", "GET /volumes", "POST /volumes/create",
        "GET /images/json", "GET /images/postgres/json", "POST /exec/1/start", "GET /info",
        "GET /events", "POST /containers/prune", "GET /v1.23/version", "GET /vx/_ping",
        "POST /networks/create", "GET /secrets", "POST /_ping", "GET //containers/json",
    ],
)  # fmt: skip
def test_what_is_not_on_the_list_is_refused(asked):
    method, path = asked.split(" ")

    with pytest.raises(RefusedError):
        admit_general(Request(method, path), BOUNDS)


@pytest.mark.parametrize(
    "asked", ["GET /_ping", "GET /version", "GET /v1.41/images/ringside-training:0.1.0/json"]
)
def test_harmless_questions_pass_without_their_query(asked):
    method, path = asked.split(" ")

    assert admit_general(Request(method, path, "x=1"), BOUNDS) == Request(method, path)


def test_listing_shows_only_this_platforms_containers():
    query = 'all=1&size=1&filters={"label":["ringside.role=training"],"name":["x"]}'
    narrowed = admit_general(Request("GET", "/v1.41/containers/json", query), BOUNDS)

    asked = parse_qs(narrowed.query)
    assert set(asked) == {"all", "filters"}
    labels = {"label": ["ringside.role=training", "ringside.project=ring"]}
    assert json.loads(asked["filters"][0]) == labels


OURS = {"ringside.project": "ring"}


@pytest.mark.parametrize(
    ("asked", "query", "labels", "passes"),
    [
        ("POST start", "", OURS | {"ringside.role": "training"}, True),
        ("GET logs", "follow=1", OURS | {"ringside.role": "training"}, True),
        ("DELETE ", "force=1", OURS | {"ringside.role": "training"}, True),
        ("POST exec", "", OURS | {"ringside.role": "training"}, False),
        ("GET archive", "path=/", OURS | {"ringside.role": "training"}, False),
        ("POST kill", "signal=HUP", OURS | {"ringside.role": "serving"}, True),
        ("POST kill", "signal=SIGHUP", OURS | {"ringside.role": "serving"}, True),
        ("POST kill", "", OURS | {"ringside.role": "serving"}, False),
        ("POST kill", "signal=KILL", OURS | {"ringside.role": "serving"}, False),
        ("POST kill", "signal=HUP&signal=KILL", OURS | {"ringside.role": "serving"}, False),
        ("GET logs", "", OURS | {"ringside.role": "serving"}, False),
        ("GET json", "", OURS | {"ringside.role": "serving"}, True),
        ("GET json", "", OURS, False),
        ("GET json", "", {"ringside.role": "training"}, False),
        ("GET json", "", {"ringside.role": "training", "ringside.project": "other"}, False),
    ],
)
def test_whose_container_it_is_decides_what_may_be_asked(asked, query, labels, passes):
    method, action = asked.split(" ")
    path = f"/v1.41/containers/c1/{action}".rstrip("/")
    request = Request(method, path, query, b'{"Binds": ["/:/host"]}')
    call = find_container_call(request)

    assert call == ContainerCall("c1", action)
    if passes:
        admitted = admit_container(request, call, labels, BOUNDS)
        assert (admitted.query, admitted.body) == (query, b"")
    else:
        with pytest.raises(RefusedError):
            admit_container(request, call, labels, BOUNDS)
