"""A local S3 server, brought by a package, with one empty bucket."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from processes import find_free_port, running, wait_for

BUCKET = "models"
KEY = "[default]\naws_access_key_id = test\naws_secret_access_key = test\n"
"""The key as the AWS tools write it; this server takes any."""


@contextmanager
def s3_server(folder: Path, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve for the length of the block; gives the address."""
    port, log = find_free_port(), folder / "s3.log"
    command = [sys.executable, "-m", "moto.server", "-H", host, "-p", str(port)]
    url = f"http://{host}:{port}"
    with running(command, log) as process:
        wait_for(f"{url}/moto-api/data.json", process, log)
        httpx.put(f"{url}/{BUCKET}", trust_env=False).raise_for_status()
        yield url


def list_keys(store_url: str) -> list[str]:
    """List the keys of the bucket's objects."""
    listing = httpx.get(f"{store_url}/{BUCKET}?list-type=2", trust_env=False).text
    return [part.split("</Key>")[0] for part in listing.split("<Key>")[1:]]
