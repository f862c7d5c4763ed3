"""What `kubectl apply -k` would send: valid by Kubernetes' schemas, bounded, and of one piece."""

import importlib.util
import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

import ringside
from ringside.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/kubernetes"
OLDEST = "1.30"  # the oldest whose schemas are worth holding on to
USER = 10001


def load_script(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_documents(folder=FOLDER, namespace=None):
    """Read what a kustomization lists, as kustomize does: each with its namespace."""
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())
    namespace = listed.get("namespace", namespace)
    for name in listed["resources"]:
        path = folder / name
        if path.is_dir():
            yield from read_documents(path, namespace)
            continue
        for document in yaml.safe_load_all(path.read_text()):
            if namespace:
                document["metadata"]["namespace"] = namespace
            yield document


def name_of(document):
    return f"{document['kind']}/{document['metadata']['name']}"


DOCUMENTS = list(read_documents())
PODS = {
    name_of(document): document["spec"]["template"]
    for document in DOCUMENTS
    if document["kind"] in {"Deployment", "StatefulSet"}
}
VALUES = yaml.safe_load((FOLDER / "values.yaml").read_text())


def by_kind(kind, namespace="ringside"):
    return {
        document["metadata"]["name"]: document
        for document in DOCUMENTS
        if (document["kind"], document["metadata"].get("namespace")) == (kind, namespace)
    }


SETTINGS = by_kind("ConfigMap")["ringside-settings"]["data"]


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_document_fits_the_schema(document, version):
    kubernetes_validate.validate(document, version, strict=True)


