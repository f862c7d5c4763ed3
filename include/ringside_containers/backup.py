"""`make backup` and `make restore` of the composed platform; runs on the host, needs nothing else.

A backup stops nothing. What refers is dumped before what it refers to: titles and verdicts, then
the registry, then its artefacts and the dockets, which are never altered; so everything named in
the archive is in it.
A restore loads beside what is there, verifies by counts and digests, and only then changes over.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from ringside_containers import archive
from ringside_containers.archive import ArchiveError, Manifest, Part
from ringside_containers.places import Place, find_places

DATABASES = ("ringside", "mlflow", "airflow")
VERSION = "0.1.0"
_PSQL = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "/run/postgresql", "-U", "postgres"]


@dataclass(frozen=True)
class Stack:
    """The composed platform: `compose` is the command with all its files and the project."""

    compose: tuple[str, ...] = ("docker", "compose")

    def in_postgres(self, command: list[str]) -> list[str]:
        """Give the command line that runs `command` in PostgreSQL's container."""
        return [*self.compose, "exec", "-T", "postgres", *command]

    def in_service(self, service: str, command: list[str]) -> list[str]:
        """Give the command line that runs `command` in a passing container with its volumes."""
        return [*self.compose, "run", "--rm", "--no-deps", "-T", service, *command]

    def query(self, text: str) -> None:
        """Run SQL as PostgreSQL's superuser; nothing outside the container can."""
        run(self.in_postgres([*_PSQL, "-d", "postgres"]), text.encode())


def back_up(stack: Stack, target: Path, *, now: datetime) -> Manifest:
    """Write everything into one archive.

    Raises:
        ArchiveError: a part of the platform did not give what it has.
    """
    start(stack, "postgres")
    with tempfile.TemporaryDirectory(prefix="ringside-backup-", dir=target.parent) as name:
        folder = Path(name)
        parts = {}
        for database in DATABASES:
            parts[database] = keep(dump_command(stack, database), folder, database, True)
        for part, place in find_places(stack.compose).items():
            command = place.pack(stack.in_service, is_new=False)
            parts[part] = keep(command, folder, part, False)
        manifest = Manifest(now.isoformat(timespec="seconds"), VERSION, parts)
        archive.write_archive(manifest, folder, target)
    return manifest


def restore(stack: Stack, source: Path, *, tell: Callable[[str], None]) -> Manifest:
    """Put back what an archive holds, in the place of all there is.

    Raises:
        ArchiveError: the archive is damaged, or what was loaded differs from it. Unless the
            change-over had begun, the platform is as it was.
    """
    with tempfile.TemporaryDirectory(prefix="ringside-restore-", dir=source.parent) as name:
        folder = Path(name)
        manifest = archive.open_archive(source, folder)
        tell(f"the archive of {manifest.made_at} is whole: {manifest.count()}")
        start(stack, "postgres")
        for database in DATABASES:
            load_database(stack, database, manifest.parts[database], folder)
        places = find_places(stack.compose)
        for part, place in places.items():
            load_files(stack, place, manifest.parts[part], folder)
        tell("loaded beside what is there, and verified; changing over")
        resting = find_others(stack)
        if resting:
            run([*stack.compose, "stop", *resting])
        change_over(stack, places.values())
    run([*stack.compose, "restart", "postgres"])  # its start gives the roles their rights
    start(stack, "postgres", *resting)
    return manifest


def load_database(stack: Stack, database: str, part: Part, folder: Path) -> None:
    """Load a dump into a new database beside the one in use, dump that, and compare."""
    new = f"{database}_restored"
    stack.query(
        f"DROP DATABASE IF EXISTS {new} WITH (FORCE);\nCREATE DATABASE {new} OWNER {database};"
    )
    command = stack.in_postgres([*_PSQL, "--single-transaction", "-d", new])
    feed(command, folder / part.member)
    require_same(part, keep(dump_command(stack, new), folder, new, True))


def load_files(stack: Stack, place: Place, part: Part, folder: Path) -> None:
    """Unpack files beside those in use, read them again, and compare."""
    feed(place.unpack(stack.in_service), folder / part.member)
    require_same(part, keep(place.pack(stack.in_service, is_new=True), folder, "found", False))


