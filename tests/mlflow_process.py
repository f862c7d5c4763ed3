"""A real MLflow server for tests, with its artefacts in a folder or an object store."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from processes import find_free_port, running, wait_for


@contextmanager
def mlflow_server(
    folder: Path, artifacts: str, *, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run it for the length of the block; `artifacts` is a path or a URL such as s3://bucket."""
    port, log = find_free_port(), folder / "log"
    command = [
        str(Path(sys.executable).with_name("mlflow")), "server",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", artifacts, "--serve-artifacts",
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--allowed-hosts", "localhost:*,127.0.0.1:*",
    ]  # fmt: skip
    variables = {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        **(environment or {}),
    }
    with running(command, log, env=variables, cwd=folder) as process:
        wait_for(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}"
