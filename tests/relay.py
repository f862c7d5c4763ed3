"""A plug between a client and a real server: pulled, the server cannot be reached."""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Relay:
    """Passes bytes between a port of its own and a server's, while it is plugged in."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = self._listen(0)
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []

    def pull(self) -> None:
        """Refuse new connections and cut those that are open."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def plug_in(self) -> None:
        """Listen at the same port again."""
        self._listener = self._listen(self.port)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), reuse_port=False)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            self._open += [near, far]
            threading.Thread(target=self._pass_on, args=(near, far), daemon=True).start()

    @staticmethod
    def _pass_on(near: socket.socket, far: socket.socket) -> None:
        with near, far, contextlib.suppress(OSError):
            while True:
                for end in select.select([near, far], [], [])[0]:
                    content = end.recv(65_536)
                    if not content:
                        return
                    (far if end is near else near).sendall(content)


@contextmanager
def relayed(port: int) -> Iterator[Relay]:
    """A relay to a port of this machine, gone after the block."""
    relay = Relay(port)
    try:
        yield relay
    finally:
        with contextlib.suppress(OSError):
            relay.pull()