def test_no_file_is_left_out():
    written = {path for path in FOLDER.rglob("*.yaml") if path.name != "kustomization.yaml"}
    listed = {
        path.parent / name
        for path in FOLDER.rglob("kustomization.yaml")
        for name in yaml.safe_load(path.read_text())["resources"]
    }
    assert written - listed == {FOLDER / "values.yaml"}


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_pod_fits_a_restricted_namespace_and_more(pod):
    spec = pod["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    rights = spec["securityContext"]
    assert (rights["runAsNonRoot"], rights["runAsUser"], rights["fsGroup"]) == (True, USER, USER)
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
    assert rights["fsGroupChangePolicy"] == "OnRootMismatch"
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    kinds = {kind for volume in spec["volumes"] for kind in set(volume) - {"name"}}
    assert kinds <= {"emptyDir", "secret", "persistentVolumeClaim"}
    for container in spec["containers"] + spec.get("initContainers", []):
        assert container["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert "readinessProbe" in container


def test_both_namespaces_refuse_pods_with_rights():
    for namespace in ("ringside", "ringside-training"):
        (document,) = (d for d in DOCUMENTS if name_of(d) == f"Namespace/{namespace}")
        labels = document["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_images_carry_the_version_of_the_package():
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["images"]
    used = {c["image"] for pod in PODS.values() for c in pod["spec"]["containers"]}
    assert {image["name"] for image in listed} == used
    airflow = VALUES["images"]["airflow"]
    tags = {image["newTag"] for image in listed} | {airflow["tag"]}
    assert tags == {ringside.__version__}
    assert SETTINGS["RINGSIDE_TRAINING_IMAGE"] == f"ringside-training:{ringside.__version__}"
    assert (ROOT / "requirements.txt").read_text().find(
        f"apache-airflow=={VALUES['airflowVersion']} "
    ) >= 0


def test_no_secret_is_written_down_or_put_into_a_variable():
    assert {document["kind"] for document in DOCUMENTS}.isdisjoint({"Secret"})
    for path in FOLDER.rglob("*.yaml"):
        assert not re.search(r"secretKeyRef|secretRef|stringData", path.read_text()), path
    assert set(VALUES["enableBuiltInSecretEnvVars"].values()) == {False}


def test_every_secret_that_is_mounted_is_made_with_its_files():
    made = {
        (secret["metadata"]["namespace"], secret["metadata"]["name"]): secret["stringData"]
        for secret in load_script("make_secrets").make_secrets()
    }
    mounted = {
        ("ringside", volume["secret"]["secretName"])
        for pod in PODS.values()
        for volume in pod["spec"]["volumes"]
        if "secret" in volume
    }
    training = (SETTINGS["RINGSIDE_TRAINING_NAMESPACE"], SETTINGS["RINGSIDE_TRAINING_SECRET"])
    assert set(made) == mounted | {("ringside", "ringside-airflow"), training}
    assert set(made[training]) == {"ringside_database_url"}
    assert "ringside_training:" in made[training]["ringside_database_url"]
    token = "ringside_reload_token"
    assert (
        made["ringside", "ringside-airflow"][token] == made["ringside", "ringside-serving"][token]
    )
    files = {m["subPath"] for m in VALUES["volumeMounts"] if m["name"] == "secrets"}
    assert files <= set(made["ringside", "ringside-airflow"])
    read = {v["value"].rpartition("/")[2] for v in VALUES["env"] if v["name"].endswith("_CMD")}
    assert read < files


def test_secrets_are_new_each_time():
    make = load_script("make_secrets").make_secrets
    texts = [
        {(s["metadata"]["name"], k): v for s in make() for k, v in s["stringData"].items()}
        for _ in range(2)
    ]
    assert [key for key in texts[0] if texts[0][key] == texts[1][key]] == []


def test_claims_and_config_maps_exist():
    claims = {
        volume["persistentVolumeClaim"]["claimName"]
        for pod in [*PODS.values(), {"spec": VALUES}]
        for volume in pod["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert claims == set(by_kind("PersistentVolumeClaim"))
    assert "name: ringside-settings" in VALUES["extraEnvFrom"]


def test_settings_are_settings_and_are_valid():
    names = {f"RINGSIDE_{name.upper()}": name for name in Settings.model_fields}
    assert set(SETTINGS) <= set(names)
    settings = Settings(
        database_url="postgresql+psycopg://x@h/d",
        **{names[name]: value for name, value in SETTINGS.items()},
    )
    assert (settings.training_runner, settings.serving_runner) == ("kubernetes", "kubernetes")


def test_promotion_reaches_pods_that_are_not_ready():
    host = SETTINGS["RINGSIDE_SERVING_URL"].removeprefix("http://").partition(":")[0]
    service = by_kind("Service")[host]["spec"]
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"] is True
    callers = by_kind("Service")["serving"]["spec"]
    assert "clusterIP" not in callers
    assert callers["selector"] == service["selector"]


def test_scheduler_may_start_follow_and_delete_pods_of_trainings_alone():
    (role,) = by_kind("Role", "ringside-training").values()
    assert {tuple(r["resources"]): set(r["verbs"]) for r in role["rules"]} == {
        ("pods",): {"create", "get", "list", "watch", "delete"},
        ("pods/log",): {"get"},
        ("events",): {"list"},
    }
    (binding,) = by_kind("RoleBinding", "ringside-training").values()
    (subject,) = binding["subjects"]
    assert subject["name"] == VALUES["scheduler"]["serviceAccount"]["name"]
    assert subject["namespace"] == "ringside"
    assert (VALUES["allowPodLaunching"], by_kind("Role")) == (False, {})
    assert {d["kind"] for d in DOCUMENTS}.isdisjoint({"ClusterRole", "ClusterRoleBinding"})


def test_quota_has_room_for_a_training_and_one_that_is_ending():
    (quota,) = by_kind("ResourceQuota", "ringside-training").values()
    hard = quota["spec"]["hard"]
    assert int(hard["limits.memory"].removesuffix("Gi")) * 1024 >= 2 * int(
        SETTINGS["RINGSIDE_TRAINING_MEMORY_MIB"]
    )
    assert float(hard["limits.cpu"]) >= 2 * float(SETTINGS["RINGSIDE_TRAINING_CPUS"])


def test_every_network_policy_selects_pods_that_there_are():
    components = ["scheduler", "api-server", "dag-processor", "run-airflow-migrations"]
    labels = [pod["metadata"]["labels"] for pod in PODS.values()]
    labels += [{"tier": "airflow", "component": component} for component in components]
    for policy in by_kind("NetworkPolicy").values():
        rules = policy["spec"].get("ingress", []) + policy["spec"].get("egress", [])
        selectors = [policy["spec"]["podSelector"]] + [
            peer["podSelector"]
            for rule in rules
            for peer in rule.get("from", []) + rule.get("to", [])
            if "podSelector" in peer and "namespaceSelector" not in peer
        ]
        for selector in selectors:
            wanted = selector.get("matchLabels", {}).items()
            assert any(wanted <= have.items() for have in labels), (name_of(policy), selector)
    assert by_kind("NetworkPolicy")["nothing"]["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }


def test_airflow_is_set_as_compose_sets_it():
    compose = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
    composed = {
        name.removeprefix("AIRFLOW__"): value
        for name, value in compose["x-airflow"]["environment"].items()
        if name.startswith("AIRFLOW__")
    }
    ours = {
        f"{section}__{key}".upper(): str(value)
        for section, keys in VALUES["config"].items()
        for key, value in keys.items()
    } | {v["name"].removeprefix("AIRFLOW__"): v["value"] for v in VALUES["env"]}
    # The chart sets these itself, each for its own service.
    charts = {
        "CORE__EXECUTOR", "CORE__EXECUTION_API_SERVER_URL", "API__HOST", "API__PORT",
        "API__BASE_URL", "LOGGING__BASE_LOG_FOLDER",
    }  # fmt: skip
    assert set(composed) - set(ours) == charts
    assert {k: ours[k] for k in composed if k in ours} == {
        k: v for k, v in composed.items() if k in ours
    }


SCHEMA = {
    "type": "object",
    "definitions": {
        "probe": {
            "type": "object",
            "properties": {"command": {"type": ["array", "null"]}, "periodSeconds": {}},
        }
    },
    "properties": {
        "uid": {"type": "integer"},
        "config": {"type": "object", "additionalProperties": {"type": "object"}},
        "labels": {"type": "object"},
        "env": {"type": "array", "items": {"type": "object", "properties": {"name": {}}}},
        "scheduler": {"properties": {"livenessProbe": {"$ref": "#/definitions/probe"}}},
    },
}


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"uid": 1, "config": {"core": {"any": 1}}, "labels": {"any": "x"}}, None),
        ({"scheduler": {"livenessProbe": {"periodSeconds": 3}}, "env": [{"name": "x"}]}, None),
        ({"uid": "1"}, r"\$\.uid: '1' is not"),
        ({"udi": 1}, r"\$\.udi: the chart knows no such key"),
        ({"scheduler": {"livenessProbe": {"comand": []}}}, r"\$\.scheduler\.livenessProbe\.comand"),
        ({"env": [{"name": "a"}, {"nam": "b"}]}, r"\$\.env\[1\]\.nam"),
    ],
)
def test_values_are_held_against_a_schema(values, fault):
    faults = load_script("check_values").find_faults(values, SCHEMA)
    if fault is None:
        assert faults == []
    else:
        (found,) = faults
        assert re.match(fault, found)
