"""TrainingOperator as a pod: the API of a stand-in cluster, schemas of the real one."""

import re
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from kubernetes.client import ApiClient, ApiException

from kube_api import running_cluster
from ringside.cli import EXIT_PERMANENT, EXIT_RETRYABLE
from ringside_airflow.operators import TrainingOperator

pytestmark = pytest.mark.usefixtures("database_connection", "no_chosen_settings")

REPO = Path(__file__).parents[2]
MEMORY = "/tmp"  # noqa: S108 - the pod's own
TOKEN = "t0ken-of-this-test"
COMMAND = ["train", "--series", "BTC/USDT"]
OWNER = {
    "app.kubernetes.io/component": "training",
    "app.kubernetes.io/instance": "ringside",
    "app.kubernetes.io/name": "ringside",
    "dag_id": "train_challenger",
    "kubernetes_pod_operator": "True",
    "map_index": "2",
    "run_id": "manual__1",
    "task_id": "enter.train",
}


class Instance:
    dag_id, run_id, task_id = "train_challenger", "manual__1", "enter.train"
    map_index, try_number = 2, 3

    def __init__(self):
        self.xcoms = {}

    def xcom_push(self, key, value):
        self.xcoms[key] = value


def make_context():
    return {"ti": Instance(), "run_id": Instance.run_id, "dag": object()}


def make_operator(**arguments):
    return TrainingOperator(task_id="train", command=COMMAND, **arguments)


@pytest.fixture
def run_in_pod(monkeypatch):
    def run(operator, lines=("fitted",), *, planned=None, **chosen):
        with running_cluster(lines, **(planned or {})) as cluster:
            monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", cluster.connection())
            chosen = {"training_runner": "kubernetes"} | chosen
            for name, value in chosen.items():
                monkeypatch.setenv(f"RINGSIDE_{name.upper()}", value)
            run.cluster = cluster
            operator.execute(make_context())
        return cluster

    return run


def validate(pod):
    """Hold a pod against the strict schema of the newest Kubernetes that the package knows."""
    kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)


def test_pod_is_bounded_without_rights_and_gets_the_same_command(run_in_pod, task_log):
    cluster = run_in_pod(
        make_operator(execution_timeout=timedelta(hours=1)),
        training_image="registry.example.org/ringside-training@sha256:" + "0" * 64,
        training_namespace="trainings",
        training_secret="its-secret",
        training_memory_mib="700",
        training_cpus="1.5",
        horizons="1,6",
        reload_token=TOKEN,
    )
    (pod,) = cluster.created
    validate(pod)
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    assert re.fullmatch(r"ringside-enter-train-[a-z0-9]{8}", name)
    assert namespace == "trainings"
    assert pod["metadata"]["labels"].items() >= (OWNER | {"try_number": "3"}).items()
    spec = pod["spec"]
    assert spec["serviceAccountName"] == "ringside-training"
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["shareProcessNamespace"] is True
    assert (spec["restartPolicy"], spec["activeDeadlineSeconds"]) == ("Never", 3600)
    assert spec["terminationGracePeriodSeconds"] == 10
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert spec["volumes"] == [
        {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "512Mi"}},
        {
            "name": "secret",
            "secret": {
                "secretName": "its-secret",
                "defaultMode": 0o440,
                "items": [{"key": "ringside_database_url", "path": "ringside_database_url"}],
            },
        },
    ]
    (container,) = spec["containers"]
    assert container["image"].endswith("@sha256:" + "0" * 64)
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["command"] + container["args"] == ["ringside", *COMMAND]
    amount = {"cpu": "1500m", "memory": "700Mi"}
    assert container["resources"] == {"requests": amount, "limits": amount}
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["volumeMounts"] == [
        {"name": "tmp", "mountPath": MEMORY},
        {"name": "secret", "mountPath": "/run/secrets", "readOnly": True},
    ]
    assert {variable["name"]: variable["value"] for variable in container["env"]} == {
        "HOME": MEMORY,
        "MPLCONFIGDIR": MEMORY,
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "RINGSIDE_HORIZONS": "1,6",
        "RINGSIDE_STATE_DIR": f"{MEMORY}/ringside",
    }
    assert cluster.deleted == [name]
    task_log.wait_for("fitted")


def test_no_secret_is_in_the_pod_or_the_log(run_in_pod, task_log):
    cluster = run_in_pod(
        make_operator(),
        training_database_url="postgresql+psycopg://training:other@db/ringside",
        reload_token=TOKEN,
    )
    for secret in ("s3cret", "other@", TOKEN):
        assert secret not in str(cluster.created) + task_log.read()


def test_only_the_rights_of_our_role_are_used(run_in_pod):
    with pytest.raises(AirflowException):
        run_in_pod(make_operator(), planned={"ending": {"exitCode": 1}})
    assert run_in_pod.cluster.unknown == []


@pytest.mark.parametrize(
    ("code", "retries"), [(EXIT_PERMANENT, False), (2, False), (EXIT_RETRYABLE, True), (137, True)]
)
def test_exit_code_of_the_pod_decides_on_retries(run_in_pod, code, retries):
    with pytest.raises(AirflowException, match=f"exit code {code}") as raised:
        run_in_pod(make_operator(), planned={"ending": {"exitCode": code}})
    assert isinstance(raised.value, AirflowFailException) != retries
    (pod,) = run_in_pod.cluster.created
    assert run_in_pod.cluster.deleted == [pod["metadata"]["name"]]


