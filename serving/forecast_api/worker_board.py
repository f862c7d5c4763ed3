"""The board on which each worker process says what it serves: one small JSON file per process."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ringside.adapters.whole_files import write_whole


class WorkerBoard:
    """Notes of the workers of one Gunicorn master, in one folder.

    A worker can answer only for itself, so whoever needs to know what *all* of them serve reads
    their notes; a note counts only while its process lives and has this master for a parent.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, note: Mapping[str, object]) -> None:
        """Put up the note of this process; `note` must be JSON."""
        content = json.dumps({**note, "parent": os.getppid()}, indent=1)
        write_whole(self._file(os.getpid()), content)

    def remove(self, pid: int) -> None:
        """Take down the note of process `pid`, if there is one."""
        self._file(pid).unlink(missing_ok=True)

    def has(self, pid: int) -> bool:
        """Say whether process `pid` has put up its note."""
        return self._file(pid).exists()

    def is_alive(self, pid: int) -> bool:
        """Say whether the process exists."""
        return _is_alive(pid)

    def claim(self, generation: int) -> bool:
        """Say whether this is the first worker of its generation to ask."""
        claim = self._folder / f"counted-{os.getppid()}-{generation}"
        try:
            claim.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def sweep(self) -> None:
        """Take down notes whose process is gone, and claims of earlier generations."""
        for claim in self._folder.glob("counted-*"):
            claim.unlink(missing_ok=True)
        for file in self._folder.glob("[0-9]*.json"):
            if not _is_alive(int(file.stem)):
                file.unlink(missing_ok=True)

    def read(self) -> list[dict[str, Any]]:
        """Return the notes of the live workers beside this one, itself included, by process id."""
        notes = []
        for file in self._folder.glob("[0-9]*.json"):
            try:
                note = json.loads(file.read_text())
            except (FileNotFoundError, ValueError):  # its worker has just left, or a power cut
                continue
            if note.pop("parent", None) == os.getppid() and _is_alive(note["pid"]):
                notes.append(note)
        return sorted(notes, key=lambda note: int(note["pid"]))

    def _file(self, pid: int) -> Path:
        return self._folder / f"{pid}.json"


def _is_alive(pid: int) -> bool:
    """Ask the system whether the process exists; signal 0 is never delivered."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
