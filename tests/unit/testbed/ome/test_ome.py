from __future__ import annotations

import json
from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from testbed.ome.checks import mismatch, refusal
from testbed.ome.models import aggregate, outcome
from testbed.ome.render import Service, SilentError, children, engine_service_name, model_label
from testbed.ome.status import ready, status
from testbed.ome.switches import sabotage, slow_stop_seconds, switches

FORMAT: Object = {
    "modelFormat": {"name": "safetensors", "version": "1.0.0"},
    "modelFramework": {"name": "transformers", "version": "4.40.1"},
    "modelArchitecture": "LlamaForCausalLM",
}
LABEL = "mt:safetensors:1.0.0:LlamaForCausalLM:transformers:4.40.1"


def model(name: str = "m-hf", **spec: Any) -> Object:
    storage = {"storageUri": "hf://meta/llama", "path": f"/mnt/models/{name}"}
    return {"kind": "ClusterBaseModel", "metadata": {"name": name}, "spec": {"storage": storage, **FORMAT, **spec}}


def runtime(name: str = "rt", runner: Object | None = None, **spec: Any) -> Object:
    engine = {"runner": {"name": "ome-container", "image": "x", "ports": [{"containerPort": 8080}], **(runner or {})}}
    spec = {"supportedModelFormats": [FORMAT], "engineConfig": engine, **spec}
    return {"kind": "ClusterServingRuntime", "metadata": {"name": name}, "spec": spec}


def isvc(name: str = "exp-one", annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "tune", "uid": "1-2", "labels": {"task": "demo"}, "annotations": annotations}
    engine = {"minReplicas": 1, "maxReplicas": 1, "runner": {"name": "ome-container", "args": ["--tp", "1"]}}
    spec = {"model": {"name": "m-hf"}, "runtime": {"name": "rt"}, "engine": engine, **spec}
    return {"metadata": {**metadata, "annotations": annotations or {}}, "spec": spec}


@pytest.mark.parametrize(
    ("service", "models", "found", "reason", "message"),
    [
        (
            isvc(),
            (None, model()),
            None,
            "RuntimeValidationError",
            "runtime rt not found in namespace tune or at cluster",
        ),
        (
            isvc(),
            (None, model()),
            runtime(disabled=True),
            "RuntimeValidationError",
            "cluster-scoped runtime rt is disab",
        ),
        (isvc(engine=None), (None, model()), runtime(), "DeploymentModeError", "engine component is required"),
        (isvc(model=None), (None, model()), runtime(), "ModelReconcileError", "model reference is required"),
        (isvc(), (None, None), runtime(), "ModelReconcileError", 'referenced model "m-hf" not found in namespace tune'),
        (isvc(model={"name": "m-hf", "kind": "BaseModel"}), (None, model()), runtime(), "", "of the other kind"),
        (isvc("x" * 64), (None, model()), runtime(), "", "does not fit"),
        (
            isvc(annotations={"ome.io/deploymentMode": "Serverless"}),
            (None, model()),
            runtime(),
            "ServerlessModeRejected",
            "Serverless",
        ),
    ],
)
def test_what_ome_refuses(
    service: Object, models: tuple[Object | None, Object | None], found: Object | None, reason: str, message: str
) -> None:
    refused = refusal(service, models, found)
    assert refused is not None
    assert refused.reason == reason
    assert message in refused.message


