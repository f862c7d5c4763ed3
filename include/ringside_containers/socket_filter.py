"""Stands between Airflow and the Docker engine's socket; `filter_rules` says what may pass.

`python3 -m ringside_containers.socket_filter`. One connection carries one request: it is read
whole, judged, and written anew, so that nothing can hide behind it. Started as root, it only looks
up which group may use the socket, joins it and gives root away before it listens.
"""

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from ringside_containers.filter_rules import (
    Bounds,
    RefusedError,
    Request,
    admit_container,
    admit_general,
    find_container_call,
)

ENGINE = "/var/run/docker.sock"
PORT = 2375
USER_ID = 10001
_MOST_HEAD, _MOST_BODY = 32 * 1024, 1024 * 1024
_READ_TIMEOUT_S = 10.0
_log = logging.getLogger("socket-filter")


class EngineError(Exception):
    """The engine did not answer, or not as asked; carries the status for the caller."""

    def __init__(self, message: str, status: int = 502) -> None:
        super().__init__(message)
        self.status = status


class SocketFilter:
    """Serves one platform. `bounds` is asked for with each request: the image may be rebuilt."""

    def __init__(
        self, engine: str, *, project: str, image: str, network: str, serving_image: str
    ) -> None:
        self._engine = engine
        self._project, self._image, self._network = project, image, network
        self._serving_image = serving_image

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection; whatever goes wrong ends this connection only."""
        asked = "?"
        try:
            request, upgrade = await asyncio.wait_for(read_request(reader), _READ_TIMEOUT_S)
            asked = f"{request.method} {request.path}"
            admitted = await self._admit(request)
            await self._pass_on(admitted, upgrade, reader, writer)
            _log.info("passed on %s", asked)
        except RefusedError as error:
            _log.warning("refused %s: %s", asked, error)
            await answer(writer, HTTPStatus.FORBIDDEN, f"refused by Ringside's filter: {error}")
        except EngineError as error:
            await answer(writer, error.status, str(error))
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            _log.info("ended %s: %r", asked, error)
        finally:
            writer.close()

    async def _admit(self, request: Request) -> Request:
        image = await self._inspect(f"/images/{self._image}/json", missing={})
        serving = await self._inspect(f"/images/{self._serving_image}/json", missing={})
        bounds = Bounds(
            self._project,
            self._image,
            str(image.get("Id", "")),
            self._network,
            frozenset({self._serving_image, str(serving.get("Id", self._serving_image))}),
        )
        call = find_container_call(request)
        if call is None:
            return admit_general(request, bounds)
        container = await self._inspect(f"/containers/{call.reference}/json")
        labels = (container.get("Config") or {}).get("Labels") or {}
        admitted = admit_container(request, call, labels, bounds)
        path = f"/containers/{container['Id']}"  # not the name, which may change hands
        return Request(
            admitted.method, f"{path}/{call.action}" if call.action else path, admitted.query
        )

    async def _inspect(
        self, path: str, missing: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """Ask the engine for a description.

        Raises:
            EngineError: it does not answer, or knows no such thing and `missing` is not given.
        """
        reader, writer = await self._connect()
        try:
            writer.write(write_request(Request("GET", path)))
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _READ_TIMEOUT_S)
            status = int(head.split(b" ", 2)[1])
            body = await asyncio.wait_for(_read_answer(reader, head), _READ_TIMEOUT_S)
            content = json.loads(body)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            raise EngineError(f"the Docker engine did not answer: {error!r}") from error
        finally:
            writer.close()
        if status == HTTPStatus.OK:
            return dict(content)
        if status == HTTPStatus.NOT_FOUND and missing is not None:
            return missing
        raise EngineError(str(content.get("message", "the Docker engine refuses")), status)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await asyncio.open_unix_connection(self._engine, limit=_MOST_BODY)
        except OSError as error:
            raise EngineError(f"no Docker engine answers on its socket: {error}") from error

    async def _pass_on(
        self,
        request: Request,
        upgrade: bool,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Send an admitted request and copy the answer until the engine has no more to say."""
        is_attach = request.method == "POST" and request.path.endswith("/attach")
        engine_reader, engine_writer = await self._connect()
        try:
            engine_writer.write(write_request(request, upgrade=upgrade and is_attach))
            sender = _copy(reader, engine_writer) if is_attach else _wait_gone(reader)
            sending = asyncio.create_task(sender)
            receiving = asyncio.create_task(_copy(engine_reader, writer))
            if is_attach:
                await receiving
            else:  # a caller that has gone ends a log that is followed
                await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
            for copying in (sending, receiving):
                copying.cancel()
            await asyncio.gather(sending, receiving, return_exceptions=True)
        finally:
            engine_writer.close()


