"""Starts PostgreSQL: makes the cluster on first use, brings roles and passwords to the secrets'.

While roles are set, the server listens on a Unix socket only that nobody outside this container
reaches; then this process becomes the server.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

VOLUME = Path("/var/lib/postgresql/data")
DATA = VOLUME / "main"
ROLES_FILE = Path("/run/secrets/roles.json")
SOCKETS = "/run/postgresql"
MAJOR = "15"
DATABASES = ("airflow", "mlflow", "ringside")
# Each role reaches one database, and only with its password.
HOST_RULES = """\
local all       postgres           trust
host  airflow   airflow            all scram-sha-256
host  mlflow    mlflow             all scram-sha-256
host  ringside  ringside           all scram-sha-256
host  ringside  ringside_training  all scram-sha-256
host  ringside  ringside_serving   all scram-sha-256
"""


def render_roles(passwords: dict[str, str]) -> str:
    """Give the SQL, for psql, that makes roles and databases or brings them up to date."""
    lines = ["\\set ON_ERROR_STOP on"]
    for role, password in passwords.items():
        lines.append(
            f"SELECT 'CREATE ROLE {role} LOGIN' WHERE NOT EXISTS"  # noqa: S608 - our own names
            f" (SELECT 1 FROM pg_roles WHERE rolname = '{role}') \\gexec"
        )
        lines.append(f"ALTER ROLE {role} PASSWORD '{password}';")
    for name in DATABASES:
        lines.append(
            f"SELECT 'CREATE DATABASE {name} OWNER {name}' WHERE NOT EXISTS"  # noqa: S608 - as above
            f" (SELECT 1 FROM pg_database WHERE datname = '{name}') \\gexec"
        )
        lines.append(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC;")
    lines.append("GRANT CONNECT ON DATABASE ringside TO ringside_training, ringside_serving;")
    return "\n".join(lines) + "\n"


def prepare() -> int:
    """Make cluster and roles ready; returns the exit status."""
    try:
        passwords = json.loads(ROLES_FILE.read_text())
    except (OSError, ValueError) as error:
        sys.stderr.write(f"the secrets of PostgreSQL cannot be read: {error}\n")
        return 1
    version = DATA / "PG_VERSION"
    if not DATA.exists():
        make_cluster()
    found = version.read_text().strip()
    if found != MAJOR:
        sys.stderr.write(
            f"the volume holds data of PostgreSQL {found}, this image is {MAJOR}: "
            "take a backup with the old image and restore it here\n"
        )
        return 1
    (DATA / "pg_hba.conf").write_text(HOST_RULES)
    set_roles(passwords)
    return 0


def main() -> None:
    """Prepare, then become the server."""
    if status := prepare():
        sys.exit(status)
    os.execvp("postgres", ["postgres", "-D", str(DATA), *_options("*")])  # noqa: S606, S607


def make_cluster() -> None:
    """Create the data folder, whole or not at all; a start that was cut short is begun anew."""
    draft = VOLUME / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    command = ["initdb", "-D", str(draft), "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8"]
    command += ["--data-checksums", "--auth-local=trust", "--auth-host=scram-sha-256"]
    _run(command)
    draft.rename(DATA)


def set_roles(passwords: dict[str, str]) -> None:
    """Bring roles, passwords and databases to what they shall be, unseen by the network."""
    options = " ".join(_options(""))
    control = ["pg_ctl", "-D", str(DATA), "-w", "-t", "300", "-s"]
    _run([*control, "-o", options, "start"])
    try:
        psql = ["psql", "-X", "-q", "-h", SOCKETS, "-U", "postgres", "-d", "postgres"]
        _run(psql, text=render_roles(passwords))
    finally:
        _run([*control, "-m", "fast", "stop"])


def _options(addresses: str) -> list[str]:
    return ["-c", f"listen_addresses={addresses}", "-k", SOCKETS]


def _run(command: list[str], text: str = "") -> None:
    subprocess.run(command, input=text, text=True, check=True, stdout=sys.stderr)  # noqa: S603


if __name__ == "__main__":
    main()
