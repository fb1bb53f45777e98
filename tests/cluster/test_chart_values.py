"""What the chart makes of its values, as Helm renders it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from autotuner import presets
from autotuner.api.task_defaults import TaskDefaults
from autotuner.kubernetes_object import Object
from autotuner.local.podspec import expand
from autotuner.presets import LABEL
from autotuner.settings import from_environment
from tests.support.chart import CHART, ROOT, helm, is_hook, objects, render, value_sets
from tests.tools import tool

RIGHTS = yaml.safe_load((ROOT / "packaging" / "rbac.yaml").read_text())
BACKENDS = [RIGHTS["backends"][name] for name in ("ome", "deployment")]  # the chart's default
NAMESPACED = [*RIGHTS["operatorNamespaced"], *(rule for one in BACKENDS for rule in one["namespaced"])]
CLUSTER = [*RIGHTS["operatorCluster"], *(rule for one in BACKENDS for rule in one["cluster"])]
CLUSTER_OBJECTS = [rule for one in BACKENDS for rule in one["clusterObjects"]]
SETS = value_sets("team-a")
PODS = ("Deployment", "Job")


def only(text: str, kind: str) -> Object:
    (found,) = [item for item in objects(text, kind) if not is_hook(item)]
    return found


def environment(text: str) -> dict[str, str]:
    (container,) = only(text, "Deployment")["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


def granted(text: str, *, account: str = "autotuner") -> dict[str, list[Object]]:
    """Namespace (empty: all) -> rules of a service account."""
    roles = {
        (item["kind"], item["metadata"]["name"], item["metadata"].get("namespace", "")): item for item in objects(text)
    }
    found: dict[str, list[Object]] = {}
    for binding in objects(text):
        if binding["kind"] in ("RoleBinding", "ClusterRoleBinding") and binding["subjects"][0]["name"] == account:
            namespace = binding["metadata"].get("namespace", "")
            role = roles[binding["roleRef"]["kind"], binding["roleRef"]["name"], namespace]
            found.setdefault(namespace, []).extend(role["rules"])
    return found


@pytest.mark.parametrize("name", SETS)
def test_helm_lint_finds_nothing(name: str) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), values=SETS[name])


def test_manifests_are_what_the_chart_renders() -> None:
    words = [sys.executable, "packaging/generate.py", "--check", f"--helm={tool('helm')}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_crds_are_those_of_the_repository_and_are_kept() -> None:
    rendered = {item["metadata"]["name"]: item for item in objects(render({}), "CustomResourceDefinition")}
    sources = [yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")]

    assert {name: item["spec"] for name, item in rendered.items()} == {
        item["metadata"]["name"]: item["spec"] for item in sources
    }
    assert all(item["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"} for item in rendered.values())


def test_crds_can_be_left_out_or_go_with_the_release() -> None:
    assert not objects(render({"crds": {"enabled": False}}), "CustomResourceDefinition")
    for item in objects(render({"crds": {"keep": False}}), "CustomResourceDefinition"):
        assert "annotations" not in item["metadata"]


def test_in_the_whole_cluster_the_operator_may_what_is_written_down() -> None:
    assert granted(render({}), account="autotuner") == {
        "": NAMESPACED + CLUSTER + CLUSTER_OBJECTS,
        "autotuner": RIGHTS["operatorHome"],
    }


def test_in_chosen_namespaces_it_may_nothing_elsewhere() -> None:
    text = render({"watchNamespaces": ["team-a", "team-b"], "clusterObjects": False})

    assert granted(text) == {
        "": CLUSTER,
        "autotuner": RIGHTS["operatorHome"],
        "team-a": NAMESPACED,
        "team-b": NAMESPACED,
    }
    assert environment(text)["AUTOTUNER_NAMESPACES"] == "team-a,team-b"
    assert environment(text)["AUTOTUNER_CLUSTER_OBJECTS"] == "false"


def test_it_may_serve_the_namespace_that_it_lives_in() -> None:
    rules = granted(render({"watchNamespaces": ["autotuner"]}))["autotuner"]

    assert rules == RIGHTS["operatorHome"] + NAMESPACED


@pytest.mark.parametrize("name", list(RIGHTS["backends"]))
def test_one_backend_has_its_own_rights_alone(name: str) -> None:
    own = RIGHTS["backends"][name]

    assert granted(render({"backends": [name]}), account="autotuner")[""] == [
        *RIGHTS["operatorNamespaced"],
        *own["namespaced"],
        *RIGHTS["operatorCluster"],
        *own["cluster"],
        *own["clusterObjects"],
    ]


@pytest.mark.parametrize("name", SETS)
def test_no_role_names_everything_or_secrets(name: str) -> None:
    for item in objects(render(SETS[name])):
        for rule in item.get("rules", []) if item["kind"] in ("Role", "ClusterRole") else []:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]], rule
            assert not {"secrets", "pods/exec", "serviceaccounts/token"} & set(rule["resources"]), rule


@pytest.mark.parametrize(("values", "where"), [({}, ""), ({"watchNamespaces": ["team-a"]}, "team-a")])
def test_the_hook_works_where_the_operator_does_with_rights_of_its_own(values: Object, where: str) -> None:
    text = render(values)
    account = "autotuner-cancel"
    (job,) = objects(text, "Job")
    pod = job["spec"]["template"]["spec"]

    assert granted(text, account=account) == {
        "autotuner": RIGHTS["cancelHome"],
        where: RIGHTS["cancelNamespaced"],
    }
    assert pod["serviceAccountName"] == account
    assert pod["containers"][0]["command"] == ["python", "-m", "autotuner.main", "cancel", "--timeout=240"]
    assert {entry.get("value") for entry in pod["containers"][0]["env"] if entry["name"] == "AUTOTUNER_NAMESPACES"} == (
        {where} if where else set()
    )
    made_early = [item for item in objects(text) if item["metadata"]["name"].startswith(account)]
    assert all(item["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete" for item in made_early)
    assert len(made_early) == 6


def test_presets_of_the_values_are_what_the_operator_reads() -> None:
    text = render(SETS["everything"])
    body = next(item for item in objects(text, "ConfigMap") if item["metadata"]["name"] == "autotuner-presets")
    known = presets.load(ROOT / "presets")

    assert body["metadata"]["labels"][LABEL] == "true"
    own = presets.from_config_map(body, known)
    assert set(own.models) == {"mine"}
    assert own.runtimes["simulated-vllm"].spec == {"disabled": False}
    assert known.under(own).runtimes["simulated-sglang"] == known.runtimes["simulated-sglang"]


def test_settings_reach_the_operator() -> None:
    text = render(SETS["everything"])

    assert {name: value for name, value in environment(text).items() if name.startswith("AUTOTUNER_")} == {
        "AUTOTUNER_BACKENDS": "ome,deployment",
        "AUTOTUNER_BENCHMARK_IMAGE": "registry.example/mirror/benchmark:1.2.3",
        "AUTOTUNER_CLUSTER_OBJECTS": "true",
        "AUTOTUNER_KEEP_REPORTS": "true",
        "AUTOTUNER_HEALTH_PORT": "8081",
        "AUTOTUNER_HUB_ENDPOINT": "https://hub.example",
        "AUTOTUNER_LEADER_ELECTION": "true",
        "AUTOTUNER_LOG_FORMAT": "text",
        "AUTOTUNER_MAX_EXPERIMENTS": "5",
        "AUTOTUNER_MAX_GPUS": "1000000",
        "AUTOTUNER_METRICS_PORT": "8080",
        "AUTOTUNER_MODEL_ROOT": "/mnt/data/models",
    }
    images = {
        container["image"]
        for item in objects(text)
        if item["kind"] in ("Deployment", "Job")
        for container in item["spec"]["template"]["spec"]["containers"]
    }
    assert images == {"registry.example/mirror/operator:1.2.3"}


def test_task_defaults_reach_the_operator_as_they_are_written() -> None:
    given = {
        "benchmark": {"pod": {"securityContext": "Platform", "env": [{"name": "X", "value": "$(HOME) & \"<x>\" 'y'"}]}},
        "placement": {"labels": {"cost-centre": "4711"}},
    }
    written = environment(render({"taskDefaults": given}))["AUTOTUNER_TASK_DEFAULTS"]
    told = from_environment({"AUTOTUNER_TASK_DEFAULTS": expand(written, {"HOME": "/home/x"})}).task_defaults

    assert told == TaskDefaults.model_validate(given)
    assert "AUTOTUNER_TASK_DEFAULTS" not in environment(render({}))


def test_the_platform_may_choose_the_user() -> None:
    def contexts(values: Object) -> list[Object]:
        pods = [item["spec"]["template"]["spec"] for item in objects(render(values)) if item["kind"] in PODS]
        return [pod["securityContext"] for pod in pods]

    kept = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert contexts({"securityContext": "Platform"}) == [kept, kept]
    assert contexts({}) == [{**kept, "runAsUser": 65532, "runAsGroup": 65532}] * 2


def test_what_is_switched_off_is_not_there() -> None:
    text = render(SETS["bare"])

    assert sorted(item["kind"] for item in objects(text)) == [
        "ClusterRole",
        "ClusterRoleBinding",
        "Deployment",
        "Role",
        "RoleBinding",
        "ServiceAccount",
    ]
    assert environment(text)["AUTOTUNER_METRICS_PORT"] == "0"
    assert only(text, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}


def test_several_replicas_prefer_several_nodes() -> None:
    pod = only(render(SETS["everything"]), "Deployment")["spec"]["template"]
    (constraint,) = pod["spec"]["topologySpreadConstraints"]

    assert constraint["topologyKey"] == "kubernetes.io/hostname"
    assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"
    assert constraint["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"replicas": 2, "leaderElection": False}, "several operators without leaderElection"),
        ({"replica": 2}, "replica"),
        ({"securityContext": "Open"}, "securityContext"),
        ({"taskDefaults": {"benchmark": {"pod": {"securityContext": "Open"}}}}, "securityContext"),
        ({"taskDefaults": {"placement": {"acceleratorResource": "amd.com/gpu"}}}, "acceleratorResource"),
        ({"logFormat": "yaml"}, "logFormat"),
        ({"watchNamespaces": ["Team_A"]}, "watchNamespaces"),
        ({"watchNamespaces": "team-a"}, "watchNamespaces"),
        ({"presets": {"runtimes": {"mine": {"spec": {}}}}}, "engine"),
        ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
        ({"limits": {"maxGPUs": -1}}, "maxGPUs"),
        ({"limits": {"maxGpus": 1}}, "maxGpus"),
        ({"cancelOnUninstall": {"timeoutSeconds": 0}}, "timeoutSeconds"),
        ({"metrics": {"enabled": False, "serviceMonitor": {"enabled": True}}}, "need the metrics"),
    ],
)
def test_wrong_values_are_refused_by_name(values: Object, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        render(values)


@pytest.mark.parametrize("kind", ["Deployment", "Service", "NetworkPolicy"])
def test_a_release_of_another_name_selects_its_own_pods(kind: str) -> None:
    text = render({}, release="second")
    labels = only(text, "Deployment")["spec"]["template"]["metadata"]["labels"]
    spec = only(text, kind)["spec"]
    selector = spec.get("podSelector", spec.get("selector"))

    assert selector.get("matchLabels", selector).items() <= labels.items()
    assert labels["app.kubernetes.io/instance"] == "second"
    assert only(text, kind)["metadata"]["name"].startswith("second-autotuner")
