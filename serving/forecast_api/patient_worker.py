"""A threaded Gunicorn worker in which a slow client holds no thread.

Gunicorn's own hands a connection to a thread as soon as it is open and waits there for the
request. This one gathers each request in the loop of the worker, which holds any number of
connections, and hands it to a thread once it is whole; who is not done in time is cut off.
"""

import re
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn import util
from gunicorn.workers.gthread import TConn, ThreadWorker

from forecast_api.limits import MAX_BODY_BYTES

REQUEST_TIMEOUT_S = 10.0
"""From the first byte that is awaited to the last one of the request."""
SEND_TIMEOUT_S = 10
"""How long one write may wait for a client that does not read."""
LINGER_S = 1.0
"""How long an answer to a refused body waits for the client to take it."""
LONGEST_HEAD = 32 * 1024
MOST_GATHERED = 8 * MAX_BODY_BYTES
"""Bytes that one worker holds for requests that are not whole yet."""
_CHUNK = 256 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r\n")


class GatheringConn(TConn):  # type: ignore[misc] # Gunicorn has no types
    """A connection whose next request is gathered before it is parsed."""

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 - Gunicorn's own arguments
        super().__init__(*arguments)
        self.gathered = bytearray()
        self.awaits = 0
        self.is_cut = False

    def take(self, longest_body: int) -> bool:
        """Read what has arrived; say whether a thread can go on with it.

        Raises:
            ConnectionError: the client has left.
        """
        try:
            arrived = self.sock.recv(_CHUNK)
        except BlockingIOError:
            return False
        if not arrived:
            raise ConnectionAbortedError("the client left before its request was whole")
        self.gathered += arrived
        return self.is_whole(longest_body)

    def is_whole(self, longest_body: int) -> bool:
        """Say whether the request is whole, or is one that will be refused by its head alone."""
        if len(self.gathered) < self.awaits:
            return False
        end = self.gathered.find(b"\r\n\r\n")
        if end < 0:
            return len(self.gathered) > LONGEST_HEAD
        head = self.gathered[: end + 4].lower()
        # most have no body, and a plain search costs a tenth of a pattern's
        found = _LENGTH.search(head) if b"content-length" in head else None
        length = int(found[1]) if found else 0
        self.awaits = end + 4 + length
        # refused by its head alone: too long a body, or one of unknown length
        self.is_cut = length > longest_body or b"\r\ntransfer-encoding:" in head
        return self.is_cut or len(self.gathered) >= self.awaits

    def hand_over(self) -> None:
        """Give the gathered bytes to the parser, in the thread that answers them."""
        gathered, self.gathered, self.awaits = bytes(self.gathered), bytearray(), 0
        if gathered:
            self.parser.unreader.unread(gathered)

    def close(self, graceful: bool = False) -> None:
        """Close at once: Gunicorn's graceful way would keep the loop waiting for the client."""
        del graceful
        util.close(self.sock)


class PatientWorker(ThreadWorker):  # type: ignore[misc] # Gunicorn has no types
    """Gathers requests in its loop."""

    longest_body = MAX_BODY_BYTES
    pending_conns: deque[GatheringConn]

    def accept(self, listener: socket.socket) -> None:
        """Take a connection and wait for its first request."""
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        client.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_TIMEOUT_S, 0)
        )
        self.nr_conns += 1
        self._gather(GatheringConn(self.cfg, client, address, listener.getsockname()))

    def on_client_socket_readable(self, conn: GatheringConn, client: socket.socket) -> None:
        """A kept-alive connection begins its next request."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        try:
            is_whole = conn.take(self.longest_body)
        except OSError:
            self._drop(conn)
            return
        if is_whole:  # as nearly always
            self.enqueue_req(conn)
        else:
            self._gather(conn)

    def on_pending_socket_readable(self, conn: GatheringConn, client: socket.socket) -> None:
        """More of a request has arrived."""
        try:
            is_whole = conn.take(self.longest_body)
        except OSError:
            self._leave(conn, client, self._drop)
            return
        if is_whole:
            self._leave(conn, client, self.enqueue_req)
        elif len(conn.gathered) > _CHUNK and self._count_gathered() > MOST_GATHERED:
            self._leave(conn, client, self._drop)

    def handle(self, conn: GatheringConn) -> Any:  # noqa: ANN401 - what Gunicorn's own gives
        """Answer a request that is whole; runs in a thread."""
        conn.data_ready = True
        conn.init()
        conn.hand_over()
        result = super().handle(conn)
        if conn.is_cut:
            # closed with bytes unread, the kernel would take our answer back
            util.close_graceful(conn.sock, timeout=LINGER_S, max_drain=self.longest_body)
            return False
        return result

    def handle_request(self, req: Any, conn: GatheringConn) -> Any:  # noqa: ANN401 - Gunicorn's
        """Answer; whoever sent a body that is not wanted is told that the connection ends."""
        if conn.is_cut:
            req.force_close()
        return super().handle_request(req, conn)

    def finish_request(self, conn: GatheringConn, future: Any) -> None:  # noqa: ANN401 - Gunicorn's
        """Go on with a connection; what came behind the request is gathered like the rest."""
        if conn.parser is not None and self.alive:
            conn.gathered += conn.parser.unreader.take_buffered()
        super().finish_request(conn, future)
        if conn.gathered and conn in self.keepalived_conns:
            self.poller.unregister(conn.sock)
            self.keepalived_conns.remove(conn)
            if conn.is_whole(self.longest_body):
                self.enqueue_req(conn)
            else:
                self._gather(conn)

    def _gather(self, conn: GatheringConn) -> None:
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + REQUEST_TIMEOUT_S
        # the queue from which Gunicorn cuts off who is too late
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def _count_gathered(self) -> int:
        return sum(len(conn.gathered) for conn in self.pending_conns)

    def _cap_keepalive(self, deadline: float) -> None:
        """When stopping, do not wait for connections on which no request has begun."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            if not conn.gathered:
                conn.timeout = min(conn.timeout, deadline)
        in_order = sorted(self.pending_conns, key=lambda conn: conn.timeout)
        self.pending_conns = deque(in_order)

    def _leave(
        self, conn: GatheringConn, client: socket.socket, then: Callable[[GatheringConn], None]
    ) -> None:
        self.poller.unregister(client)
        self.pending_conns.remove(conn)
        then(conn)

    def _drop(self, conn: GatheringConn) -> None:
        self.nr_conns -= 1
        conn.close()
