"""Where everything of one platform lies: the checkout, its environments, its state folder."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ringside_embedded.environments import ROOT, environments_dir

# The kernel's limit for the path of a Unix socket is 108 bytes; supervisord adds `.` and its pid.
_LONGEST_SOCKET_PATH = 90


@dataclass(frozen=True)
class Layout:
    """Paths of one platform; all absolute."""

    root: Path
    state: Path
    environments: Path

    @classmethod
    def find(cls, state: str | None = None) -> "Layout":
        """Take the state folder from `state`, else `RINGSIDE_STATE_DIR`, else `.ringside`.

        A relative folder is meant relative to the checkout, where make runs.
        """
        named = state or os.environ.get("RINGSIDE_STATE_DIR") or ".ringside"
        return cls(ROOT, (ROOT / Path(named).expanduser()).resolve(), environments_dir())

    @property
    def run(self) -> Path:
        """Locks, pid files and sockets; worthless when nothing runs."""
        return self.state / "run"

    @property
    def logs(self) -> Path:
        """One rotated log for each process."""
        return self.state / "logs"

    @property
    def airflow_home(self) -> Path:
        """Airflow's own folder, with the logs of tasks."""
        return self.state / "airflow"

    @property
    def postgres_data(self) -> Path:
        """The data folder of PostgreSQL."""
        return self.state / "postgres"

    @property
    def mlflow_artifacts(self) -> Path:
        """Where the MLflow server keeps artifacts."""
        return self.state / "mlflow"

    @property
    def secrets_file(self) -> Path:
        """Passwords and keys, readable by the owner only."""
        return self.state / "secrets.json"

    @property
    def choices_file(self) -> Path:
        """Ports and data source as they were chosen, for the next run."""
        return self.state / "choices.json"

    @property
    def supervisor_config(self) -> Path:
        """Written before each start of supervisord."""
        return self.run / "supervisord.conf"

    @property
    def programs_file(self) -> Path:
        """Command and variables of each process; holds secrets, so it is private."""
        return self.run / "programs.json"

    @property
    def supervisor_pid_file(self) -> Path:
        """Written by supervisord; stays behind when it is killed."""
        return self.run / "supervisord.pid"

    @property
    def supervisor_socket(self) -> Path:
        """The control socket; in a private folder under the system's temp folder if too long."""
        socket = self.run / "supervisor.sock"
        if len(os.fsencode(socket)) <= _LONGEST_SOCKET_PATH:
            return socket
        digest = hashlib.sha256(os.fsencode(self.state)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"ringside-{os.getuid()}-{digest}" / "supervisor.sock"

    def platform_program(self, name: str) -> str:
        """Give the path of a program of the platform environment."""
        return str(self.environments / "platform" / "bin" / name)

    def serving_program(self, name: str) -> str:
        """Give the path of a program of the serving environment."""
        return str(self.environments / "serving" / "bin" / name)

    def log_of(self, part: str) -> Path:
        """Give the log of one process."""
        return self.logs / f"{part}.log"

    def make_folders(self) -> None:
        """Create the folders that the launcher itself writes to."""
        folders = (self.run, self.logs, self.airflow_home / "logs", self.mlflow_artifacts)
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        self.supervisor_socket.parent.mkdir(mode=0o700, exist_ok=True)