def test_a_fitting_service_is_not_refused() -> None:
    assert refusal(isvc(), (None, model()), runtime()) is None


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        pytest.param({}, {}, None, id="equal"),
        pytest.param(
            {},
            {"modelArchitecture": "Qwen3ForCausalLM"},
            "architecture mismatch (model=LlamaForCausalLM, runtime=Qwen3ForCausalLM)",
            id="other architecture",
        ),
        pytest.param(
            {},
            {"quantization": "fp8"},
            "model has no quantization but runtime requires fp8",
            id="quantization only at the runtime",
        ),
        pytest.param(
            {"quantization": "fp8"},
            {},
            "model has quantization fp8 but runtime has no quantization requirement",
            id="quantization only at the model",
        ),
        pytest.param(
            {},
            {"modelFormat": {"name": "safetensors"}},
            "model has format version 1.0.0 but runtime has no format version requirement",
            id="a version on one side only is a mismatch",
        ),
        pytest.param(
            {},
            {"modelFramework": {"name": "transformers", "version": "4.36.0"}},
            "framework version mismatch (model=4.40.1, runtime=4.36.0)",
            id="other version",
        ),
        pytest.param(
            {},
            {"modelFramework": {"name": "transformers", "version": "4.50", "operator": "GreaterThan"}},
            None,
            id="the runtime's version may be an upper bound",
        ),
        pytest.param(
            {"modelFramework": {"name": "transformers", "version": "4.40.1.dev0"}},
            {"modelFramework": {"name": "transformers", "version": "4.50", "operator": "GreaterThan"}},
            "framework version mismatch (model=4.40.1.dev0, runtime=4.50)",
            id="unofficial versions must be equal",
        ),
    ],
)
def test_formats_must_match_on_both_sides(ours: Object, theirs: Object, reason: str | None) -> None:
    found = mismatch({**FORMAT, **ours}, {"supportedModelFormats": [{**FORMAT, **theirs}]})
    assert (found is None) if reason is None else (found or "").endswith(f"not in supported formats: {reason}")


def test_a_mismatch_names_the_model_as_ome_does() -> None:
    found = mismatch(FORMAT, {"supportedModelFormats": [{**FORMAT, "modelArchitecture": "Other"}]})
    assert (found or "").startswith(f"model format '{LABEL}' not in supported formats: ")


@pytest.mark.parametrize(
    ("size", "fits"), [("7.62B", False), ("22B", True), ("40B", True), ("0.5T", False), ("30b", False), (None, True)]
)
def test_the_size_must_be_in_the_range(size: str | None, fits: bool) -> None:
    spec = {**FORMAT, "modelParameterSize": size}
    limits = {"supportedModelFormats": [FORMAT], "modelSizeRange": {"min": "22B", "max": "40B"}}
    assert (mismatch(spec, limits) is None) == fits


def kinds(service: Object, model_object: Object | None = None) -> list[str]:
    whole = Service(service, model_object or model(), runtime())
    return [f"{child['kind']}/{child['metadata']['name']}" for child in children(whole, whole.engine())]


def test_the_children_and_their_names() -> None:
    assert kinds(isvc()) == [
        "Deployment/exp-one-engine",
        "Service/exp-one-engine",
        "HorizontalPodAutoscaler/exp-one-engine",
        "PodDisruptionBudget/exp-one-engine",
        "Service/exp-one",
    ]
    external = isvc(annotations={"ome.io/autoscalerClass": "external"})
    assert "HorizontalPodAutoscaler/exp-one-engine" not in kinds(external)


@pytest.mark.parametrize("length", [56, 57, 63])
def test_the_name_of_the_service_fits_into_63_characters(length: int) -> None:
    name = engine_service_name("a" * length)
    assert len(name) == 63
    assert name.endswith("-engine")


def container(service: Object, runner: Object | None = None, model_object: Object | None = None) -> Object:
    whole = Service(service, model_object or model(), runtime(runner=runner))
    spec: Object = children(whole, whole.engine())[0]["spec"]["template"]["spec"]
    return {**spec, **spec["containers"][0]}


def test_what_is_injected_into_the_pod() -> None:
    gpu = {"limits": {"nvidia.com/gpu": 2}, "requests": {"nvidia.com/gpu": 2}}
    found = container(isvc(), {"resources": gpu, "env": [{"name": "PARALLELISM_SIZE", "value": "77"}]})
    assert found["env"] == [
        {"name": "MODEL_PATH", "value": "/mnt/models/m-hf"},
        {"name": "PARALLELISM_SIZE", "value": "2"},
    ]
    assert found["volumes"] == [{"name": "m-hf", "hostPath": {"path": "/mnt/models/m-hf", "type": ""}}]
    assert found["volumeMounts"] == [{"name": "m-hf", "mountPath": "/mnt/models/m-hf", "readOnly": True}]
    assert found["nodeSelector"] == {"models.ome.io/clusterbasemodel.m-hf": "Ready"}
    assert found["readinessProbe"]["tcpSocket"] == {"port": 8080}


