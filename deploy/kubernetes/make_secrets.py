"""Writes Kubernetes Secrets with new passwords and keys to stdout, named as the manifests expect.

    PYTHONPATH=include python3 deploy/kubernetes/make_secrets.py | kubectl create -f -

They are those of the composed platform, part by part. `create` refuses where one exists: other keys
than before would lock everybody out. Needs nothing but Python.
"""

import json
import sys
import tempfile
from pathlib import Path

from ringside_containers.secret_files import read_or_make, render_files

RELOAD_TOKEN = "ringside_reload_token"  # noqa: S105 - the name of a file
TRAINING_DATABASE_URL = "ringside_training_database_url"
PLATFORM, TRAINING = "ringside", "ringside-training"


def make_secrets() -> list[dict[str, object]]:
    """Make one Secret for each part, and one for the pods of trainings in their own namespace."""
    with tempfile.TemporaryDirectory() as folder:
        parts = render_files(read_or_make(Path(folder) / "credentials.json"))
    # Who promotes must know the token of those who serve.
    parts["airflow"][RELOAD_TOKEN] = parts["serving"][RELOAD_TOKEN]
    # A training finds its URL where every command of `ringside` looks for it.
    training = {"ringside_database_url": parts["airflow"].pop(TRAINING_DATABASE_URL)}
    made = [_make_secret(PLATFORM, f"ringside-{part}", files) for part, files in parts.items()]
    return [*made, _make_secret(TRAINING, TRAINING, training)]


def _make_secret(namespace: str, name: str, files: dict[str, str]) -> dict[str, object]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": files}


def main() -> None:
    """Write all of them as one list; JSON is YAML."""
    content = {"apiVersion": "v1", "kind": "List", "items": make_secrets()}
    sys.stdout.write(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
