"""Operators with the house's defaults: training wherever that is set, asking a person."""

import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.docker.operators.docker import DockerOperator
from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from docker.errors import APIError

from ringside.settings import Settings
from ringside_airflow.connections import task_settings
from ringside_airflow.defaults import TRAINING_POOL
from ringside_airflow.training_container import TrainingContainer, find_refusal
from ringside_airflow.training_work import THREADS, make_work

if TYPE_CHECKING:
    from ringside_airflow.training_pod import TrainingPod

PERMANENT_EXITS = {2, 65}
"""Wrong usage, and retrying cannot help (see `ringside.cli`); all else is worth a retry."""


class TrainingOperator(DockerOperator):
    """Run one `ringside` command in a process of this machine, a container or a pod.

    The setting `training_runner` chooses when the task runs. In every way the same command writes
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
            "do_xcom_push": False,
            "pool": TRAINING_POOL,
        }
        super().__init__(command=command, **(preset | kwargs))
        self._process: SubprocessHook | None = None
        self._container: TrainingContainer | None = None
        self._pod: TrainingPod | None = None

    def execute(self, context: Context) -> None:
        """Run the command to its end.

        Raises:
            AirflowFailException: it answered that retrying cannot help.
            AirflowException: it failed otherwise.
        """
        settings = task_settings()
        if settings.training_runner == "docker":
            exit_code = self._run_container(settings, context)
        elif settings.training_runner == "kubernetes":
            exit_code = self._run_pod(settings, context)
        else:
            exit_code = self._run_process(settings)
        if exit_code == 0:
            return
        command = " ".join(["ringside", *self.command])
        failure = AirflowFailException if exit_code in PERMANENT_EXITS else AirflowException
        raise failure(f"`{command}` ended with exit code {exit_code}; the reason is logged above")

    def on_kill(self) -> None:
        """Stop the container, the pod or the process group; none outlives its task."""
        if self._container is not None:
            self._container.stop()
        if self._pod is not None:
            self._pod.on_kill()
        process = self._process.sub_process if self._process else None
        if process is not None and process.poll() is None:
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
        """Run the command in a container that is gone when this returns, whatever happens.

        Raises:
            AirflowFailException: the engine has no such image, or may not be asked for this.
            APIError: the engine failed otherwise; the task is tried again.
        """
        self.docker_url = settings.docker_url
        secret = settings.training_database_url or settings.database_url
        arguments = ["--database-url-from-stdin", *self.command]
        work = make_work(settings, arguments, context["ti"])
        self._container = TrainingContainer(self.cli, self.log)
        try:
            self._container.create(work, settings.training_network)
            return self._container.run(secret.get_secret_value())
        except APIError as error:
            if refusal := find_refusal(work.image, error):
                raise AirflowFailException(refusal) from error
            raise
        finally:
            self._container.remove()

    def _run_pod(self, settings: Settings, context: Context) -> int:
        """Run the command in a pod that is gone when this returns, whatever happens.

        Raises:
            AirflowFailException: the cluster may not be asked for this pod, or never could run it.
            AirflowException: the pod never ran; the task is tried again.
        """
        # Loads the client of Kubernetes: seconds that only a task which starts a pod should pay.
        from ringside_airflow.training_pod import TrainingPod

        self._pod = TrainingPod(
            task_id=self.task_id,
            work=make_work(settings, self.command, context["ti"]),
            namespace=settings.training_namespace,
            secret=settings.training_secret,
            limit=self.execution_timeout,
        )
        return self._pod.run(context)


class AskHumanOperator(ApprovalOperator):
    """Ask a person about borderline verdicts; without an answer in time the champions stay."""

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - Airflow's
        preset = {"defaults": self.REJECT, "response_timeout": timedelta(hours=1)}
        super().__init__(**(preset | kwargs))

    def execute(self, context: Context) -> Any:  # noqa: ANN401 - as the operator above it
        """Wait for an answer as long as the setting `ask_timeout_minutes` says."""
        self.response_timeout = timedelta(minutes=task_settings().ask_timeout_minutes)
        return super().execute(context)
