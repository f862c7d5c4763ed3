"""One archive of everything that must survive: dumps, files, and a manifest to verify them by.

Nothing here talks to a container. A database is verified by the number of rows of each table and
a digest over them that does not depend on their order; files by their SHA-256.
"""

import gzip
import hashlib
import json
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

FORMAT = 1
MANIFEST = "manifest.json"
DOCKETS = "dockets/"  # within the state of the platform; a verdict without its docket is hearsay
_COPY = re.compile(rb"^COPY (\S+) \(.*\) FROM stdin;$")
_MODULUS = 2**256
_CHUNK = 1 << 20


class ArchiveError(Exception):
    """The archive cannot be used, or what was restored differs; the message says where."""


@dataclass(frozen=True)
class Table:
    """What a table held: number of rows, and the sum of their SHA-256 as hex."""

    rows: int
    digest: str


@dataclass(frozen=True)
class Part:
    """One member of the archive: a database (`tables`) or a folder (`files`, path to SHA-256)."""

    member: str
    sha256: str
    tables: dict[str, Table] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def find_difference(self, other: "Part") -> str:
        """Say in what the content of `other` differs; empty where it is the same."""
        mine: dict[str, Any] = {**self.tables, **self.files}
        found: dict[str, Any] = {**other.tables, **other.files}
        differing = sorted(
            name for name in mine.keys() | found.keys() if mine.get(name) != found.get(name)
        )
        if not differing:
            return ""
        first = differing[0]
        return (
            f"{self.member}: {len(differing)} of {len(mine)} differ, the first is {first}: "
            f"{mine.get(first)} in the archive, {found.get(first)} found"
        )


@dataclass(frozen=True)
class Manifest:
    """What an archive holds. `made_at` is ISO 8601; `parts` by name."""

    made_at: str
    version: str
    parts: dict[str, Part]

    def count(self) -> str:
        """Tell how much it is, for a person."""
        tables = [table for part in self.parts.values() for table in part.tables.values()]
        files = [name for part in self.parts.values() for name in part.files]
        dockets = sum(name.startswith(DOCKETS) for name in files)
        rows = sum(table.rows for table in tables)
        return f"{rows} rows of {len(tables)} tables, {len(files)} files, {dockets} of them dockets"


def describe_dump(lines: Iterable[bytes]) -> dict[str, Table]:
    """Count and digest the rows of each table in the plain text of `pg_dump`."""
    tables: dict[str, Table] = {}
    name, rows, total = "", 0, 0
    for line in lines:
        if not name:
            if begun := _COPY.match(line.rstrip(b"\n")):
                name, rows, total = begun.group(1).decode(), 0, 0
        elif line == b"\\.\n":
            tables[name] = Table(rows, f"{total:064x}")
            name = ""
        else:
            rows += 1
            total = (total + int.from_bytes(hashlib.sha256(line).digest())) % _MODULUS
    if name:
        raise ArchiveError(f"the dump ends in the middle of the table {name}")
    return tables


def describe_files(stream: IO[bytes] | gzip.GzipFile) -> dict[str, str]:
    """Hash every file in a tar stream, by its path."""
    files = {}
    with tarfile.open(fileobj=stream, mode="r|*") as bundle:
        for member in bundle:
            content = bundle.extractfile(member) if member.isfile() else None
            if content is not None:
                digest = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
                files[member.name.removeprefix("./")] = digest
    return files


def keep_part(stream: IO[bytes], folder: Path, name: str, *, is_database: bool) -> Part:
    """Write what a dump or a tar brings, compressed, and describe it."""
    member = f"{name}.sql.gz" if is_database else f"{name}.tar.gz"
    file = folder / member
    with gzip.open(file, "wb", compresslevel=6) as kept:
        shutil.copyfileobj(stream, kept, _CHUNK)
    return describe_part(file)


def describe_part(file: Path) -> Part:
    """Describe a member of an archive by reading all of it.

    Raises:
        ArchiveError: it cannot be read to its end.
    """
    with file.open("rb") as raw:
        digest = hashlib.file_digest(raw, "sha256").hexdigest()
    try:
        with gzip.open(file, "rb") as content:
            if file.name.endswith(".sql.gz"):
                return Part(file.name, digest, tables=describe_dump(content))
            return Part(file.name, digest, files=describe_files(content))
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise ArchiveError(f"{file.name} is damaged: {error}") from error


def write_archive(manifest: Manifest, folder: Path, target: Path) -> None:
    """Bundle the members in `folder` with their manifest; `target` appears whole or not at all."""
    text = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1) + "\n"
    (folder / MANIFEST).write_text(text)
    draft = target.with_name(f".{target.name}.partial")
    try:
        with tarfile.open(draft, "w") as bundle:
            for name in (MANIFEST, *(part.member for part in manifest.parts.values())):
                bundle.add(folder / name, arcname=name)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def open_archive(source: Path, folder: Path) -> Manifest:
    """Unpack an archive into `folder` and verify every member before anything is touched.

    Raises:
        ArchiveError: it is no archive of ours, incomplete, or altered.
    """
    try:
        with tarfile.open(source, "r:") as bundle:
            bundle.extractall(folder, filter="data")
        manifest = _read_manifest(folder / MANIFEST)
    except (OSError, ValueError, KeyError, TypeError, tarfile.TarError) as error:
        raise ArchiveError(f"{source} is no backup of Ringside: {error!r}") from error
    for part in manifest.parts.values():
        file = folder / part.member
        if not file.is_file():
            raise ArchiveError(f"{source} lacks its member {part.member}")
        found = describe_part(file)
        if found != part:
            differs = part.find_difference(found) or "its checksum differs"
            raise ArchiveError(f"{source} is altered: {part.member}: {differs}")
    return manifest


def _read_manifest(file: Path) -> Manifest:
    content = json.loads(file.read_text())
    if content.pop("format") != FORMAT:
        raise ValueError("its format is of another version")
    parts = {
        name: Part(
            part["member"],
            part["sha256"],
            {table: Table(**facts) for table, facts in part["tables"].items()},
            part["files"],
        )
        for name, part in content.pop("parts").items()
    }
    return Manifest(parts=parts, **content)


def read_chunks(file: Path) -> Iterator[bytes]:
    """Read a member uncompressed, piece by piece."""
    with gzip.open(file, "rb") as content:
        while chunk := content.read(_CHUNK):
            yield chunk
