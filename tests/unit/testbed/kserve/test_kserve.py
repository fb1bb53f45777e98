"""KServe's stand-in: what it makes of an InferenceService, and what it says of it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from testbed.kserve import status
from testbed.kserve.install import definitions
from testbed.kserve.render import InvalidSpecError, RefusedError, children, choose

ENGINE = {
    "name": "kserve-container",
    "image": "engine:1",
    "command": ["serve"],
    "args": ["--name={{.Name}}", "--len=1"],
    "resources": {"limits": {"cpu": "4", "nvidia.com/gpu": "1"}},
    "env": [{"name": "A", "value": "1"}],
}


def isvc(name: str = "chat", metadata: Object | None = None, **model: Any) -> Object:
    own = {"modelFormat": {"name": "huggingface"}, "runtime": "vllm", "args": ["--len=2"], **model}
    meta = {"name": name, "namespace": "team", "uid": "u", **(metadata or {})}
    return {"metadata": meta, "spec": {"predictor": {"model": own, "minReplicas": 1}}}


def runtime(**spec: Any) -> Object:
    formats = [{"name": "huggingface"}]
    body = {"containers": [copy.deepcopy(ENGINE)], "supportedModelFormats": formats, **spec}
    return {"kind": "ServingRuntime", "metadata": {"name": "vllm"}, "spec": body}


def made(found: Object | None = None, base: Object | None = None) -> tuple[Object, Object]:
    deployment, service = children(choose(found or isvc(), [base or runtime()], []))
    return deployment, service


def engine(deployment: Object) -> Object:
    container: Object = deployment["spec"]["template"]["spec"]["containers"][0]
    return container


def test_arguments_come_after_the_runtimes_and_templates_are_filled_in() -> None:
    assert engine(made()[0])["args"] == ["--name=chat", "--len=1", "--len=2"]


def test_a_script_of_the_runtime_keeps_its_place_before_arguments_that_it_never_reads() -> None:
    script = {**ENGINE, "command": ["sh", "-c"], "args": ["exec serve"]}

    assert engine(made(base=runtime(containers=[script]))[0])["args"] == ["exec serve", "--len=2"]


def test_the_rest_of_the_container_is_merged() -> None:
    own = isvc(
        resources={"limits": {"nvidia.com/gpu": "2"}},
        env=[{"name": "A", "value": "2"}],
        image="engine:2",
        command=["start"],
    )
    container = engine(made(own)[0])

    assert container["resources"]["limits"] == {"cpu": "4", "nvidia.com/gpu": "2"}
    assert {one["name"]: one["value"] for one in container["env"]} == {"A": "2", "INFERENCE_SERVICE_NAME": "chat"}
    assert (container["image"], container["command"]) == ("engine:2", ["start"])


def test_all_labels_reach_the_pods_and_app_is_its_own() -> None:
    own = isvc(metadata={"labels": {"app": "mine", "team": "x"}})
    deployment, service = made(own, runtime(labels={"role": "llm"}))

    assert deployment["spec"]["template"]["metadata"]["labels"] == {
        "app": "isvc.chat-predictor",
        "team": "x",
        "role": "llm",
        "serving.kserve.io/inferenceservice": "chat",
        "component": "predictor",
    }
    assert (
        service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"] == {"app": "isvc.chat-predictor"}
    )
    assert [(port["port"], port["targetPort"]) for port in service["spec"]["ports"]] == [(80, 8080)]


def test_a_claim_is_mounted() -> None:
    deployment, _ = made(isvc(storageUri="pvc://weights/llama"))

    (volume,) = deployment["spec"]["template"]["spec"]["volumes"]
    assert volume["persistentVolumeClaim"] == {"claimName": "weights", "readOnly": True}
    assert engine(deployment)["volumeMounts"][0]["subPath"] == "llama"


@pytest.mark.parametrize(
    ("own", "base", "reason"),
    [
        (isvc(runtime="other"), runtime(), "RuntimeNotRecognized"),
        (isvc(runtime=None, modelFormat={"name": "onnx"}), runtime(), "NoSupportingRuntime"),
        (isvc(), runtime(containers=[{**ENGINE, "name": "main"}]), "InvalidPredictorSpec"),
        (isvc(args=["{{ messages }}"]), runtime(), "InvalidPredictorSpec"),
    ],
)
def test_what_can_never_be_deployed_is_an_invalid_spec(own: Object, base: Object, reason: str) -> None:
    with pytest.raises(InvalidSpecError) as refused:
        made(own, base)
    told = status.invalid(own, refused.value.reason, str(refused.value))

    assert refused.value.reason == reason
    assert told["modelStatus"]["transitionStatus"] == "InvalidSpec"
    assert {one["status"] for one in told["conditions"]} == {"Unknown"}


@pytest.mark.parametrize(
    ("length", "fits"), [(63 - len("-predictor-team"), True), (64 - len("-predictor-team"), False)]
)
def test_the_host_name_limits_names(length: int, fits: bool) -> None:
    if fits:
        made(isvc("c" * length))
        return
    with pytest.raises(RefusedError, match="must be no more than 63 characters"):
        made(isvc("c" * length))


def test_a_rollout_that_cannot_be_scheduled_and_no_replicas_are_ready() -> None:
    available = {"conditions": [{"type": "Available", "status": "True"}], "observedGeneration": 7}
    told = status.serving(choose(isvc(), [runtime()], []), {"status": available}, [])

    assert status.ready({"status": told})
    assert told["observedGeneration"] == 7, "the Deployment's"
    assert told["servingRuntimeName"] == "vllm"


def test_the_kinds_are_those_of_the_operator() -> None:
    names = {(one["spec"]["group"], one["spec"]["names"]["kind"], one["spec"]["scope"]) for one in definitions()}

    assert names == {
        ("serving.kserve.io", "InferenceService", "Namespaced"),
        ("serving.kserve.io", "ServingRuntime", "Namespaced"),
        ("serving.kserve.io", "ClusterServingRuntime", "Cluster"),
    }
