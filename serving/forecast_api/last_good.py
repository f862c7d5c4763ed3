"""The pointer to the last good copies: per title and role, the version last proved sound."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from ringside.adapters.model_files import find_folder
from ringside.adapters.whole_files import write_whole
from ringside.core.manifest import MANIFEST_FILE
from ringside.core.titles import CHAMPION, PREVIOUS_CHAMPION, Title

log = logging.getLogger(__name__)

POINTER_FILE = "last-good.json"
ROLES = (CHAMPION, PREVIOUS_CHAMPION, "baseline")


@dataclass(frozen=True)
class GoodCopy:
    """One version, and the SHA-256 of its manifest, which itself names every file's SHA-256."""

    version: int
    sha256: str


class LastGood:
    """Reads and moves the pointer inside one folder of model copies."""

    def __init__(self, models_dir: Path) -> None:
        self._models_dir = models_dir
        self._pointer = models_dir / POINTER_FILE

    def read(self) -> dict[str, GoodCopy]:
        """Return the good copies by model name; empty where nothing was ever proved.

        A pointer that cannot be read is logged and counts as empty: without it the service
        starts from the registry, or says that it has no model.
        """
        try:
            content = json.loads(self._pointer.read_bytes())
            return {name: GoodCopy(**copy) for name, copy in content.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.warning("the pointer %s cannot be read: %s", self._pointer, error)
            return {}

    def find_all(self, title: Title) -> dict[str, GoodCopy]:
        """Return the good copies of a title by role: champion, previous-champion, baseline."""
        known = self.read()
        return {role: known[key] for role in ROLES if (key := _key(title, role)) in known}

    def find_folder(self, title: Title, version: int) -> Path:
        """Name the folder of a title's local copy, whether it exists or not."""
        return find_folder(self._models_dir, title.model_name, version)

    def move(self, proved: Mapping[tuple[Title, str], GoodCopy]) -> None:
        """Point at copies that have just been proved, by title and role; others stay.

        A champion that gives way is remembered as the previous one. A disk that refuses is logged:
        the proved models serve on from memory all the same.
        """
        before = self.read()
        after = dict(before)
        for (title, role), copy in proved.items():
            old = before.get(_key(title, role))
            if role == CHAMPION and old is not None and old.version != copy.version:
                after[_key(title, PREVIOUS_CHAMPION)] = old
            after[_key(title, role)] = copy
        if after == before:
            return
        try:
            content = {name: asdict(copy) for name, copy in after.items()}
            write_whole(self._pointer, json.dumps(content, indent=1))
        except OSError as error:
            log.warning("the pointer %s cannot be moved: %s", self._pointer, error)


def _key(title: Title, role: str) -> str:
    return title.model_name if role == CHAMPION else f"{title.model_name}@{role}"


def hash_model(folder: Path) -> str:
    """Compute the SHA-256 (hex) of a model folder's manifest.

    Raises:
        OSError: there is no manifest to read.
    """
    return sha256((folder / MANIFEST_FILE).read_bytes()).hexdigest()
