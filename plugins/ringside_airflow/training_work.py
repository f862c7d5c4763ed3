"""What a training outside this machine's processes runs and may use; alike in container and pod."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ringside.settings import Settings

# Threads that spin while they wait starve the other tasks of a small machine.
THREADS = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
MEMORY = "/tmp"  # noqa: S108 - a memory file system of the container's own
"""The one folder that can be written: the root is read-only, and its user has no home."""
_FOLDERS = {"HOME": MEMORY, "MPLCONFIGDIR": MEMORY, "RINGSIDE_STATE_DIR": f"{MEMORY}/ringside"}
_OF_THIS_MACHINE = {
    "database_url",
    "docker_url",
    "image_id",
    "project",
    "reload_token",
    "serving_runner",
    "source_path",
    "state_dir",
    "training_cpus",
    "training_database_url",
    "training_image",
    "training_memory_mib",
    "training_namespace",
    "training_network",
    "training_runner",
    "training_secret",
}


@dataclass(frozen=True)
class Bounds:
    """What a training may use."""

    memory_mib: int
    cpus: float
    temporary_mib: int = 512


@dataclass(frozen=True)
class Work:
    """What a training runs. `owner` names the task it works for, try and secret apart."""

    image: str
    command: list[str]
    environment: Mapping[str, str]
    owner: Mapping[str, str]
    bounds: Bounds


def make_work(settings: Settings, arguments: Sequence[str], instance: Any) -> Work:  # noqa: ANN401 - Airflow's task instance
    """Make the work of a task from what is set; `arguments` are those of `ringside`."""
    return Work(
        image=settings.training_image,
        command=["ringside", *arguments],
        environment=THREADS | _FOLDERS | _chosen_settings(settings),
        owner=_describe_owner(settings.project, instance),
        bounds=Bounds(settings.training_memory_mib, settings.training_cpus),
    )


def _chosen_settings(settings: Settings) -> dict[str, str]:
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


def _describe_owner(project: str, instance: Any) -> dict[str, str]:  # noqa: ANN401 - as above
    """Name the task that a training works for; the same for every try of it."""
    return {
        "project": project,
        "dag": instance.dag_id,
        "run": instance.run_id,
        "task": instance.task_id,
        "map_index": str(instance.map_index),
    }
