"""Passwords and keys of one platform: made once, kept in one private file, never printed twice."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ringside_embedded.failures import LaunchError


@dataclass(frozen=True, repr=False)
class Credentials:
    """All secrets of one platform; never shown in a traceback or a log."""

    postgres_password: str
    airflow_db_password: str
    mlflow_db_password: str
    ringside_db_password: str
    airflow_admin_password: str
    airflow_jwt_secret: str
    airflow_api_secret: str
    airflow_fernet_key: str
    reload_token: str


def read_or_make(file: Path) -> tuple[Credentials, bool]:
    """Read the secrets, or make them on first use; the flag says that they are new.

    Raises:
        LaunchError: the file is there but is not what was written.
    """
    if not file.exists():
        made = _make()
        write_private(file, json.dumps(asdict(made), indent=2) + "\n")
        return made, True
    try:
        content = json.loads(file.read_text())
        if "reload_token" not in content:  # written by a version that had none
            content["reload_token"] = secrets.token_urlsafe(32)
            write_private(file, json.dumps(content, indent=2) + "\n")
        return Credentials(
            **{field.name: content[field.name] for field in fields(Credentials)}
        ), False
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise LaunchError(
            f"The file of secrets, {file}, is damaged ({error!r}).",
            "Put a good copy back; without one the databases cannot be opened: `make clean`.",
        ) from error


def _make() -> Credentials:
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return Credentials(
        postgres_password=secrets.token_urlsafe(24),
        airflow_db_password=secrets.token_urlsafe(24),
        mlflow_db_password=secrets.token_urlsafe(24),
        ringside_db_password=secrets.token_urlsafe(24),
        airflow_admin_password=secrets.token_urlsafe(12),
        airflow_jwt_secret=secrets.token_urlsafe(64),
        airflow_api_secret=secrets.token_urlsafe(32),
        airflow_fernet_key=key,
        reload_token=secrets.token_urlsafe(32),
    )


def write_private(file: Path, text: str) -> None:
    """Write `text` so that only the owner can ever read it, whole or not at all."""
    draft = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
