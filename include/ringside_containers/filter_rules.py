"""What may be asked of the Docker engine: a closed list. Pure: the filter asks the engine itself.

Two kinds of containers are ours, told by their labels: `training`, which may be created within
bounds and then followed and removed, and `serving`, which may be signalled. All else is refused.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode

ROLE, PROJECT = "ringside.role", "ringside.project"
NAME_PREFIX = "ringside-training-"
_ID = "[a-zA-Z0-9][a-zA-Z0-9_.-]*"
_IMAGE = re.compile(r"GET /images/([a-zA-Z0-9][a-zA-Z0-9_./:@-]*)/json")
_CONTAINER = re.compile(rf"(GET|POST|DELETE) /containers/({_ID})(?:/([a-z]+))?")
_PLAIN = {"GET /_ping", "HEAD /_ping", "GET /version"}
# Before 1.40 a start could still carry mounts of its own.
_VERSIONED = re.compile(r"/v1\.(4[0-9]|[5-9][0-9])(/.*)")
_TRAINING_CALLS = {
    ("GET", "json"), ("GET", "logs"), ("POST", "attach"), ("POST", "start"), ("POST", "wait"),
    ("POST", "stop"), ("POST", "kill"), ("DELETE", ""),
}  # fmt: skip
_CREATE_KEYS = {
    "Image", "Cmd", "Env", "Labels", "HostConfig", "NetworkingConfig", "NetworkDisabled", "Tty",
    "OpenStdin", "StdinOnce", "AttachStdin", "AttachStdout", "AttachStderr", "Hostname",
    "WorkingDir", "StopTimeout", "StopSignal",
}  # fmt: skip
_HOST_KEYS = {
    "Memory", "MemorySwap", "NanoCpus", "CpuShares", "PidsLimit", "ReadonlyRootfs", "Tmpfs",
    "CapDrop", "SecurityOpt", "NetworkMode", "Init", "ShmSize", "LogConfig", "AutoRemove",
}  # fmt: skip


class RefusedError(Exception):
    """The request is not on the list; the message says why."""


@dataclass(frozen=True)
class Request:
    """One request as it came: path without its query, both still encoded."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""


@dataclass(frozen=True)
class Bounds:
    """What this platform's training containers look like. `image_id` is what the tag means now.

    `serving` is tag and id of the service's image: new challengers are examined in a container of
    it, with the bounds and the label of a training.
    """

    project: str
    image: str
    image_id: str
    network: str
    serving: frozenset[str] = frozenset()

    @property
    def images(self) -> frozenset[str]:
        """Every name of an image that may be run."""
        return self.serving | {self.image, self.image_id}


@dataclass(frozen=True)
class ContainerCall:
    """A call on one container; whose it is decides whether it may be made."""

    reference: str
    action: str


def find_container_call(request: Request) -> ContainerCall | None:
    """Find which container a request is about; None when it is about none."""
    _, bare = _split_version(request.path)
    match = _CONTAINER.fullmatch(f"{request.method} {bare}")
    if match is None or match[2] in {"create", "json", "prune"}:
        return None
    return ContainerCall(match[2], match[3] or "")


def admit_general(request: Request, bounds: Bounds) -> Request:
    """Admit a request about no single container, narrowed to what is ours.

    Raises:
        RefusedError: it is not on the list.
    """
    version, bare = _split_version(request.path)
    asked = f"{request.method} {bare}"
    if asked in _PLAIN:
        return Request(request.method, request.path)
    image = _IMAGE.fullmatch(asked)
    if image is not None and image[1] in bounds.images:
        return Request(request.method, request.path)
    if asked == "GET /containers/json":
        return Request("GET", request.path, _narrow_list(request.query, bounds))
    if asked == "POST /containers/create":
        return Request(
            "POST", f"{version}/containers/create", _narrow_name(request.query),
            _bound_container(request.body, bounds),
        )  # fmt: skip
    raise RefusedError(f"{asked} is not allowed")


