"""Starts one supervised program, after ending what a killed predecessor left running.

`python -m ringside_embedded.handover FILE NAME` becomes the program NAME that FILE describes. A
parent that is killed leaves children behind that hold its port or work on. Supervisord leads the
session of all its programs, so a process of that session whose parent is outside it has lost it.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

GRACE_S = 5.0


def main(file: Path, name: str) -> None:
    """End the orphans of this session, then become the program."""
    program = json.loads(file.read_text())[name]
    end_processes(list(find_orphans(os.getsid(0))), grace_s=GRACE_S)
    command, variables = program["command"], {**os.environ, **program["variables"]}
    os.execvpe(command[0], command, variables)  # noqa: S606 -- our own command


def find_orphans(session: int) -> Iterator[psutil.Process]:
    """Find the processes of a session that have lost their parent in it, and all below them."""
    members = {p.pid for p in find_members(session)} | {session}
    for pid in members - {session}:
        try:
            process = psutil.Process(pid)
            if process.ppid() not in members and process.status() != psutil.STATUS_ZOMBIE:
                yield from [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue


def find_members(session: int) -> Iterator[psutil.Process]:
    """Find all living processes of a session."""
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session:
                yield process
        except ProcessLookupError:
            continue


def end_processes(processes: list[psutil.Process], *, grace_s: float) -> None:
    """Ask each process to end, and kill those that have not after `grace_s` seconds."""
    for process in processes:
        try:
            process.terminate()
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(processes, timeout=grace_s)
    for process in alive:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(alive, timeout=grace_s)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
