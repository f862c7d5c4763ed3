"""Writes files that a reader finds whole, old or new, whenever it looks."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, content: str) -> None:
    """Replace the text file at `path` in one step; see `place_whole`."""
    place_whole(path, lambda draft: draft.write_text(content, encoding="utf-8"))


def place_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a draft beside `path` and move it into place in one step.

    Any number of threads and processes may place the same file; the last to finish wins. Folders
    are made as needed, and a draft that failed is removed.

    Raises:
        OSError: The disk is full or the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        write(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
