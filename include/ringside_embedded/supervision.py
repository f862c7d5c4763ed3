"""Keeps supervisord, and through it every process of the platform."""

import os
import subprocess
import time
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, cast
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport

from ringside_embedded.credentials import write_private
from ringside_embedded.failures import LaunchError
from ringside_embedded.handover import end_processes, find_members
from ringside_embedded.layout import Layout
from ringside_embedded.programs import START_ORDER, STOP_ORDER, make_base_environment
from ringside_embedded.supervisor_config import SupervisorFiles

STOP_GRACE_S = 15.0
_ANSWERS_WITHIN_S = 20.0
_POLL_S = 0.1
_UP_STATES = frozenset({"STARTING", "RUNNING", "BACKOFF", "STOPPING"})


@dataclass(frozen=True)
class ProcessState:
    """One process as supervisord sees it; `pid` is 0 when it does not run."""

    name: str
    state: str
    pid: int
    uptime_s: int
    complaint: str

    @property
    def is_running(self) -> bool:
        """Whether the process is up, or on its way up."""
        return self.state in {"RUNNING", "STARTING"}


class Supervision:
    """The supervisord of one state folder; it may be absent, alive, or killed."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def log_of(self, name: str) -> Path:
        """Give the log of one process."""
        return self._layout.log_of(name)

    def is_alive(self) -> bool:
        """Say whether our supervisord runs and answers."""
        if self._find_process() is None:
            return False
        try:
            self._call("supervisor.getState")
        except LaunchError:
            return False
        return True

    def settle(self, files: SupervisorFiles) -> set[str]:
        """Stop what does not fit: a platform with other files, or what a killed one left.

        Returns:
            The processes that may stay as they are.
        """
        file = self._layout.supervisor_config
        if self.is_alive():
            if file.exists() and file.read_text() == files.config:
                return {state.name for state in self.read_states() if state.is_running}
            self.shut_down()
        self.end_leftovers()
        return set()

    def ensure(self, files: SupervisorFiles) -> bool:
        """Have a supervisord that runs with these files; say whether it was there already.

        Raises:
            LaunchError: it does not start.
        """
        if self.is_alive():
            return True
        write_private(self._layout.programs_file, files.programs)
        write_private(self._layout.supervisor_config, files.config)
        self._start()
        return False

    def _start(self) -> None:
        program = self._layout.platform_program("supervisord")
        log = self._layout.log_of("supervisord-start")
        with log.open("wb") as sink:
            done = subprocess.run(  # noqa: S603 -- our own command; it detaches itself
                [program, "-c", str(self._layout.supervisor_config)],
                env=make_base_environment(self._layout),
                cwd=self._layout.root,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                check=False,
            )
        deadline = time.monotonic() + _ANSWERS_WITHIN_S
        while done.returncode == 0 and time.monotonic() < deadline:
            if self.is_alive():
                return
            time.sleep(_POLL_S)
        raise LaunchError("supervisord did not start.", "Run `make run` again.", log)

    def start(self, name: str) -> bool:
        """Start a process, unless it is up; say whether it was up."""
        if self.read_state(name).is_running:
            return True
        try:
            self._call("supervisor.startProcess", name, False)
        except Fault as fault:
            if fault.faultCode != Faults.ALREADY_STARTED:
                raise LaunchError(
                    f"{name} could not be started: {fault.faultString}.",
                    "Read its log and run `make run` again.",
                    self._layout.log_of(name),
                ) from fault
        return False

    def restart(self, name: str) -> None:
        """Stop a process and start it again."""
        self._stop({name})
        self.start(name)

    def read_state(self, name: str) -> ProcessState:
        """Ask supervisord about one process."""
        return _to_state(cast("dict[str, Any]", self._call("supervisor.getProcessInfo", name)))

    def read_states(self) -> list[ProcessState]:
        """Ask supervisord about all processes, in the order of starting."""
        states = [
            _to_state(info)
            for info in cast("list[Any]", self._call("supervisor.getAllProcessInfo"))
        ]
        return sorted(states, key=lambda state: START_ORDER.index(state.name))

    def _stop(self, names: set[str]) -> None:
        """Ask processes to end at the same time and wait; supervisord kills those that do not."""
        for name in names:
            try:
                self._call("supervisor.stopProcess", name, False)
            except Fault as fault:
                if fault.faultCode != Faults.NOT_RUNNING:
                    raise
        while any(s.name in names and s.state in _UP_STATES for s in self.read_states()):
            time.sleep(_POLL_S)

    def stop_all(self) -> None:
        """Stop every process, each before the ones it needs."""
        present = {state.name for state in self.read_states()}
        for names in STOP_ORDER:
            self._stop(names & present)

    def shut_down(self) -> None:
        """Stop every process in order, then supervisord."""
        process = self._find_process()
        if process is None:
            return
        self.stop_all()
        self._call("supervisor.shutdown")
        _, alive = psutil.wait_procs([process], timeout=STOP_GRACE_S)
        orphans = [p for p in find_members(process.pid) if self._is_ours(p)]
        end_processes([*alive, *orphans], grace_s=STOP_GRACE_S)

    def find_leftovers(self) -> list[psutil.Process]:
        """Find what a killed supervisord left running.

        Its processes are known by their session: the session's number is the pid of the supervisord
        that made it, and no new process can get that number while any of them lives.
        """
        session = self._read_pid()
        if session is None or _is_living(session):
            return []
        return [p for p in find_members(session) if self._is_ours(p)]

    def end_leftovers(self) -> int:
        """End what a killed supervisord left running; answer how many processes that were."""
        ours = self.find_leftovers()
        database = [p for p in ours if p.name() == "postgres"]
        end_processes([p for p in ours if p not in database], grace_s=STOP_GRACE_S)
        end_processes(database, grace_s=STOP_GRACE_S)
        return len(ours)

    def _is_ours(self, process: psutil.Process) -> bool:
        folders = (str(self._layout.root), str(self._layout.state))
        try:
            return str(process.cwd()).startswith(folders)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def _read_pid(self) -> int | None:
        try:
            return int(self._layout.supervisor_pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _find_process(self) -> psutil.Process | None:
        """Find our supervisord; a recycled pid is told by its command."""
        pid = self._read_pid()
        try:
            process = psutil.Process(pid) if pid else None
            is_ours = process and str(self._layout.supervisor_config) in process.cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return None
        return process if is_ours else None

    def _call(self, method: str, *arguments: object) -> object:
        """Call supervisord; each call has a connection of its own, so threads do not meet."""
        address = f"unix://{self._layout.supervisor_socket}"
        transport = SupervisorTransport(None, None, serverurl=address)
        proxy = ServerProxy("http://127.0.0.1", transport=transport)
        try:
            return getattr(proxy, method)(*arguments)
        except (OSError, HTTPException) as error:
            raise LaunchError(
                f"supervisord does not answer ({error}).",
                "`make run` brings everything back.",
                self._layout.log_of("supervisord"),
            ) from error
        finally:
            transport.close()


def _is_living(pid: int) -> bool:
    """Say whether a process runs; one that was killed but not yet reaped does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _to_state(info: dict[str, Any]) -> ProcessState:
    uptime_s = info["now"] - info["start"] if info["pid"] else 0
    return ProcessState(info["name"], info["statename"], info["pid"], uptime_s, info["spawnerr"])


def read_memory_mib(pid: int) -> float:
    """Add up the memory of a process and all below it, in MiB, shared pages counted once.

    Where the system does not tell proportional shares, resident sizes are added.
    """
    total = 0
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    for member in family:
        try:
            memory = member.memory_full_info() if os.name == "posix" else member.memory_info()
            total += getattr(memory, "pss", memory.rss)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / 2**20
