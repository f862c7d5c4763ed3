"""Only one `make run`, `stop` or `clean` works on a state folder at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from ringside_embedded.failures import LaunchError
from ringside_embedded.layout import Layout


@contextmanager
def only_one(layout: Layout, purpose: str) -> Iterator[None]:
    """Hold the lock of the state folder; the kernel lets go of it however this process ends.

    Raises:
        LaunchError: another process holds it; the message says which, and since when.
    """
    layout.run.mkdir(parents=True, exist_ok=True)
    with (layout.run / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise LaunchError(
                f"Another command is at work on {layout.state}: {file.read().strip()}.",
                "Wait until it is done, or end it with Ctrl-C where it runs.",
            ) from error
        file.truncate(0)
        since = datetime.now().astimezone().strftime("%H:%M:%S")
        file.write(f"`make {purpose}`, process {os.getpid()}, since {since}")
        file.flush()
        yield