def change_over(stack: Stack, places: Iterable[Place]) -> None:
    """Put the loaded databases, in one transaction, and the loaded files in their places."""
    renames = "".join(
        f"ALTER DATABASE {name} RENAME TO {name}_former;\n"
        f"ALTER DATABASE {name}_restored RENAME TO {name};\n"
        for name in DATABASES
    )
    former = "".join(f"DROP DATABASE IF EXISTS {name}_former WITH (FORCE);\n" for name in DATABASES)
    leave = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname IS NOT NULL AND pid <> pg_backend_pid() \\g /dev/null\n"
    )
    stack.query(f"{former}{leave}BEGIN;\n{renames}COMMIT;\n{former}")
    for place in places:
        run(place.change_over(stack.in_service))


def dump_command(stack: Stack, database: str) -> list[str]:
    """Give the command that writes a database as plain SQL, rights and owners included."""
    dump = ["pg_dump", "-h", "/run/postgresql", "-U", "postgres", "-d", database]
    return stack.in_postgres(dump)


def find_others(stack: Stack) -> list[str]:
    """Find the running services that must rest while the stores change: all but PostgreSQL."""
    listed = subprocess.run(  # noqa: S603 - our own command
        [*stack.compose, "ps", "--services"], stdout=subprocess.PIPE, text=True, check=False
    )
    return [name for name in listed.stdout.split() if name != "postgres"]


def start(stack: Stack, *services: str) -> None:
    """Start services, as they were made, and wait for their health."""
    run([*stack.compose, "up", "-d", "--no-recreate", "--wait", *services])


def keep(command: list[str], folder: Path, name: str, is_database: bool) -> Part:
    """Keep what a command writes; a command that fails half-way is no backup."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own
        part = archive.keep_part(_require(process.stdout), folder, name, is_database=is_database)
    _require_success(process.returncode, command)
    return part


def feed(command: list[str], member: Path) -> None:
    """Give a member, uncompressed, to a command's stdin."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:  # noqa: S603
        try:
            for chunk in archive.read_chunks(member):
                _require(process.stdin).write(chunk)
            _require(process.stdin).close()
        except BrokenPipeError:
            pass  # it ended early, and its status says why
    _require_success(process.returncode, command)


def run(command: list[str], text: bytes = b"") -> None:
    """Run a command to its end.

    Raises:
        ArchiveError: it failed; what it said is above.
    """
    done = subprocess.run(command, input=text, stdout=subprocess.DEVNULL, check=False)  # noqa: S603
    _require_success(done.returncode, command)


def require_same(part: Part, found: Part) -> None:
    """Check that what was loaded is what the archive holds.

    Raises:
        ArchiveError: it differs; the message names the first table or file.
    """
    difference = part.find_difference(found)
    if difference:
        raise ArchiveError(f"not the same after loading, so nothing was changed: {difference}")


def _require(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise ArchiveError("a command has no pipe")
    return stream


def _require_success(status: int, command: list[str]) -> None:
    if status:
        raise ArchiveError(f"`{' '.join(command)[:200]}` ended with status {status}; see above")


def main(arguments: list[str] | None = None) -> int:
    """Back up or restore; returns the exit status."""
    parser = argparse.ArgumentParser(prog="ringside_containers.backup", description=__doc__)
    parser.add_argument("verb", choices=("backup", "restore"))
    parser.add_argument("--file", type=Path, help="The archive; for a backup, made up if missing.")
    parser.add_argument("--yes", action="store_true", help="Restore without asking.")
    asked = parser.parse_args(arguments)
    if shutil.which("docker") is None:
        return _fail("There is no `docker` on the PATH.")
    now = datetime.now(UTC)
    try:
        if asked.verb == "backup":
            target = (asked.file or Path(f"ringside-{now:%Y%m%dT%H%M%SZ}.tar")).resolve()
            if not target.parent.is_dir():
                return _fail(f"There is no folder {target.parent}.")
            manifest = back_up(Stack(), target, now=now)
            _tell(f"{target} ({target.stat().st_size / 2**20:.1f} MiB): {manifest.count()}")
            return 0
        return _restore(asked.file, is_agreed=asked.yes)
    except ArchiveError as error:
        return _fail(str(error))


def _restore(file: Path | None, *, is_agreed: bool) -> int:
    if file is None or not file.is_file():
        return _fail("Name the archive: make restore FROM=ringside-….tar")
    if not is_agreed:
        if not sys.stdin.isatty():
            return _fail("Nobody is there to be asked. To restore without a question: YES=1.")
        _tell(
            "This puts the archive in the place of all databases, artefacts, dockets and reports."
        )
        if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
            return _fail("Nothing was restored.")
    manifest = restore(Stack(), file.resolve(), tell=_tell)
    _tell(f"restored and verified: {manifest.count()}")
    return 0


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _fail(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
