"""Makes the passwords and keys of the composed platform on first use, and hands each part its own.

`python3 -m ringside_containers.secret_files` runs before everything else. What was made is kept
in one volume that no other container mounts; each part finds only its own files in /run/secrets.
"""

import base64
import json
import os
import secrets
import sys
from pathlib import Path

KEPT = Path("/run/credentials/credentials.json")
HANDED_OUT = Path("/run/secrets")
ROLES = ("airflow", "mlflow", "ringside", "ringside_training", "ringside_serving")
_KEYS = ("airflow_admin_password", "airflow_api_secret", "airflow_jwt_secret", "airflow_fernet_key")
_SHORTEST = 12


class DamagedSecretsError(Exception):
    """The kept secrets are not what was written; the message says what to do."""


def read_or_make(file: Path) -> dict[str, str]:
    """Read the secrets, make those that are missing, and keep all of them.

    Raises:
        DamagedSecretsError: the file cannot be read, or a secret in it is too short to be ours.
    """
    content = _read(file) if file.exists() else {}
    complete = _make() | content
    if complete != content:
        write_private(file, json.dumps(complete, indent=2) + "\n")
    return complete


def render_files(content: dict[str, str]) -> dict[str, dict[str, str]]:
    """Give the files of each part, as `{part: {file name: text}}`."""
    admin = content["airflow_admin_password"]
    return {
        "postgres": {"roles.json": json.dumps({role: content[role] for role in ROLES})},
        "mlflow": {"mlflow_database_url": _make_url("mlflow", content, "psycopg2")},
        "airflow": {
            "airflow_database_url": _make_url("airflow", content, "psycopg2"),
            "airflow_logins.json": json.dumps({"admin": admin}),
            **{key: content[key] for key in _KEYS},
            "ringside_database_url": _make_url("ringside", content, "psycopg"),
            "ringside_training_database_url": _make_url("ringside_training", content, "psycopg"),
        },
        "serving": {
            "ringside_database_url": _make_url("ringside_serving", content, "psycopg"),
            "ringside_reload_token": content["reload_token"],
        },
    }


def write_private(file: Path, text: str) -> None:
    """Write `text` so that only the owner can ever read it, whole or not at all."""
    draft = file.with_name(f".{file.name}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)


def main() -> int:
    """Make what is missing and hand out all files; returns the exit status."""
    try:
        content = read_or_make(KEPT)
    except DamagedSecretsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for part, files in render_files(content).items():
        for name, text in files.items():
            write_private(HANDED_OUT / part / name, text)
    sys.stderr.write("secrets are in place\n")
    return 0


def _read(file: Path) -> dict[str, str]:
    advice = "Restore the volume `credentials` from a backup, or remove it: new ones are made."
    try:
        content = json.loads(file.read_text())
        wrong = [k for k, v in content.items() if not isinstance(v, str) or len(v) < _SHORTEST]
        _require_fernet_key(content.get("airflow_fernet_key"))
    except (AttributeError, ValueError) as error:
        raise DamagedSecretsError(f"The kept secrets are damaged: {error!r}. {advice}") from error
    if wrong:
        raise DamagedSecretsError(f"These secrets are damaged: {', '.join(wrong)}. {advice}")
    return dict(content)


def _require_fernet_key(key: str | None) -> None:
    if key is not None and len(base64.urlsafe_b64decode(key)) != 32:
        raise ValueError("airflow_fernet_key is no key of 32 bytes")


def _make() -> dict[str, str]:
    return {
        **{role: secrets.token_urlsafe(24) for role in ROLES},
        "airflow_admin_password": secrets.token_urlsafe(12),
        "airflow_api_secret": secrets.token_urlsafe(32),
        "airflow_jwt_secret": secrets.token_urlsafe(64),
        "airflow_fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "reload_token": secrets.token_urlsafe(32),
    }


def _make_url(role: str, content: dict[str, str], driver: str) -> str:
    """Give the SQLAlchemy URL of a role; the role's name begins with its database's."""
    database = role.partition("_")[0]
    return f"postgresql+{driver}://{role}:{content[role]}@postgres:5432/{database}"


if __name__ == "__main__":
    sys.exit(main())
