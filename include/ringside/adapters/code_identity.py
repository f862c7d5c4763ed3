"""Which code runs: a digest of the package's own source files."""

from functools import cache
from hashlib import sha256
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


@cache
def hash_code() -> str:
    """Compute the SHA-256 (hex) over names and contents of the package's modules and queries.

    Two installations with the same digest compute the same, whatever commit or wheel they are of.
    """
    digest = sha256()
    paths = (path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".sql"})
    for path in sorted(paths):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()
