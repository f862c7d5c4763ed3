"""Operators with the house's defaults: training in a container or a process, asking a person."""

import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.docker.operators.docker import DockerOperator
from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from docker.errors import APIError

from ringside.settings import Settings
from ringside_airflow.connections import task_settings
from ringside_airflow.defaults import TRAINING_POOL
from ringside_airflow.training_container import (
    Bounds,
    TrainingContainer,
    Work,
    describe_owner,
    find_refusal,
)

PERMANENT_EXITS = {2, 65}
"""Wrong usage, and retrying cannot help (see `ringside.cli`); all else is worth a retry."""

# Threads that spin while they wait starve the other tasks of a small machine.
THREADS = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
# The container's root is read-only, and nobody of its user's name has a home.
_MEMORY = "/tmp"  # noqa: S108 - a memory file system of the container's own
_FOLDERS = {"HOME": _MEMORY, "MPLCONFIGDIR": _MEMORY, "RINGSIDE_STATE_DIR": f"{_MEMORY}/ringside"}
_OF_THIS_MACHINE = {
    "database_url",
    "docker_url",
    "project",
    "serving_folder",
    "serving_image",
    "serving_python",
    "serving_runner",
    "source_path",
    "state_dir",
    "training_cpus",
    "training_database_url",
    "training_image",
    "training_memory_mib",
    "training_network",
    "training_runner",
}


class TrainingOperator(DockerOperator):
    """Run one `ringside` command in the training container, or in a process of this machine.

    The setting `training_runner` chooses when the task runs. Either way the same command writes
    to the same stores, its lines appear in the task's log as they come, and its exit code alone
    tells how it went: results are never read from its output.

    Args:
        command: Arguments of `ringside`, for example `["train", "--series", "BTC/USDT"]`.
    """

    module = "ringside.cli"
    container_program: Sequence[str] = ("ringside",)

    # The image and the environment are known when the task runs; no secret is ever rendered.
    template_fields: Sequence[str] = ("command",)

    def __init__(self, *, command: list[Any], **kwargs: Any) -> None:  # noqa: ANN401 - Airflow's
        preset = {
            "image": "set by RINGSIDE_TRAINING_IMAGE",
            "auto_remove": "force",
            "mount_tmp_dir": False,
            "do_xcom_push": False,
            "pool": TRAINING_POOL,
        }
        super().__init__(command=command, **(preset | kwargs))
        self._process: SubprocessHook | None = None
        self._container: TrainingContainer | None = None

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

    def find_image(self, settings: Settings) -> str:
        """Name the image of the container."""
        return settings.training_image

    def on_kill(self) -> None:
        """Stop the container or the process group; neither outlives its task."""
        if self._container is not None:
            self._container.stop()
        process = self._process.sub_process if self._process else None
        if process is not None and process.poll() is None:
            self._process.send_sigterm()

    def _run_process(self, settings: Settings) -> int:
        environment = os.environ | THREADS
        environment["PYTHONUNBUFFERED"] = "1"
        environment["RINGSIDE_DATABASE_URL"] = settings.database_url.get_secret_value()
        self._process = SubprocessHook()
        arguments = [sys.executable, "-m", self.module, *self.command]
        # Settings may hold relative folders, so the child must not start in a temporary one.
        result = self._process.run_command(arguments, env=environment, cwd=str(Path.cwd()))
        return int(result.exit_code)

    def _run_container(self, settings: Settings, context: Context) -> int:
        """Run the command in a container that is gone when this returns, whatever happens.

        Raises:
            AirflowFailException: the engine has no such image, or may not be asked for this.
            APIError: the engine failed otherwise; the task is tried again.
        """
        self.docker_url = settings.docker_url
        secret = settings.training_database_url or settings.database_url
        work = Work(
            image=self.find_image(settings),
            command=[*self.container_program, "--database-url-from-stdin", *self.command],
            environment=THREADS | _FOLDERS | container_environment(settings),
            owner=describe_owner(settings.project, context["ti"]),
        )
        bounds = Bounds(
            settings.training_memory_mib, settings.training_cpus, settings.training_network
        )
        self._container = TrainingContainer(self.cli, self.log)
        try:
            self._container.create(work, bounds)
            return self._container.run(secret.get_secret_value())
        except APIError as error:
            if refusal := find_refusal(work.image, error):
                raise AirflowFailException(refusal) from error
            raise
        finally:
            self._container.remove()


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


class ExaminationOperator(TrainingOperator):
    """Examine new challengers where the service runs: its image, or its environment here."""

    module = "ringside.examiner"
    container_program = ("python", "-m", "ringside.examiner")

    def find_image(self, settings: Settings) -> str:
        """Name the service's own image."""
        return settings.serving_image


class AskHumanOperator(ApprovalOperator):
    """Ask a person about borderline verdicts; without an answer in time the champions stay."""

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - Airflow's
        preset = {"defaults": self.REJECT, "response_timeout": timedelta(hours=1)}
        super().__init__(**(preset | kwargs))

    def execute(self, context: Context) -> Any:  # noqa: ANN401 - as the operator above it
        """Wait for an answer as long as the setting `ask_timeout_minutes` says."""
        self.response_timeout = timedelta(minutes=task_settings().ask_timeout_minutes)
        return super().execute(context)
