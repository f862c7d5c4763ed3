"""Artefacts in an S3-compatible store, from inside MLflow's container, which has the key.

`python3 -m ringside_containers.bucket check|pack|unpack|change-over`. `check` writes, reads and
removes one object, so that a wrong key, bucket or address is named before MLflow starts. The
others are the bucket's part of a backup: objects as a tar on stdout, and back from stdin.
"""

import argparse
import io
import os
import sys
import tarfile
from collections.abc import Iterator
from typing import IO, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ringside_containers.places import BUCKETS, NEW

_PROOF = ".ringside-was-here"
_BOUNDS = Config(connect_timeout=10, read_timeout=60, retries={"max_attempts": 3})


class BucketError(Exception):
    """The store cannot be used as it is set; the message says what to look at."""


class Bucket:
    """The objects of one bucket whose keys begin with `prefix`."""

    def __init__(self, client: Any, name: str, prefix: str) -> None:  # noqa: ANN401 - made at run time
        self._client, self._name, self._prefix = client, name, prefix

    def check(self) -> None:
        """Write, read and remove an object.

        Raises:
            BucketError: what came back is not what was written.
        """
        key = f"{self._prefix}{_PROOF}"
        self._client.put_object(Bucket=self._name, Key=key, Body=b"ringside")
        found = self._client.get_object(Bucket=self._name, Key=key)["Body"].read()
        self._client.delete_object(Bucket=self._name, Key=key)
        if found != b"ringside":
            raise BucketError("the store gives back something else than was written to it")

    def pack(self, target: IO[bytes], *, is_new: bool) -> None:
        """Write the objects as a tar, by their path below the prefix."""
        prefix = f"{self._prefix}{NEW}/" if is_new else self._prefix
        with tarfile.open(fileobj=target, mode="w|") as bundle:
            for key in self._list(prefix):
                path = key.removeprefix(prefix)
                if path.startswith(f"{NEW}/"):
                    continue
                content = self._client.get_object(Bucket=self._name, Key=key)["Body"].read()
                member = tarfile.TarInfo(path)
                member.size = len(content)
                bundle.addfile(member, io.BytesIO(content))

    def unpack(self, source: IO[bytes]) -> None:
        """Write the files of a tar as objects beside those in use."""
        self._drop_new()
        with tarfile.open(fileobj=source, mode="r|") as bundle:
            for member in bundle:
                content = bundle.extractfile(member) if member.isfile() else None
                if content is not None:
                    key = f"{self._prefix}{NEW}/{member.name.removeprefix('./')}"
                    self._client.put_object(Bucket=self._name, Key=key, Body=content.read())

    def change_over(self) -> None:
        """Copy what was unpacked over what is in use, and remove it there."""
        new = f"{self._prefix}{NEW}/"
        for key in self._list(new):
            source = {"Bucket": self._name, "Key": key}
            target = f"{self._prefix}{key.removeprefix(new)}"
            self._client.copy_object(Bucket=self._name, Key=target, CopySource=source)
        self._drop_new()

    def _drop_new(self) -> None:
        for key in list(self._list(f"{self._prefix}{NEW}/")):
            self._client.delete_object(Bucket=self._name, Key=key)

    def _list(self, prefix: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._name, Prefix=prefix):
            yield from (found["Key"] for found in page.get("Contents", ()))


def open_bucket(destination: str) -> Bucket:
    """Open `s3://bucket/folder` with the address and key that MLflow uses.

    Raises:
        BucketError: it is no address of a bucket.
    """
    name, _, folder = destination.removeprefix(BUCKETS).partition("/")
    if not destination.startswith(BUCKETS) or not name:
        raise BucketError(
            f"RINGSIDE_ARTIFACTS is {destination!r}: name a bucket, as s3://bucket/folder"
        )
    address = os.environ.get("MLFLOW_S3_ENDPOINT_URL") or None
    client = boto3.session.Session().client("s3", endpoint_url=address, config=_BOUNDS)
    prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
    return Bucket(client, name, prefix)


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="ringside_containers.bucket", description=__doc__)
    parser.add_argument("verb", choices=("check", "pack", "unpack", "change-over"))
    parser.add_argument("--new", action="store_true", help="Pack what was unpacked.")
    asked = parser.parse_args(arguments)
    try:
        bucket = open_bucket(os.environ["MLFLOW_ARTIFACTS_DESTINATION"])
        if asked.verb == "check":
            bucket.check()
        elif asked.verb == "pack":
            bucket.pack(sys.stdout.buffer, is_new=asked.new)
        elif asked.verb == "unpack":
            bucket.unpack(sys.stdin.buffer)
        else:
            bucket.change_over()
    except (BucketError, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"The store of artefacts cannot be used: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