def test_lack_of_memory_is_told(run_in_pod, task_log):
    with pytest.raises(AirflowException, match="exit code 137"):
        run_in_pod(make_operator(), planned={"ending": {"exitCode": 137, "reason": "OOMKilled"}})
    task_log.wait_for("killed for lack of memory")


def test_pods_of_a_killed_try_go_before_the_next_one_starts(run_in_pod):
    another = OWNER | {"map_index": "3"}
    planned = {"orphans": (OWNER | {"try_number": "2"}, another, OWNER | {"try_number": "1"})}
    cluster = run_in_pod(make_operator(), planned=planned)
    assert cluster.deleted[:2] == ["orphan-0", "orphan-2"]
    assert sorted(cluster.pods) == ["orphan-1"]
    assert cluster.selectors[0] == ",".join(f"{k}={v}" for k, v in sorted(OWNER.items()))


@pytest.mark.parametrize(
    ("reason", "is_final"),
    [("ErrImageNeverPull", True), ("InvalidImageName", True), ("ErrImagePull", False)],
)
def test_image_that_cannot_be_had_is_named(run_in_pod, reason, is_final):
    waiting = {"reason": reason, "message": "no such image"}
    with pytest.raises(AirflowException, match=rf"(?s){reason}.*no such image") as raised:
        run_in_pod(make_operator(), planned={"waiting": waiting})
    assert isinstance(raised.value, AirflowFailException) == is_final
    (pod,) = run_in_pod.cluster.created
    assert run_in_pod.cluster.deleted == [pod["metadata"]["name"]]


def test_missing_right_fails_at_once_and_is_named(run_in_pod):
    refusal = (403, 'pods is forbidden: User "x" cannot create resource "pods"')
    with pytest.raises(AirflowFailException, match='cannot create resource "pods"'):
        run_in_pod(make_operator(), planned={"refusal": refusal})


def test_full_namespace_is_worth_another_try(run_in_pod):
    refusal = (403, 'pods "x" is forbidden: exceeded quota: trainings, used: pods=2')
    with pytest.raises(ApiException):
        run_in_pod(make_operator(), planned={"refusal": refusal})


def test_lines_reach_the_log_while_the_pod_runs_and_a_kill_deletes_it(run_in_pod, task_log):
    operator, errors = make_operator(), []

    def run():
        try:
            run_in_pod(operator, planned={"is_held": True, "ending": {"exitCode": 143}})
        except (AirflowException, ApiException) as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    # Each line waits for the next one, in case it goes on; the end of the stream is far.
    task_log.wait_for("phase before launch timeout")
    operator.on_kill()
    thread.join(20)
    (pod,) = run_in_pod.cluster.created
    assert run_in_pod.cluster.deleted[0] == pod["metadata"]["name"]
    assert errors


def test_pod_is_of_the_kept_operator():
    from ringside_airflow.training_pod import TrainingPod

    assert issubclass(TrainingPod, KubernetesPodOperator)


def test_manifests_know_the_pod_by_its_account_and_its_label():
    from ringside_airflow.training_pod import SERVICE_ACCOUNT, label

    folder = REPO / "deploy/kubernetes"
    account = next(yaml.safe_load_all((folder / "training/rights.yaml").read_text()))
    assert (account["kind"], account["metadata"]["name"]) == ("ServiceAccount", SERVICE_ACCOUNT)
    policies = yaml.safe_load_all((folder / "platform/network.yaml").read_text())
    stores = [policy for policy in policies if policy["metadata"]["name"] in {"postgres", "mlflow"}]
    wanted = [
        peer["podSelector"]["matchLabels"].items()
        for policy in stores
        for peer in policy["spec"]["ingress"][0]["from"]
        if "namespaceSelector" in peer
    ]
    assert len(wanted) == 2
    assert all(terms <= label({"project": "ringside"}).items() for terms in wanted)


def test_request_of_the_shortest_work_is_valid_as_well():
    from ringside.settings import Settings
    from ringside_airflow.training_pod import TrainingPod
    from ringside_airflow.training_work import make_work

    work = make_work(Settings(database_url="postgresql://x"), COMMAND, Instance())
    operator = TrainingPod(task_id="train", work=work, namespace="trainings", secret="its-secret")
    pod = operator.build_pod_request_obj(make_context(), dry_run=True)
    validate(ApiClient().sanitize_for_serialization(pod))


def test_dags_load_with_this_runner_and_without_its_provider(monkeypatch):
    monkeypatch.setenv("RINGSIDE_TRAINING_RUNNER", "kubernetes")
    script = (
        "import sys\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        "bag = DagBag()\n"
        "assert not bag.import_errors, bag.import_errors\n"
        "tasks = bag.dags['train_challenger'].tasks\n"
        "from ringside_airflow.operators import TrainingOperator\n"
        "kinds = [getattr(task, 'operator_class', type(task)) for task in tasks]\n"
        "assert sum(issubclass(kind, TrainingOperator) for kind in kinds) == 3, kinds\n"
        "assert 'kubernetes' not in sys.modules\n"
        "assert 'airflow.providers.cncf.kubernetes.operators' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