async def read_request(reader: asyncio.StreamReader) -> tuple[Request, bool]:
    """Read one request whole; the flag says that it asks to take the connection over.

    Raises:
        RefusedError: it is no plain HTTP/1.1 request, or too long.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")[:-2]
        method, target, protocol = first.split(" ")
        fields = [line.split(":", 1) for line in lines]
        headers = {name.strip().lower(): value.strip() for name, value in fields}
        length = int(headers.get("content-length", "0"))
    except (ValueError, asyncio.LimitOverrunError) as error:
        raise RefusedError("the request is not understood") from error
    if not protocol.startswith("HTTP/1.") or "transfer-encoding" in headers:
        raise RefusedError("the body must come with its length")
    if len(headers) != len(lines) or not 0 <= length <= _MOST_BODY:
        raise RefusedError("a header comes twice, or the body is too long")
    if "%" in target.partition("?")[0]:
        raise RefusedError("the path must not be encoded")
    body = await reader.readexactly(length)
    path, _, query = target.partition("?")
    return Request(method, path, query, body), "upgrade" in headers


def write_request(request: Request, *, upgrade: bool = False) -> bytes:
    """Write a request as the engine gets it."""
    target = f"{request.path}?{request.query}" if request.query else request.path
    connection = "Connection: Upgrade\r\nUpgrade: tcp" if upgrade else "Connection: close"
    head = f"{request.method} {target} HTTP/1.1\r\nHost: docker\r\n{connection}\r\n"
    if request.body:
        head += "Content-Type: application/json\r\n"
    return f"{head}Content-Length: {len(request.body)}\r\n\r\n".encode() + request.body


async def answer(writer: asyncio.StreamWriter, status: int, message: str) -> None:
    """Answer as the engine would: the status and a message in JSON."""
    body = json.dumps({"message": message}).encode()
    head = f"HTTP/1.1 {int(status)} {HTTPStatus(status).phrase}\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with contextlib.suppress(OSError):
        writer.write(head.encode() + body)
        await writer.drain()


async def _read_answer(reader: asyncio.StreamReader, head: bytes) -> bytes:
    """Read an answer's body to the end of its connection, whichever way it is framed."""
    if b"transfer-encoding: chunked" not in head.lower():
        return await reader.read(-1)
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    return body


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the sender ends; the end is passed on as an end of that direction only."""
    while data := await reader.read(64 * 1024):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


async def _wait_gone(reader: asyncio.StreamReader) -> None:
    """Wait until the caller is gone; what it still sends is never read as another request."""
    while await reader.read(1024):
        continue


def drop_root(engine: str) -> None:
    """Give root away, keeping the group that may use the engine's socket."""
    if os.getuid() != 0:
        return
    group = os.stat(engine).st_gid  # noqa: PTH116 -- beside the other calls on ids
    os.setgroups([])
    os.setgid(group)
    os.setuid(USER_ID)


async def run() -> None:
    """Serve until the container is stopped."""
    door = SocketFilter(
        ENGINE,
        project=os.environ["RINGSIDE_PROJECT"],
        image=os.environ["RINGSIDE_TRAINING_IMAGE"],
        serving_image=os.environ["RINGSIDE_SERVING_IMAGE"],
        network=os.environ["RINGSIDE_TRAINING_NETWORK"],
    )
    server = await asyncio.start_server(door.serve, "0.0.0.0", PORT, limit=_MOST_HEAD)  # noqa: S104 - a network of its own
    _log.info("guarding %s as uid=%d gid=%d", ENGINE, os.getuid(), os.getgid())
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    try:
        drop_root(ENGINE)
    except OSError as error:
        sys.exit(f"the Docker engine's socket cannot be used: {error}")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())
