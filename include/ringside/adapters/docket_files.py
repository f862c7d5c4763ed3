"""Dockets on disk: one immutable bundle per verdict, compressed, named by its own hash."""

import gzip
import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import ringside
from ringside.adapters.whole_files import place_whole
from ringside.errors import LedgerError

_GATE = Path(ringside.__file__).parent / "core" / "gate"


@dataclass(frozen=True)
class Docket:
    """Where a bundle lies below the folder of dockets, and the SHA-256 (hex) of its content."""

    name: str
    sha256: str


class DocketFiles:
    """Writes and reads the bundles of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, symbol: str, horizon: int, content: bytes) -> Docket:
        """Write a bundle once; one of the same content is there already and is left."""
        digest = sha256(content).hexdigest()
        name = f"{symbol.replace('/', '')}.h{horizon}.{digest[:16]}.json.gz"
        path = self._folder / name
        if not path.exists():
            # no time stamp inside: the same bundle gives the same file
            place_whole(path, lambda draft: draft.write_bytes(gzip.compress(content, mtime=0)))
            path.chmod(0o444)
        return Docket(name, digest)

    def read(self, docket: Docket) -> dict[str, Any]:
        """Read a bundle and verify its hash.

        Raises:
            LedgerError: it is gone, or not what was written.
        """
        path = self._folder / docket.name
        try:
            content = gzip.decompress(path.read_bytes())
        except (OSError, EOFError, gzip.BadGzipFile) as error:
            raise LedgerError(f"the docket {docket.name} cannot be read: {error}") from error
        if sha256(content).hexdigest() != docket.sha256:
            raise LedgerError(f"the docket {docket.name} is not what was written")
        bundle: dict[str, Any] = json.loads(content)
        return bundle


def find_code_id() -> str:
    """Name the code that decides: the package's version and a hash of the gate's lines."""
    lines = sha256()
    for path in sorted(_GATE.glob("*.py")):
        lines.update(path.name.encode() + b"\0" + path.read_bytes())
    return f"{ringside.__version__}+{lines.hexdigest()[:12]}"
