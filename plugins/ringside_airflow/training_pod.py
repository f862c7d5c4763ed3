"""The training pod: bounded, without rights, its secret a file, followed by its lines, deleted."""

import json
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.utils.pod_manager import PodLaunchFailedException
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from kubernetes.client import ApiException
from kubernetes.client import models as k8s

from ringside_airflow.training_work import MEMORY, Bounds, Work

SERVICE_ACCOUNT = "ringside-training"
"""Has no rights; a pod in its namespace runs as it, and takes its pull secrets."""
SECRETS = "/run/secrets"
DATABASE_URL = "ringside_database_url"
USER = 10001
"""The user of all Ringside's images."""

# The cluster waits for it, not the task, which is gone as soon as it has asked.
_GRACE_S = 10
_NEVER = {"InvalidImageName", "ErrImageNeverPull"}
_REFUSALS = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
# Labels that tell one try of a task from another, or this Airflow from the last one.
_OF_ONE_TRY = {"try_number", "airflow_version", "airflow_kpo_in_cluster"}


class TrainingPod(KubernetesPodOperator):
    """One pod of one try of a task.

    It is no task of its own: `TrainingOperator` makes it when it runs, as image and bounds are
    settings. The root file system is read-only, `/tmp` is memory, the URL of the database is a
    file of a Kubernetes Secret: neither the pod's description nor its environment shows it.

    Args:
        work: What to run; the arguments of `ringside` alone, as no secret goes in on stdin.
        namespace: Where to run it; empty: where Airflow itself runs.
        secret: Name of the Secret, in that namespace.
        limit: When the cluster ends the pod if its task no longer can; None: never.
    """

    def __init__(
        self,
        *,
        work: Work,
        namespace: str = "",
        secret: str,
        limit: timedelta | None = None,
        **kwargs: Any,  # noqa: ANN401 - Airflow's
    ) -> None:
        preset: dict[str, Any] = {
            "name": "ringside-" + work.owner["task"].replace("_", "-").replace(".", "-"),
            "namespace": namespace or None,
            "image": work.image,
            "image_pull_policy": "IfNotPresent",
            "cmds": work.command[:1],
            "arguments": work.command[1:],
            "env_vars": dict(work.environment),
            "labels": label(work.owner),
            "container_resources": bound(work.bounds),
            "volumes": make_volumes(work.bounds, secret),
            "volume_mounts": _MOUNTS,
            "service_account_name": SERVICE_ACCOUNT,
            "automount_service_account_token": False,
            "security_context": _POD_RIGHTS,
            "container_security_context": _NO_RIGHTS,
            "full_pod_spec": _UNSEEN,
            "active_deadline_seconds": round(limit.total_seconds()) if limit else None,
            "termination_grace_period": _GRACE_S,
            "on_finish_action": "delete_pod",
            "on_kill_action": "delete_pod",
            # An orphan may just be going; joining it would fail this try as well.
            "durable": False,
            "do_xcom_push": False,
            "log_formatter": lambda _container, line: line.rstrip("\n"),
            "log_pod_spec_on_failure": False,
            "startup_check_interval_seconds": 2,
        }
        super().__init__(**(preset | kwargs))

    def run(self, context: Context) -> int:
        """Run the pod to its end and return its exit code; the pod is gone then.

        Raises:
            AirflowFailException: the cluster refuses the pod, or can never run its image.
            AirflowException: the pod never ran, or was taken away; the task is tried again.
        """
        try:
            self.name = self._set_name(self.name)
            self.pod_request_obj = self.build_pod_request_obj(context)
            self.remove_orphans(self.pod_request_obj.metadata)
            self.execute_sync(context)
        except ApiException as error:
            if refusal := find_refusal(error):
                raise AirflowFailException(refusal) from error
            raise
        except AirflowException as error:
            exit_code = find_exit_code(self.remote_pod, self.base_container_name)
            if exit_code is None:
                raise _explain(error, self.remote_pod) from error
            self._tell_memory()
            return exit_code
        return 0

    def remove_orphans(self, wanted: k8s.V1ObjectMeta) -> None:
        """Delete pods of the same task: those of a try whose worker was killed outright."""
        owner = {name: text for name, text in wanted.labels.items() if name not in _OF_ONE_TRY}
        selector = ",".join(f"{name}={text}" for name, text in sorted(owner.items()))
        found = self.client.list_namespaced_pod(wanted.namespace, label_selector=selector)
        for pod in found.items:
            self.log.warning("deleting pod=%s of an earlier try", pod.metadata.name)
            self.pod_manager.delete_pod(pod)

    def patch_already_checked(self, pod: k8s.V1Pod, *, reraise: bool = True) -> None:
        """Do nothing: the mark is for pods that are kept, and needs a right that ours has not."""

    def _tell_memory(self) -> None:
        ended = _find_end(self.remote_pod, self.base_container_name)
        if ended is not None and ended.reason == "OOMKilled":
            self.log.error("the pod was killed for lack of memory")


