"""Operators with the house's defaults: training in a container or a process, asking a person."""

import os
import re
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.docker.exceptions import DockerContainerFailedException
from airflow.providers.docker.operators.docker import DockerOperator
from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from ringside.settings import Settings
from ringside_airflow.connections import task_settings
from ringside_airflow.defaults import TRAINING_POOL

PERMANENT_EXITS = {2, 65}
"""Wrong usage, and retrying cannot help (see `ringside.cli`); all else is worth a retry."""

# Threads that spin while they wait starve the other tasks of a small machine.
THREADS = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
_OF_THIS_MACHINE = {"database_url", "docker_url", "source_path", "state_dir", "training_runner"}


class TrainingOperator(DockerOperator):
    """Run one `ringside` command in the training container, or in a process of this machine.

    The setting `training_runner` chooses when the task runs. Either way the same command writes
    to the same stores, its lines appear in the task's log as they come, and its exit code alone
    tells how it went: results are never read from its output.

    Args:
        command: Arguments of `ringside`, for example `["train", "--series", "BTC/USDT"]`.
    """

    # The image and the environment are known when the task runs; no secret is ever rendered.
    template_fields: Sequence[str] = ("command",)

    def __init__(self, *, command: list[Any], **kwargs: Any) -> None:  # noqa: ANN401 - Airflow's
        preset = {
            "image": "set by RINGSIDE_TRAINING_IMAGE",
            "auto_remove": "force",
            "mount_tmp_dir": False,
            "mem_limit": "2g",
            "cpus": 1.0,
            "do_xcom_push": False,
            "pool": TRAINING_POOL,
        }
        super().__init__(command=command, **(preset | kwargs))
        self._process: SubprocessHook | None = None

    def execute(self, context: Context) -> None:
        """Run the command to its end.

        Raises:
            AirflowFailException: it answered that retrying cannot help.
            AirflowException: it failed otherwise.
        """
        settings = task_settings()
        if settings.training_runner == "docker":
            exit_code = self._run_container(settings, context)
        else:
            exit_code = self._run_process(settings)
        if exit_code == 0:
            return
        command = " ".join(["ringside", *self.command])
        failure = AirflowFailException if exit_code in PERMANENT_EXITS else AirflowException
        raise failure(f"`{command}` ended with exit code {exit_code}; the reason is logged above")

    def on_kill(self) -> None:
        """Stop the container or the process group; neither outlives its task."""
        if self._process is None:
            super().on_kill()
        elif self._process.sub_process is not None and self._process.sub_process.poll() is None:
            self._process.send_sigterm()

    def _run_process(self, settings: Settings) -> int:
        environment = os.environ | THREADS
        environment["PYTHONUNBUFFERED"] = "1"
        environment["RINGSIDE_DATABASE_URL"] = settings.database_url.get_secret_value()
        self._process = SubprocessHook()
        arguments = [sys.executable, "-m", "ringside.cli", *self.command]
        # Settings may hold relative folders, so the child must not start in a temporary one.
        result = self._process.run_command(arguments, env=environment, cwd=str(Path.cwd()))
        return int(result.exit_code)

    def _run_container(self, settings: Settings, context: Context) -> int:
        self.image = settings.training_image
        self.docker_url = settings.docker_url
        self.environment = THREADS | container_environment(settings)
        self._private_environment = {
            "RINGSIDE_DATABASE_URL": settings.database_url.get_secret_value()
        }
        arguments, self.command = self.command, ["ringside", *self.command]
        try:
            super().execute(context)
        except DockerContainerFailedException as error:
            return read_exit_code(error)
        finally:
            self.command = arguments
        return 0


def container_environment(settings: Settings) -> dict[str, str]:
    """Write the settings that were chosen as variables, but for secrets and this machine's paths.

    Tuples become comma-separated text, as `Settings` reads them.
    """
    chosen = sorted(settings.model_fields_set - _OF_THIS_MACHINE)
    values = {name: getattr(settings, name) for name in chosen}
    return {
        f"RINGSIDE_{name.upper()}": ",".join(map(str, value))
        if isinstance(value, tuple)
        else str(value)
        for name, value in values.items()
    }


def read_exit_code(error: DockerContainerFailedException) -> int:
    """Read a container's exit code; the provider tells it only in the message. 1 if not told."""
    told = re.search(r"'StatusCode': (\d+)", str(error))
    return int(told.group(1)) if told else 1


class AskHumanOperator(ApprovalOperator):
    """Ask a person about borderline verdicts; without an answer in time the champions stay."""

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - Airflow's
        preset = {"defaults": self.REJECT, "response_timeout": timedelta(hours=1)}
        super().__init__(**(preset | kwargs))

    def execute(self, context: Context) -> Any:  # noqa: ANN401 - as the operator above it
        """Wait for an answer as long as the setting `ask_timeout_minutes` says."""
        self.response_timeout = timedelta(minutes=task_settings().ask_timeout_minutes)
        return super().execute(context)
