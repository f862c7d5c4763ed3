"""Where the files lie that a backup keeps: folders of volumes, or a bucket; each as commands.

A place is packed into a tar, unpacked beside what is in use, and changed over. The commands run
in passing containers; the host needs nothing but Docker.
"""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ringside_containers.archive import ArchiveError

NEW = ".restored"
BUCKETS = "s3://"
Enter = Callable[[str, list[str]], list[str]]
"""Gives the command line that runs a command in a passing container of a service."""


class Place(Protocol):
    """Files that a backup keeps."""

    def pack(self, enter: Enter, *, is_new: bool) -> list[str]:
        """Give the command that writes what is in use, or was unpacked beside it, as a tar."""

    def unpack(self, enter: Enter) -> list[str]:
        """Give the command that unpacks a tar from stdin beside what is in use."""

    def change_over(self, enter: Enter) -> list[str]:
        """Give the command that puts what was unpacked in its place."""


@dataclass(frozen=True)
class Folder:
    """A folder of a volume: the service that mounts it, its path, and what in it is not kept."""

    service: str
    path: str
    left_out: tuple[str, ...] = ()

    def pack(self, enter: Enter, *, is_new: bool) -> list[str]:
        """Give the command that writes the kept files as a tar."""
        path = f"{self.path}/{NEW}" if is_new else self.path
        left_out = [f"--exclude=./{name}" for name in (NEW, *self.left_out)]
        return enter(self.service, ["tar", "-C", path, *left_out, "-c", "."])

    def unpack(self, enter: Enter) -> list[str]:
        """Give the command that unpacks beside what is in use."""
        new = f"{self.path}/{NEW}"
        script = f"rm -rf {new} && mkdir {new} && tar -x --no-same-owner -C {new}"
        return enter(self.service, ["sh", "-c", script])

    def change_over(self, enter: Enter) -> list[str]:
        """Give the command that removes what is in use, and moves the new there."""
        kept = " ".join(f"! -name {name}" for name in (NEW, *self.left_out))
        script = (
            f"cd {self.path} && find . -mindepth 1 -maxdepth 1 {kept} -exec rm -rf {{}} + && "
            f"find {NEW} -mindepth 1 -maxdepth 1 -exec mv -t . {{}} + && rmdir {NEW}"
        )
        return enter(self.service, ["sh", "-c", script])


@dataclass(frozen=True)
class Bucket:
    """The artefacts in an S3-compatible store, which one service has the key of.

    What is there and not in the archive stays: an artefact is never altered, and nothing in a
    restored registry refers to it.
    """

    service: str

    def pack(self, enter: Enter, *, is_new: bool) -> list[str]:
        """Give the command that writes the objects as a tar."""
        return self._run(enter, "pack", *(["--new"] if is_new else []))

    def unpack(self, enter: Enter) -> list[str]:
        """Give the command that writes a tar as objects beside those in use."""
        return self._run(enter, "unpack")

    def change_over(self, enter: Enter) -> list[str]:
        """Give the command that copies the new objects over those in use."""
        return self._run(enter, "change-over")

    def _run(self, enter: Enter, *words: str) -> list[str]:
        return enter(self.service, ["python3", "-m", "ringside_containers.bucket", *words])


def find_places(compose: tuple[str, ...]) -> dict[str, Place]:
    """Find where the platform keeps its files, by its configuration.

    Raises:
        ArchiveError: Compose does not accept it.
    """
    return {
        "artefacts": _find_artefacts(compose),
        # Dockets and audits. Copies of models come from the registry again; the reports are a
        # volume of their own.
        "state": Folder("airflow-api-server", "/var/lib/ringside", ("models", "reports", "run")),
        "reports": Folder("airflow-api-server", "/var/lib/ringside/reports"),
    }


def _find_artefacts(compose: tuple[str, ...]) -> Place:
    command = [*compose, "config", "--format", "json"]
    config = subprocess.run(command, stdout=subprocess.PIPE, check=False)  # noqa: S603 - our own
    if config.returncode:
        raise ArchiveError("Compose does not accept the configuration; see above")
    services = json.loads(config.stdout)["services"]
    destination = services["mlflow"]["environment"]["MLFLOW_ARTIFACTS_DESTINATION"]
    return Bucket("mlflow") if destination.startswith(BUCKETS) else Folder("mlflow", destination)