def test_a_model_without_path_brings_the_node_selector_alone() -> None:
    found = container(isvc(), model_object=model(storage={"storageUri": "vendor://x"}))
    assert found["env"] == []
    assert "volumes" not in found
    assert found["nodeSelector"] == {"models.ome.io/clusterbasemodel.m-hf": "Ready"}


def test_our_own_model_path_is_kept() -> None:
    assert container(isvc(), {"env": [{"name": "MODEL_PATH", "value": "/mine"}]})["env"] == [
        {"name": "MODEL_PATH", "value": "/mine"}
    ]


@pytest.mark.parametrize(
    ("engine", "cause"),
    [
        ({"minReplicas": 0}, "Serverless"),
        ({"worker": {"size": 1}}, "LeaderWorkerSet"),
        ({"runner": {"name": "ome-container", "args": ["{{ messages }}"]}}, "messages"),
    ],
)
def test_engines_that_fail_in_silence(engine: Object, cause: str) -> None:
    with pytest.raises(SilentError, match=cause):
        Service(isvc(engine=engine), model(), runtime()).engine()


def test_a_runner_without_name_hides_the_name_of_the_runtime() -> None:
    assert Service(isvc(engine={"runner": {"args": ["x"]}}), model(), runtime()).engine()["runner"]["name"] == ""
    assert Service(isvc(engine={}), model(), runtime()).engine()["runner"]["name"] == "ome-container"


def test_long_model_names_are_shortened_in_the_label() -> None:
    assert model_label(model("m" * 32)) == f"models.ome.io/clusterbasemodel.{'m' * 32}"
    assert len(model_label(model("m" * 33))) == len("models.ome.io/clusterbasemodel.") + 32
    namespaced = {"kind": "BaseModel", "metadata": {"name": "m", "namespace": "ns"}}
    assert model_label(namespaced) == "models.ome.io/ns.basemodel.m"


def deployment(available: str | None) -> Object:
    told = {"reason": "MinimumReplicasAvailable", "message": "Deployment has minimum availability."}
    conditions = [] if available is None else [{"type": "Available", "status": available, **told}]
    return {"metadata": {}, "status": {"observedGeneration": 3, "conditions": conditions}}


def told(available: str | None, pods: list[Object] | None = None, late: bool = False) -> Object:
    return status(isvc(), 8080, deployment(available), pods or [], late, "now")


def condition_states(found: Object) -> dict[str, str]:
    return {c["type"]: c["status"] for c in found["conditions"]}


def test_the_status_follows_the_deployment() -> None:
    assert condition_states(told(None)) == {"IngressReady": "True", "Ready": "Unknown"}
    assert condition_states(told("False")) == {"EngineReady": "False", "IngressReady": "True", "Ready": "False"}
    assert condition_states(told("True")) == {"EngineReady": "True", "IngressReady": "True", "Ready": "True"}
    assert told("True")["observedGeneration"] == 3
    assert told("True")["url"] == "http://exp-one.tune.svc.cluster.local:8080"
    assert not ready(told("False"))
    assert ready(told("True"))


def test_a_late_url_comes_with_ready() -> None:
    assert "url" not in told(None, late=True)
    assert "url" not in told("False", late=True)
    assert told("True", late=True)["address"] == {"url": "http://exp-one.tune.svc.cluster.local:8080"}


def test_the_times_of_conditions_move_together_and_only_when_something_changes() -> None:
    waiting = {**isvc(), "status": status(isvc(), 8080, deployment("False"), [], False, "then")}
    same = status(waiting, 8080, deployment("False"), [], False, "now")
    changed = status(waiting, 8080, deployment("True"), [], False, "now")
    assert {c["lastTransitionTime"] for c in same["conditions"]} == {"then"}
    assert {c["lastTransitionTime"] for c in changed["conditions"]} == {"now"}


