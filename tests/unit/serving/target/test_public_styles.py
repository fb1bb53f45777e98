"""Deployments of vLLM in five public styles: recognised, copied without their traffic, patched in their own words."""

from __future__ import annotations

import copy

import pytest

from autotuner import backend_choice
from autotuner.api.experiment import Service
from autotuner.api.model_and_runtime import Target
from autotuner.kubernetes_object import Object
from autotuner.serving.backend import FoundTarget
from autotuner.serving.target import engine_container, snapshots
from tests.support.public_deployments import STYLES, objects_of
from tests.unit.builders import make_experiment
from tests.unit.task_builders import shipped

BACKEND = backend_choice.BACKENDS["Deployment"]
WINNER = ["--max-num-seqs=8", '--compilation-config={"mode": 3}']
# Style -> container, what stays of the command line, and what is tuned.
READ: dict[str, tuple[str, list[str], list[str]]] = {
    "bare-args": (
        "server",
        ["--model", "/models/llama-3.1-8b", "--served-model-name", "meta-llama/Llama-3.1-8B-Instruct"],
        ["--max-model-len", "8192", "--gpu-memory-utilization", "0.9"],
    ),
    "shell": (
        "mistral",
        ["vllm", "serve", "mistralai/Mistral-7B-Instruct-v0.3"],
        ["--trust-remote-code", "--max_num_batched_tokens", "1024"],
    ),
    "image-entry-point": (
        "engine",
        ["Qwen/Qwen3-32B", "--api-key=$(KEY)"],
        ["--tensor-parallel-size=2", "--max-num-seqs=256"],
    ),
    "production-stack": (
        "vllm",
        ["vllm", "serve", "meta-llama/Llama-3.1-8B-Instruct", "--host", "0.0.0.0", "--port", "8000"],
        [
            *("--no-enable-prefix-caching", "--max-model-len", "16384", "--dtype", "bfloat16"),
            *("--tensor-parallel-size", "1", "--gpu_memory_utilization", "0.95"),
        ],
    ),
    "llm-d-guide": (
        "modelserver",
        ["vllm", "serve", "openai/gpt-oss-120b", "--served-model-name=openai/gpt-oss-120b"],
        [
            *("--tensor-parallel-size=1", "--gpu-memory-utilization=0.95", "--block-size=128"),
            *("--enable-auto-tool-choice", "--tool-call-parser=openai", "--gpu-memory-utilization=0.95"),
        ],
    ),
}


def read(live: Object) -> Object:
    target = Target.model_validate({"apiVersion": "apps/v1", "kind": "Deployment", "name": live["metadata"]["name"]})
    return BACKEND.read_target(target, FoundTarget(live), shipped())


def experiment_of(data: Object) -> tuple[Object, Service, Object]:
    """An experiment of a snapshot with the winner's arguments, its service, and the snapshot."""
    snapshot = snapshots.snapshot("copy", "llm", data)
    reference = {"kind": "ControllerRevision", "name": snapshot["metadata"]["name"]}
    service = {"backend": "Deployment", "container": data["container"], "runtime": reference, "args": WINNER}
    experiment = make_experiment(service={**service, "image": "", "env": None})
    return experiment, Service.model_validate(experiment["spec"]["service"]), snapshot


@pytest.mark.parametrize("style", STYLES)
def test_its_engine_and_flags_are_read(style: str) -> None:
    data = read(objects_of(style)[0])
    template = BACKEND.engine_template(data)
    assert (data["container"], template.command, template.args) == READ[style]
    assert data["engine"] == "VLLM"


@pytest.mark.parametrize("style", STYLES)
def test_its_copy_runs_other_flags_and_gets_none_of_its_traffic(style: str) -> None:
    live = objects_of(style)[0]
    experiment, service, snapshot = experiment_of(read(live))
    template = BACKEND.render(experiment, service, snapshot)["spec"]["template"]
    original = live["spec"]["template"]
    assert not original["metadata"]["labels"].items() & template["metadata"]["labels"].items()
    assert not {"hostname", "subdomain", "nodeName"} & template["spec"].keys()
    kept = {field for field in ("volumes", "serviceAccountName", "tolerations") if field in original["spec"]}
    assert all(template["spec"][field] == original["spec"][field] for field in kept)
    (container,) = (one for one in template["spec"]["containers"] if one["name"] == READ[style][0])
    assert engine_container.find([container]).flags == tuple(WINNER)
    assert sorted(engine_container.find([container]).head) == sorted(READ[style][1])


@pytest.mark.parametrize("style", STYLES)
def test_its_patch_gives_it_the_winners_flags_and_leaves_all_else(style: str) -> None:
    live = objects_of(style)[0]
    experiment, service, snapshot = experiment_of(read(live))
    patch = BACKEND.winner(experiment, service, snapshot, "any").body
    assert isinstance(patch, dict)
    (changes,) = patch["spec"]["template"]["spec"]["containers"]
    after = copy.deepcopy(live)
    containers = after["spec"]["template"]["spec"]["containers"]
    (container,) = (one for one in containers if one["name"] == changes["name"])
    assert set(changes) <= {"name", "command", "args", "resources"}
    container.update({key: value for key, value in changes.items() if key != "resources"})
    assert tuple(BACKEND.engine_template(read(after)).args) == tuple(WINNER)
    assert sorted(BACKEND.engine_template(read(after)).command) == sorted(READ[style][1])