def admit_container(
    request: Request, call: ContainerCall, labels: Mapping[str, str], bounds: Bounds
) -> Request:
    """Admit a call on a container with these labels; bodies are dropped.

    Raises:
        RefusedError: the container is not ours, or its role does not allow the call.
    """
    if labels.get(PROJECT) != bounds.project:
        raise RefusedError("the container is none of this platform")
    role = labels.get(ROLE)
    asked = (request.method, call.action)
    is_hangup = asked == ("POST", "kill") and request.query in {"signal=HUP", "signal=SIGHUP"}
    allowed = (role == "training" and asked in _TRAINING_CALLS) or (
        role == "serving" and (asked == ("GET", "json") or is_hangup)
    )
    if not allowed:
        raise RefusedError(f"{request.method} {call.action or 'remove'} of a {role} container")
    return Request(request.method, request.path, request.query)


def _split_version(path: str) -> tuple[str, str]:
    match = _VERSIONED.fullmatch(path)
    if match is not None:
        return path[: -len(match[2])], match[2]
    if path.startswith("/v"):
        return "", path if path == "/version" else "/not-allowed"
    return "", path


def _narrow_list(query: str, bounds: Bounds) -> str:
    """Keep what was asked for, and only this platform's containers."""
    asked = parse_qs(query)
    try:
        filters = json.loads(asked.get("filters", ["{}"])[0])
        labels = filters.get("label", [])
        labels = [name for name, wanted in labels.items() if wanted] if _is_map(labels) else labels
        kept = [*map(str, labels), f"{PROJECT}={bounds.project}"]
    except (ValueError, AttributeError, TypeError) as error:
        raise RefusedError("the filters are not understood") from error
    narrowed = {"filters": json.dumps({"label": kept})}
    if asked.get("all", ["0"])[0].lower() in {"1", "true"}:
        narrowed["all"] = "1"
    return urlencode(narrowed)


def _narrow_name(query: str) -> str:
    name = parse_qs(query).get("name", [""])[0]
    if not re.fullmatch(f"{NAME_PREFIX}{_ID}", name):
        raise RefusedError(f"a container's name must begin with {NAME_PREFIX}")
    return urlencode({"name": name})


def _bound_container(body: bytes, bounds: Bounds) -> bytes:
    """Check a container that shall be created, and mark it as this platform's."""
    try:
        content = json.loads(body)
        host = dict(content["HostConfig"])
        labels = dict(content["Labels"])
        networks = (content.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError("the container's description is not understood") from error
    _require_known("", content, _CREATE_KEYS)
    _require_known("HostConfig.", host, _HOST_KEYS)
    checks = {
        f"the image must be {bounds.image}": content.get("Image") in bounds.images,
        f"the network must be {bounds.network}": host.get("NetworkMode") == bounds.network
        and set(networks) <= {bounds.network},
        f"the label {ROLE}=training is missing": labels.get(ROLE) == "training",
        "memory must be limited": _is_positive(host.get("Memory")),
        "CPU must be limited": _is_positive(host.get("NanoCpus")),
        "processes must be limited": _is_positive(host.get("PidsLimit")),
        "the root must be read-only": host.get("ReadonlyRootfs") is True,
        "all capabilities must be dropped": host.get("CapDrop") == ["ALL"],
        "privileges must not grow": host.get("SecurityOpt")
        in (["no-new-privileges"], ["no-new-privileges:true"]),
        "the log must be the engine's own": _is_plain_log(host.get("LogConfig")),
    }
    broken = [law for law, holds in checks.items() if not holds]
    if broken:
        raise RefusedError("; ".join(broken))
    content["Labels"] = labels | {PROJECT: bounds.project}
    return json.dumps(content).encode()


def _require_known(prefix: str, content: Mapping[str, Any], known: set[str]) -> None:
    """Refuse what is not on the list, unless it says nothing.

    The engine reads keys whatever their case, so an unusual spelling counts as another key.
    """
    unknown = sorted(f"{prefix}{k}" for k, v in content.items() if k not in known and v)
    if unknown:
        raise RefusedError(f"not allowed in a container: {', '.join(unknown)}")
    folded = [key.lower() for key in content]
    if len(folded) != len(set(folded)):
        raise RefusedError("a key of the container's description comes twice")


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and value > 0


def _is_map(value: object) -> bool:
    return isinstance(value, dict)


def _is_plain_log(config: object) -> bool:
    if not config:
        return True
    if not isinstance(config, dict):
        return False
    options = set(config.get("Config") or {})
    return config.get("Type") in {"", None, "json-file", "local"} and options <= {
        "max-size",
        "max-file",
    }