def label(owner: Mapping[str, str]) -> dict[str, str]:
    """Write what a pod is for; the operator adds the task, and network policies go by these."""
    return {
        "app.kubernetes.io/name": "ringside",
        "app.kubernetes.io/component": "training",
        "app.kubernetes.io/instance": owner["project"],
    }


def bound(bounds: Bounds) -> k8s.V1ResourceRequirements:
    """Ask for what is the limit as well: a training never lives on what others leave over."""
    amount = {"cpu": f"{round(bounds.cpus * 1000)}m", "memory": f"{bounds.memory_mib}Mi"}
    return k8s.V1ResourceRequirements(requests=amount, limits=dict(amount))


def make_volumes(bounds: Bounds, secret: str) -> list[k8s.V1Volume]:
    """Give a pod memory to write to, which counts as its own, and the one secret it needs."""
    memory = k8s.V1EmptyDirVolumeSource(medium="Memory", size_limit=f"{bounds.temporary_mib}Mi")
    item = k8s.V1KeyToPath(key=DATABASE_URL, path=DATABASE_URL)
    source = k8s.V1SecretVolumeSource(secret_name=secret, items=[item], default_mode=0o440)
    return [k8s.V1Volume(name="tmp", empty_dir=memory), k8s.V1Volume(name="secret", secret=source)]


def find_exit_code(pod: k8s.V1Pod | None, container: str) -> int | None:
    """Read how the command ended; None where it did not run, or the pod was taken away."""
    ended = _find_end(pod, container)
    return None if ended is None or not ended.exit_code else int(ended.exit_code)


def find_refusal(error: ApiException) -> str:
    """Say why asking the cluster again cannot help; empty where it may."""
    if error.status not in _REFUSALS:
        return ""
    try:
        message = str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        message = str(error.reason)
    # Room in the namespace comes back; a right, a namespace or a field does not.
    return "" if "exceeded quota" in message else f"the cluster does not allow this: {message}"


def _explain(error: AirflowException, pod: k8s.V1Pod | None) -> AirflowException:
    """Tell why there is no exit code, with the start's own error where cleaning up hid it."""
    cause = error.__context__ if isinstance(error.__context__, PodLaunchFailedException) else error
    reason = pod.status.reason if pod is not None and pod.status is not None else None
    message = f"the pod did not run to its end: {reason or cause}"
    is_final = any(state in str(cause) for state in _NEVER)
    return (AirflowFailException if is_final else AirflowException)(message)


def _find_end(pod: k8s.V1Pod | None, container: str) -> k8s.V1ContainerStateTerminated | None:
    statuses = (pod.status.container_statuses if pod is not None and pod.status else None) or []
    states = [status.state for status in statuses if status.name == container]
    return states[0].terminated if states and states[0] is not None else None


_MOUNTS = [
    k8s.V1VolumeMount(name="tmp", mount_path=MEMORY),
    k8s.V1VolumeMount(name="secret", mount_path=SECRETS, read_only=True),
]
_POD_RIGHTS = k8s.V1PodSecurityContext(
    run_as_non_root=True,
    run_as_user=USER,
    run_as_group=USER,
    fs_group=USER,  # or the secret's file would be root's alone
    seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
)
_NO_RIGHTS = k8s.V1SecurityContext(
    read_only_root_filesystem=True,
    allow_privilege_escalation=False,
    capabilities=k8s.V1Capabilities(drop=["ALL"]),
)
# What the operator has no argument for. As the first process of its own, the command would ignore
# SIGTERM. Links to services are variables like MLFLOW_PORT=tcp://…, which programs take for theirs.
_UNSEEN = k8s.V1Pod(
    metadata=k8s.V1ObjectMeta(),
    spec=k8s.V1PodSpec(containers=[], share_process_namespace=True, enable_service_links=False),
)
