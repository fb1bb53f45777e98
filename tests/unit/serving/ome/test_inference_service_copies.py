"""An InferenceService that serves already: what is read of it, its copies, and its patch."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from autotuner import backend_choice
from autotuner.api.experiment import Service
from autotuner.api.model_and_runtime import Target
from autotuner.api.task import TaskSpec
from autotuner.kubernetes_object import Object
from autotuner.policy.target_spec import with_target
from autotuner.serving.backend import FoundTarget, UnusableTargetError
from autotuner.serving.target import reading
from testbed.ome import render
from tests.unit.builders import make_experiment, make_model, merged
from tests.unit.task_builders import make_task, shipped

BACKEND = backend_choice.BACKENDS.of_kind("ome.io/v1beta1", "InferenceService")
ADDRESS = {"apiVersion": "ome.io/v1beta1", "kind": "InferenceService", "name": "chat"}
TARGET = Target.model_validate(ADDRESS)
SERVE = ["python3", "-m", "sglang.launch_server", "--model-path", "$(MODEL_PATH)", "--port=8080"]
PROBE = {"httpGet": {"path": "/health", "port": 8080}}

RUNTIME: Object = {
    "apiVersion": "ome.io/v1beta1",
    "kind": "ClusterServingRuntime",
    "metadata": {"name": "big"},
    "spec": {
        "engineConfig": {
            "labels": {"logs": "on"},
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}],
            "runner": {
                "name": "ome-container",
                "image": "lmsysorg/sglang:v0.5.5",
                "command": [*SERVE, "--tp-size=$(PARALLELISM_SIZE)"],
                "args": ["--mem-fraction-static=0.9"],
                "env": [{"name": "A", "value": "runtime"}, {"name": "B", "value": "runtime"}],
                "ports": [{"containerPort": 8080, "name": "http1"}],
                "readinessProbe": PROBE,
                "resources": {"requests": {"cpu": "8", "nvidia.com/gpu": "2"}, "limits": {"nvidia.com/gpu": "2"}},
                "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
            },
        }
    },
}
CHAT: Object = {
    "apiVersion": "ome.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {
        "name": "chat",
        "namespace": "team",
        "uid": "uid-chat",
        "labels": {"app": "chat"},
        "annotations": {"note": "1", "ome.io/service-type": "LoadBalancer", "argocd.argoproj.io/tracking-id": "x"},
    },
    "spec": {
        "model": {"name": "llama", "kind": "ClusterBaseModel"},
        "runtime": {"name": "big", "kind": "ClusterServingRuntime"},
        "engine": {
            "minReplicas": 2,
            "maxReplicas": 5,
            "labels": {"team": "x"},
            "nodeSelector": {"pool": "a"},
            "priorityClassName": "high",
            "runner": {
                "name": "ome-container",
                "args": ["--max-running-requests=8"],
                "env": [{"name": "B", "value": "own"}, {"name": "C", "value": "own"}],
            },
        },
        "router": {"minReplicas": 1},
    },
}
DEPLOYMENT: Object = {"kind": "Deployment", "metadata": {"name": "chat-engine"}, "spec": {"replicas": 2}}


def read(isvc: Object = CHAT, *parts: Object, target: Target = TARGET) -> Object:
    return BACKEND.read_target(target, FoundTarget(isvc, parts or (RUNTIME, DEPLOYMENT)), shipped())


def changed(base: Object, changes: Object) -> Object:
    return merged(copy.deepcopy(base), changes)


def of_runtime(changes: Object) -> tuple[Object, ...]:
    return changed(RUNTIME, {"spec": changes}), DEPLOYMENT


def runner(**changes: Any) -> Object:
    return {"engineConfig": {"runner": changes}}


PARTS = "it is no single engine but several, of which a copy would be one"
FAULTS: list[tuple[Object, tuple[Object, ...], str]] = [
    ({"spec": {"engine": None}}, (), "has no spec.engine, so nothing runs that could be a baseline"),
    ({"spec": {"runtime": None}}, (), "names no runtime; write the one that it uses into spec.runtime"),
    ({"spec": {"model": None}}, (), "names no model; write the one that it uses into spec.model"),
    ({"spec": {"decoder": {"minReplicas": 1}}}, (), f"has spec.decoder: {PARTS}"),
    ({"spec": {"engine": {"worker": {"size": 1}}}}, (), f"has spec.engine.worker: {PARTS}"),
    ({"metadata": {"annotations": {"ome.io/deploymentMode": "Serverless"}}}, (),
     "is of mode Serverless; only RawDeployment can be copied"),
    ({"spec": {"engine": {"annotations": {"ome.io/deploymentMode": "MultiNode"}}}}, (),
     "is of mode MultiNode; only RawDeployment can be copied"),
    ({"spec": {"engine": {"minReplicas": 0}}}, (),
     "has no replicas, so nothing runs that could be a baseline; scale it up"),
    ({}, (RUNTIME, changed(DEPLOYMENT, {"spec": {"replicas": 0}})),
     "has no replicas, so nothing runs that could be a baseline; scale it up"),
    ({"metadata": {"ownerReferences": [{"kind": "Fleet", "name": "f", "controller": True}]}}, (),
     "is made by Fleet f, which would undo a change of it; tune a copy that is your own"),
    ({}, (DEPLOYMENT,), "names a runtime big, which does not exist"),
    ({}, (RUNTIME, {**RUNTIME, "kind": "ServingRuntime"}),
     ": ServingRuntime big and a ClusterServingRuntime of the same name exist, and releases of OME differ in which one"
     " they use; rename one"),
    ({}, of_runtime({"decoderConfig": {"runner": {}}}), f": ClusterServingRuntime big has decoderConfig: {PARTS}"),
    ({}, of_runtime({"engineConfig": {"leader": {}}}), f": ClusterServingRuntime big has engineConfig.leader: {PARTS}"),
    ({}, of_runtime(runner(command=["sh", "-c", "python3 -m sglang.launch_server --tp 2"], args=[])),
     ": ClusterServingRuntime big starts the engine by a shell script, which gets none of the arguments of an"
     " InferenceService; let it start the engine by command and args"),
    ({}, of_runtime(runner(command=["serve"], args=[], image="")),
     ": ClusterServingRuntime big has no engineConfig.runner with an image"),
    ({"spec": {"acceleratorSelector": {"acceleratorClass": "h100"}}},
     of_runtime({"supportedModelFormats": [{"acceleratorConfig": {"h100": {"runtimeArgsOverride": ["--tp=4"]}}}]}),
     ": ClusterServingRuntime big has acceleratorConfig, by which OME overrules arguments; name no class of"
     " accelerators"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "parts", "words"), FAULTS)
def test_what_cannot_be_copied_says_why(changes: Object, parts: tuple[Object, ...], words: str) -> None:
    with pytest.raises(UnusableTargetError) as caught:
        read(changed(CHAT, changes), *parts)
    assert str(caught.value) == f"InferenceService chat{'' if words.startswith(':') else ' '}{words}"


def test_an_engine_that_is_not_known_is_asked_for() -> None:
    with pytest.raises(
        UnusableTargetError, match=r"starts no engine that is known: serve .*; say which engine it is in target\.engine"
    ):
        read(CHAT, *of_runtime(runner(command=["serve"])))
    told = Target.model_validate({**ADDRESS, "engine": "SGLang"})
    assert read(CHAT, *of_runtime(runner(command=["serve"])), target=told)["engine"] == "SGLang"


def test_what_runs_is_the_runtimes_engine_under_its_own() -> None:
    data = read()
    found = BACKEND.engine_template(data)

    assert data["engine"] == "SGLang"
    assert found.command == [*SERVE, "--tp-size=2"]
    assert found.args == ["--tp-size=2", "--max-running-requests=8"]
    assert {one["name"]: one["value"] for one in found.container["env"]} == {"A": "runtime", "B": "own", "C": "own"}
    assert found.container["readinessProbe"] == PROBE
    assert found.pod["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert data["template"]["metadata"] == {"annotations": {"note": "1"}}


def test_its_model_is_named_and_its_runtime_kept() -> None:
    task = make_task(target=ADDRESS, model=None, runtime=None)["spec"]
    data = read(CHAT, RUNTIME, DEPLOYMENT, make_model())
    spec = with_target(TaskSpec.model_validate(task), data)

    assert data["model"] == make_model()["spec"]
    assert (spec.model.name, spec.model.kind) == ("llama", "ClusterBaseModel")
    assert spec.runtime.custom is not None
    assert spec.runtime.engine == "SGLang"


@pytest.mark.parametrize(
    ("isvc", "runtime", "same"),
    [
        ({"metadata": {"labels": {"app": "other"}, "resourceVersion": "9"}}, {}, True),
        ({"spec": {"engine": {"minReplicas": 3}}}, {}, True),
        ({"spec": {"engine": {"runner": {"args": ["--max-running-requests=9"]}}}}, {}, False),
        ({"spec": {"model": {"name": "other"}}}, {}, False),
        ({}, {"spec": runner(image="lmsysorg/sglang:v0.5.6")}, False),
    ],
    ids=["labels", "replicas", "arguments", "another model", "the runtime"],
)
def test_a_change_of_what_is_measured_is_noticed(isvc: Object, runtime: Object, same: bool) -> None:
    assert reading.same(read(changed(CHAT, isvc), changed(RUNTIME, runtime), DEPLOYMENT), read()) == same


def served(**service: Any) -> tuple[Object, Service, Object]:
    snapshot = {"kind": "ControllerRevision", "metadata": {"name": "tune-1"}, "data": read()}
    given = {
        "backend": "OMEInferenceService",
        "container": "ome-container",
        "runtime": {"kind": "ControllerRevision", "name": "tune-1"},
        "args": ["--tp-size=4", "--max-running-requests=16"],
        "accelerator": {"resource": "nvidia.com/gpu", "count": 4},
        **service,
    }
    body = make_experiment(service=given)
    return body, Service.model_validate(body["spec"]["service"]), snapshot


def deployed(isvc: Object) -> Object:
    """The Deployment that OME makes of an InferenceService."""
    service = render.Service(merged(isvc, {"metadata": {"uid": "uid"}}), make_model(), RUNTIME)
    return render.deployment(service, service.engine())


def test_a_copy_runs_what_the_original_runs_with_its_own_arguments() -> None:
    body, service, snapshot = served(env=[{"name": "C", "value": "tuned"}])
    isvc = BACKEND.render(body, service, snapshot)
    ours, theirs = deployed(isvc), deployed(CHAT)
    (container,), (original,) = (one["spec"]["template"]["spec"]["containers"] for one in (ours, theirs))

    assert isvc["metadata"]["labels"] == {
        "autotuner.io/experiment": "chat-1",
        "autotuner.io/experiment-uid": "uid-chat-1",
    }
    assert isvc["metadata"]["annotations"] == {
        "note": "1",
        "ome.io/deploymentMode": "RawDeployment",
        "ome.io/autoscalerClass": "external",
    }
    assert "router" not in isvc["spec"]
    assert ours["spec"]["replicas"] == 1
    assert not {"app": "chat", "team": "x"}.items() & ours["spec"]["template"]["metadata"]["labels"].items()
    assert container["args"] == ["--tp-size=4", "--max-running-requests=16"]
    assert container["command"] == [*SERVE, "--tp-size=2"]  # which the arguments overrule
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "4"}
    assert container["resources"]["requests"] == {"cpu": "8", "nvidia.com/gpu": "4"}
    env = {one["name"]: one["value"] for one in container["env"]}
    assert env == {"A": "runtime", "B": "own", "C": "tuned", "MODEL_PATH": "/models/llama", "PARALLELISM_SIZE": "4"}
    for field in ("image", "ports", "readinessProbe", "volumeMounts"):
        assert container[field] == original[field]
    pods, theirs_pods = ours["spec"]["template"]["spec"], theirs["spec"]["template"]["spec"]
    assert pods["nodeSelector"] == theirs_pods["nodeSelector"]
    assert pods["terminationGracePeriodSeconds"] == 10


def test_what_won_is_a_merge_patch_of_the_original() -> None:
    body, service, snapshot = served(env=[{"name": "C", "value": "tuned"}])
    found = BACKEND.winner(body, service, snapshot, "tune")

    assert isinstance(found.body, dict)
    assert found.patch_of is not None
    assert found.patch_of.command_target == "inferenceservices.ome.io/chat"
    assert found.patch_of.type == "merge"
    (container,) = deployed(merged(copy.deepcopy(CHAT), found.body))["spec"]["template"]["spec"]["containers"]
    assert container["args"] == list(service.args)
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "4"
    assert {one["name"]: one["value"] for one in container["env"]}["B"] == "own"
    assert {one["name"]: one["value"] for one in container["env"]}["C"] == "tuned"


def test_what_else_is_read_of_it() -> None:
    parts = BACKEND.target_parts(CHAT)
    assert [(one.resource.kind, one.name) for one in parts.named] == [
        ("ClusterBaseModel", "llama"),
        ("ServingRuntime", "big"),
        ("ClusterServingRuntime", "big"),
        ("Deployment", "chat-engine"),
    ]
    bare = BACKEND.target_parts(changed(CHAT, {"spec": {"runtime": None, "model": None}}))
    assert [one.name for one in bare.named] == ["chat-engine"]
