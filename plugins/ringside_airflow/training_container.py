"""The training container: bounded, fed its secret on stdin, followed line by line, removed."""

import contextlib
import logging
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus

from docker import APIClient
from docker.errors import APIError, ImageNotFound, NotFound
from requests.exceptions import ReadTimeout

from ringside_airflow.training_work import MEMORY, Work

IMAGE_VARIABLE = "RINGSIDE_IMAGE_ID"
"""Tells the process which image it runs in; it puts that on the record of a training."""

ROLE_LABEL = "ringside.role=training"
STOP_WAIT_S = 3
"""Less than the 5 s that Airflow gives a task to end before it kills it outright."""
_PROCESSES = 256
_WAIT_S = 15
_NO_RIGHTS = {"cap_drop": ["ALL"], "security_opt": ["no-new-privileges"]}


class TrainingContainer:
    """One container of one try of a task.

    The image is resolved to its id first, so that what is logged is what runs. The root file
    system is read-only, `/tmp` is memory, nothing is mounted. Secrets go in as the first line of
    stdin: neither `docker inspect` nor `/proc` ever shows them.
    """

    def __init__(self, engine: APIClient, log: logging.Logger) -> None:
        self._engine = engine
        self._log = log
        self.id = ""

    def create(self, work: Work, network: str) -> None:
        """Remove what an earlier try of the same task left, and create the container.

        An empty `network` is the engine's default.

        Raises:
            ImageNotFound: the engine has no such image; it is never pulled.
        """
        remove_orphans(self._engine, work.owner, self._log)
        image_id = self._engine.inspect_image(work.image)["Id"]
        bounds = work.bounds
        host = self._engine.create_host_config(
            read_only=True,
            tmpfs={MEMORY: f"size={bounds.temporary_mib}m,mode=1777"},
            mem_limit=f"{bounds.memory_mib}m",
            memswap_limit=f"{bounds.memory_mib}m",
            nano_cpus=round(bounds.cpus * 1e9),
            pids_limit=_PROCESSES,
            network_mode=network or None,
            init=True,  # else the first process would ignore SIGTERM
            **_NO_RIGHTS,
        )
        made = self._engine.create_container(
            image=image_id,
            command=work.command,
            name=name_container(work.owner),
            environment={**work.environment, IMAGE_VARIABLE: image_id},
            labels=label(work.owner),
            host_config=host,
            stdin_open=True,
        )
        self.id = made["Id"]
        self._log.info("created container=%s image=%s (%s)", self.id[:12], work.image, image_id)

    def run(self, secret: str) -> int:
        """Start, hand over the secret, log each line as it comes; return the exit code."""
        stream = self._engine.attach_socket(self.id, params={"stdin": 1, "stream": 1})
        try:
            self._engine.start(self.id)
            # The client hands out a reading file over the socket; writing takes the socket.
            getattr(stream, "_sock", stream).sendall(f"{secret}\n".encode())
        finally:
            stream.close()
        since: float | None = None
        while True:
            chunks = self._engine.logs(self.id, stream=True, follow=True, since=since)
            for line in split_lines(chunks):
                self._log.info("%s", line)
            since = time.time()
            with contextlib.suppress(ReadTimeout):  # a proxy ended the stream, not the container
                exit_code = int(self._engine.wait(self.id, timeout=_WAIT_S)["StatusCode"])
                self._tell_memory(exit_code)
                return exit_code

    def stop(self) -> None:
        """Ask the container to end, then end it; remove it. Nothing happens where none is left."""
        if self.id:
            with contextlib.suppress(NotFound):
                self._engine.stop(self.id, timeout=STOP_WAIT_S)
        self.remove()

    def remove(self) -> None:
        """Remove the container, running or not."""
        if self.id:
            remove(self._engine, self.id)
            self.id = ""

    def _tell_memory(self, exit_code: int) -> None:
        if exit_code and self._engine.inspect_container(self.id)["State"].get("OOMKilled"):
            self._log.error("the container was killed for lack of memory")


def remove_orphans(engine: APIClient, owner: Mapping[str, str], log: logging.Logger) -> None:
    """Remove containers of the same task: those of a try whose worker was killed outright."""
    wanted = [f"{name}={value}" for name, value in label(owner).items()]
    for found in engine.containers(all=True, filters={"label": wanted}):
        log.warning("removing container=%s of an earlier try", found["Id"][:12])
        remove(engine, found["Id"])


def remove(engine: APIClient, container_id: str) -> None:
    """Remove a container, running or not; one that is gone, or just going, is no error."""
    try:
        engine.remove_container(container_id, force=True, v=True)
    except APIError as error:
        if error.status_code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
            raise


def label(owner: Mapping[str, str]) -> dict[str, str]:
    """Write whose container it is, as labels."""
    role, value = ROLE_LABEL.split("=")
    return {role: value} | {f"ringside.{name}": text for name, text in owner.items()}


def name_container(owner: Mapping[str, str]) -> str:
    """Name a container so that `docker ps` tells the task; no two are alike."""
    task = re.sub(r"[^a-zA-Z0-9_.-]+", "-", owner.get("task", "task"))
    return f"ringside-training-{task}-{secrets.token_hex(4)}"


def split_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Join the engine's chunks, which end anywhere, into whole lines."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").rstrip("\r")
    if rest:
        yield rest.decode(errors="replace")


def find_refusal(image: str, error: APIError) -> str:
    """Say why asking the engine again cannot help; empty where it may."""
    if isinstance(error, ImageNotFound):
        return f"the engine has no image {image} ({error.explanation}): build it with `make up`"
    if error.status_code == HTTPStatus.FORBIDDEN:
        return f"the engine's socket does not allow this ({error.explanation})"
    return ""
