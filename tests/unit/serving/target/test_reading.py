"""Deployments that somebody wrote who never heard of us: what is read of them, and which cannot be copied."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from autotuner import backend_choice
from autotuner.api.model_and_runtime import Target
from autotuner.api.task import TaskSpec
from autotuner.kubernetes_object import Object
from autotuner.policy.target_spec import with_target
from autotuner.serving.backend import FoundTarget, UnusableTargetError
from autotuner.serving.deployment.deployments import Deployments
from autotuner.serving.target.reading import claims, same
from tests.unit.builders import make_experiment
from tests.unit.task_builders import make_task, shipped

BACKEND = backend_choice.BACKENDS["Deployment"]
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}
HUB_ID = "meta-llama/Llama-3.1-8B-Instruct"
IMAGE = "vllm/vllm-openai:v0.33.0"
# Five ways in which people start vLLM, with the tuned flags that each has.
STYLES: dict[str, tuple[Object, list[str]]] = {
    "arguments alone": ({"args": ["--model", HUB_ID, "--max-num-seqs=64"]}, ["--max-num-seqs=64"]),
    "a shell": (
        {"command": ["/bin/sh", "-c"], "args": [f"exec vllm serve {HUB_ID} --port 8000 --max-num-seqs 64"]},
        ["--max-num-seqs", "64"],
    ),
    "the image's own start": ({"args": [HUB_ID, "--max-num-seqs", "64"]}, ["--max-num-seqs", "64"]),
    "all in command, as charts do": (
        {"command": ["vllm", "serve", HUB_ID, "--host", "0.0.0.0", "--port", "8000", "--max-num-seqs", "64"]},
        ["--max-num-seqs", "64"],
    ),
    "command and args, as guides do": (
        {"command": ["vllm", "serve"], "args": [HUB_ID, "--port=8000", "--max-num-seqs=64", "--enforce-eager"]},
        ["--max-num-seqs=64", "--enforce-eager"],
    ),
}


def deployment(container: Object | None = None, **spec: Any) -> Object:
    engine = {"name": "vllm", "image": IMAGE, "ports": [{"containerPort": 8000}], **(container or STYLES["a shell"][0])}
    pod = {"containers": [engine], "volumes": []}
    template = {"metadata": {"labels": {"app": "chat"}}, "spec": pod}
    meta = {"name": "chat", "namespace": "team", "uid": "uid-target"}
    return {"metadata": meta, "spec": {"replicas": 1, "template": template, **spec}}


def data_of(found: Object | None = None, **target: Any) -> Object:
    return Deployments().read_target(
        Target.model_validate({**TARGET, **target}), FoundTarget(found or deployment()), shipped()
    )


def task_with(data: Object) -> TaskSpec:
    body = make_task(target=TARGET)["spec"]
    del body["model"], body["runtime"]
    return with_target(TaskSpec.model_validate(body), data)


@pytest.mark.parametrize("style", STYLES)
def test_engine_model_and_flags_are_recognised(style: str) -> None:
    container, flags = STYLES[style]
    data = data_of(deployment(container))
    spec = task_with(data)
    template = BACKEND.engine_template(data)

    assert (data["container"], data["engine"], spec.runtime.engine) == ("vllm", "VLLM", "VLLM")
    assert template.args == flags
    assert template.image == IMAGE
    assert data["model"]["modelArchitecture"] == "LlamaForCausalLM", "a preset knows this id"
    assert data["model"]["storage"] == {"storageUri": f"hf://{HUB_ID}"}


@pytest.mark.parametrize("style", STYLES)
def test_the_patch_has_the_winners_arguments_in_the_form_that_was_there(style: str) -> None:
    container, _ = STYLES[style]
    original = deployment(container)
    data = data_of(original)
    spec = task_with(data)
    model = BACKEND.wanted_model(spec.model, shipped(), "team")
    assert model is not None
    snapshot = BACKEND.wanted_runtime(spec, shipped(), model, "team")
    assert snapshot is not None
    reference = {"kind": "ControllerRevision", "name": snapshot["metadata"]["name"]}
    service = {"backend": "Deployment", "container": "vllm", "runtime": reference, "image": ""}
    experiment = make_experiment(service={**service, "args": ["--max-num-seqs=8"], "env": None})
    found = BACKEND.winner(experiment, _service(experiment), snapshot, "any")

    assert found.patch_of is not None
    assert (found.patch_of.resource.kind, found.patch_of.name, found.patch_of.type) == (
        "Deployment",
        "chat",
        "strategic",
    )
    assert isinstance(found.body, dict)
    assert found.body["metadata"] == {"name": "chat", "namespace": "team"}
    (patched,) = found.body["spec"]["template"]["spec"]["containers"]
    assert set(patched) - {"name", "resources"} == set(container), "no field that was not there"
    after = copy.deepcopy(original)
    after["spec"]["template"]["spec"]["containers"][0].update(patched)
    again = data_of(after)
    assert BACKEND.engine_template(again).args == ["--max-num-seqs=8"]
    head = BACKEND.engine_template(data).command
    assert sorted(BACKEND.engine_template(again).command) == sorted(head), "model, port and host stay"


def _service(experiment: Object) -> Any:
    from autotuner.api.experiment import Service

    return Service.model_validate(experiment["spec"]["service"])


def test_an_experiment_runs_the_copy_with_its_own_arguments() -> None:
    data = data_of()
    spec = task_with(data)
    model = BACKEND.wanted_model(spec.model, shipped(), "team")
    assert model is not None
    snapshot = BACKEND.wanted_runtime(spec, shipped(), model, "team")
    assert snapshot is not None
    assert snapshot["metadata"]["name"].startswith("chat-")
    reference = {"kind": "ControllerRevision", "name": "chat-1"}
    service = {"backend": "Deployment", "container": "vllm", "runtime": reference, "image": "", "args": ["--a=x y"]}
    experiment = make_experiment(service=service)
    pod = BACKEND.render(experiment, _service(experiment), snapshot)["spec"]["template"]

    assert "app" not in pod["metadata"]["labels"], "no Service of the original takes it"
    (engine,) = pod["spec"]["containers"]
    assert engine["command"] == ["/bin/sh", "-c"]
    assert engine["args"] == [f"exec vllm serve {HUB_ID} --port 8000 '--a=x y'"]


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, "Deployment chat does not exist"),
        (deployment(replicas=0), "has no replicas"),
        ({**deployment(), "metadata": {"deletionTimestamp": "x"}}, "is being deleted"),
        (
            {
                **deployment(),
                "metadata": {"ownerReferences": [{"controller": True, "kind": "InferenceService", "name": "n"}]},
            },
            "is made by InferenceService n, which would undo a change of it",
        ),
        (deployment({"command": ["nginx"]}), "no container starts an engine that is known"),
    ],
)
def test_what_cannot_be_copied_is_refused(found: Object | None, why: str) -> None:
    with pytest.raises(UnusableTargetError, match=why):
        Deployments().read_target(Target.model_validate(TARGET), FoundTarget(found), shipped())


def test_a_restart_is_no_change_and_other_arguments_are() -> None:
    first = data_of()
    restarted = deployment()
    restarted["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "now"}
    assert same(first, data_of(restarted))
    assert same(first, {**data_of(), "model": {"displayName": "known by another name"}})
    assert not same(first, data_of(deployment(STYLES["arguments alone"][0])))


def test_the_claims_of_a_pod_are_known() -> None:
    found = deployment()
    found["spec"]["template"]["spec"]["volumes"] = [
        {"name": "w", "persistentVolumeClaim": {"claimName": "weights"}},
        {"name": "s", "emptyDir": {}},
    ]
    assert claims(data_of(found)) == ["weights"]


def test_a_model_that_no_preset_knows_is_called_by_its_own_name() -> None:
    data = data_of(deployment({"args": ["--model", "/models/Mine_7B", "--max-num-seqs=1"]}))
    assert data["model"] == {"displayName": "/models/Mine_7B", "storage": {"storageUri": "local:///models/Mine_7B"}}
    spec = task_with(data)
    assert spec.model.custom is not None
    assert spec.model.custom.name == "mine-7b"