def pod(**state: Any) -> Object:
    return {"status": {"containerStatuses": [{"name": "ome-container", **state}]}}


@pytest.mark.parametrize(
    ("pods", "transition", "code"),
    [
        ([], "", None),
        ([pod(state={"running": {}})], "InProgress", None),
        ([pod(state={"terminated": {"exitCode": 0}})], "InProgress", None),
        ([pod(state={"terminated": {"exitCode": 2}})], "BlockedByFailedLoad", 2),
        (
            [pod(state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState={"terminated": {"exitCode": 137}})],
            "BlockedByFailedLoad",
            137,
        ),
    ],
)
def test_the_model_status_tells_of_crashes(pods: list[Object], transition: str, code: int | None) -> None:
    found = told("False", pods)["modelStatus"]
    assert found["transitionStatus"] == transition
    assert found.get("lastFailureInfo", {}).get("exitCode") == code


def entry(node: str, state: str) -> Object:
    return {"metadata": {"name": node}, "data": {"clusterbasemodel.m": json.dumps({"name": "m", "status": state})}}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], {"state": "In_Transit"}),
        ([entry("a", "Updating")], {"state": "In_Transit"}),
        ([entry("a", "Failed")], {"state": "Failed", "nodesFailed": ["a"]}),
        (
            [entry("b", "Ready"), entry("a", "Failed")],
            {"state": "Ready", "nodesReady": ["b"], "nodesFailed": ["a"]},
        ),
        ([entry("gone", "Ready")], {"state": "In_Transit"}),
    ],
)
def test_the_state_of_a_model_from_its_nodes(entries: list[Object], expected: Object) -> None:
    nodes = [{"metadata": {"name": name}} for name in "ab"]
    assert aggregate("clusterbasemodel.m", nodes, entries) == expected


@pytest.mark.parametrize(
    ("uri", "annotation", "expected"),
    [
        ("hf://meta/llama", "Ready", "Ready"),
        ("hf://meta/llama", "Failed", "Failed"),
        ("hf://meta/llama", "Never", None),
        ("vendor://x", "Ready", "Ready"),
        ("pvc://claim/path", "Ready", None),
        ("s3://bucket/path", "Ready", "Updating"),
    ],
)
def test_what_the_agent_makes_of_a_model(uri: str, annotation: str, expected: str | None) -> None:
    subject = model(storage={"storageUri": uri})
    subject["metadata"]["annotations"] = {"testbed.autotuner.io/model": annotation}
    assert outcome(subject) == expected


def test_switches_add_up_and_typos_are_refused() -> None:
    key = "testbed.autotuner.io/ome"
    service, chosen = isvc(annotations={key: "warn, late-url"}), runtime()
    chosen["metadata"]["annotations"] = {key: "never-ready"}
    assert switches(service, chosen, None) == {"warn", "late-url", "never-ready"}
    with pytest.raises(ValueError, match="neverready"):
        switches(isvc(annotations={key: "neverready"}))


def test_the_first_to_say_how_slow_a_stop_is_decides() -> None:
    slow = isvc(annotations={"testbed.autotuner.io/slow-stop-seconds": "1.5"})
    assert slow_stop_seconds(slow, runtime()) == slow_stop_seconds(runtime(), slow) == 1.5
    assert slow_stop_seconds(isvc(), None) == 5


def test_sabotage_changes_a_copy_only() -> None:
    whole = Service(isvc(), model(), runtime())
    template = children(whole, whole.engine())[0]["spec"]["template"]
    before = json.dumps(template)
    faulty = sabotage(template, frozenset({"never-ready", "unschedulable", "quota", "slow-stop"}), 2.5)
    assert faulty["spec"]["containers"][0]["readinessProbe"]["exec"] == {"command": ["false"]}
    assert faulty["spec"]["priorityClassName"]
    assert faulty["metadata"]["finalizers"]
    assert json.dumps(template) == before
