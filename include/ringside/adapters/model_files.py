"""Model folders on disk: written whole or not at all, read only after verification."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ringside.core.contestants import CONTESTANTS, Contestant
from ringside.core.features import FEATURES
from ringside.core.manifest import (
    MANIFEST_FILE,
    Manifest,
    read_manifest,
    require_files,
)
from ringside.core.quantiles import LEVELS
from ringside.errors import ModelRefusedError


@dataclass(frozen=True)
class LoadedModel:
    """A verified model, ready to forecast."""

    manifest: Manifest
    contestant: Contestant


def find_folder(models_dir: Path, model_name: str, version: int) -> Path:
    """Name the folder of a registry version's local copy, whether it exists or not."""
    return models_dir / model_name / str(version)


def load_contestant(folder: Path) -> LoadedModel:
    """Verify a model folder and rebuild its contestant.

    Raises:
        ModelRefusedError: The folder is incomplete or altered, its contestant or features are
            unknown to this code, or its files cannot be read. Such a model never serves.
    """
    files = _read_files(folder)
    manifest = read_manifest(files.pop(MANIFEST_FILE))
    require_files(manifest, files)
    if manifest.contestant not in CONTESTANTS:
        raise ModelRefusedError(f"no contestant is called {manifest.contestant!r}: {folder}")
    is_known = set(manifest.feature_names) <= {feature.name for feature in FEATURES}
    if not is_known or manifest.levels != LEVELS:
        raise ModelRefusedError(f"the model was fitted on other features; train again: {folder}")
    return LoadedModel(manifest, CONTESTANTS[manifest.contestant].load(files))


def write_model(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Path:
    """Put a model folder in place with its manifest; a folder already there is replaced.

    Raises:
        ModelRefusedError: The files are not those of the manifest.
    """
    require_files(manifest, files)
    return place_files(folder, {**files, MANIFEST_FILE: manifest.to_bytes()})


def place_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into a new folder and move it into place in one step.

    Two processes that bring the same version take turns, and the second leaves what is right as
    it is. A process killed half-way leaves only a hidden folder, which no reader looks at.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _holds(folder, files):
            return folder
        draft = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
        try:
            draft.chmod(0o755)
            for name, content in files.items():
                _write_durably(draft / name, content)
            if folder.is_dir():
                _retire(folder)
            draft.replace(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return folder


def is_plain_name(name: str) -> bool:
    """Whether a file name stays inside its folder: no separators, no parent, not hidden."""
    return bool(name) and not name.startswith(".") and "/" not in name and "\\" not in name


def _read_files(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        raise ModelRefusedError(f"there is no model folder {folder}")
    with os.scandir(folder) as entries:
        is_plain = {entry.name: entry.is_file(follow_symlinks=False) for entry in entries}
    strange = sorted(name for name, holds in is_plain.items() if not holds)
    if strange:
        raise ModelRefusedError(f"not a plain file in {folder}: {', '.join(strange)}")
    files = {name: (folder / name).read_bytes() for name in sorted(is_plain)}
    if MANIFEST_FILE not in files:
        raise ModelRefusedError(f"there is no {MANIFEST_FILE} in {folder}")
    return files


def _holds(folder: Path, files: Mapping[str, bytes]) -> bool:
    """Say whether a folder is there with exactly these files."""
    if not folder.is_dir() or {path.name for path in folder.iterdir()} != set(files):
        return False
    return all((folder / name).read_bytes() == content for name, content in files.items())


def _retire(folder: Path) -> None:
    """Move a folder out of the way in one step, then remove it."""
    retired = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    folder.replace(retired / "old")
    shutil.rmtree(retired, ignore_errors=True)


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
