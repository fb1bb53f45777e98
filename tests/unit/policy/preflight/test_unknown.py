"""What is unknown is not absent: what a check says without a cluster, it says in every cluster that may be meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from autotuner import backend_choice, presets
from autotuner.api.task import TaskSpec
from autotuner.policy import preflight
from autotuner.policy.preflight import Surroundings
from autotuner.policy.volume_claims import Storage
from autotuner.serving.accelerators import Fleet, NodeAccelerators
from tests.support import drawn_specs
from tests.unit.task_builders import make_task

PRESETS = presets.load(presets.default_folder())
BACKEND = backend_choice.DEFAULT
_MODEL = {"modelFormat": {"name": "safetensors", "version": "1.0.0"}, "modelArchitecture": "LlamaForCausalLM"}
# Models and runtimes that a name may mean; a cluster has one of each.
MODELS: Mapping[str, Any] = {
    "a folder on the node": {**_MODEL, "storage": {"storageUri": "hf://a/b", "path": "/models/a"}},
    "a claim": {**_MODEL, "storage": {"storageUri": "pvc://weights/a"}},
    "no files": {**_MODEL, "storage": {"storageUri": "vendor://a"}},
}
RUNTIMES: Mapping[str, Any] = {
    "simulated-sglang": PRESETS.runtimes["simulated-sglang"].spec,
    "sglang": PRESETS.runtimes["sglang-llama-small"].spec,
    "vllm": PRESETS.runtimes["vllm-llama-small"].spec,
    "flags of its own": {
        "engineConfig": {
            "runner": {
                "image": "registry.example/engine:latest",
                "command": ["engine", "$(MODEL_PATH)"],
                "args": [
                    "--enable-lora",
                    "--speculative-algorithm=EAGLE",
                    "--no-enable-chunked-prefill",
                    "--tp-size=2",
                ],
            }
        }
    },
}


def named(spec: Mapping[str, Any], which: str) -> dict[str, Any]:
    """A spec whose model or runtime is an existing one, known by its name alone."""
    result = dict(spec)
    if which in ("model", "both"):
        volume = {key: value for key, value in spec["model"].items() if key == "volume"}
        result["model"] = {"name": "theirs", **volume}
    if which in ("runtime", "both"):
        kept = ("image", "env", "extraArgs", "version", "allowUnknownFlags", "probe", "engine")
        own = {key: value for key, value in spec["runtime"].items() if key in kept}
        preset = PRESETS.runtimes.get(spec["runtime"].get("preset", ""))
        result["runtime"] = {"name": "theirs", "engine": preset.engine if preset else "SGLang", **own}
    return result


def worlds(which: str) -> Iterator[Surroundings]:
    """Clusters in which the name means something."""
    models = [_live("ClusterBaseModel", spec) for spec in MODELS.values()]
    runtimes = [_live("ClusterServingRuntime", spec) for spec in RUNTIMES.values()]
    for model in models if which != "runtime" else [None]:
        for runtime in runtimes if which != "model" else [None]:
            yield Surroundings(BACKEND, model, runtime)


def _live(kind: str, spec: Any) -> dict[str, Any]:
    formats = [{**_MODEL, "name": "safetensors"}]
    return {"kind": kind, "metadata": {"name": "theirs"}, "spec": {**spec, "supportedModelFormats": formats}}


def told(spec: TaskSpec, around: Surroundings) -> set[tuple[str, str]]:
    """What is wrong, by field and kind, but for what is said to be missing."""
    found = preflight.check(spec, PRESETS, around)
    return {(one.field, one.kind.name) for one in found if one.reason != "NotFound"}


def specs() -> Iterator[tuple[str, dict[str, Any]]]:
    for body in drawn_specs.wholes():
        if body["kind"] == "TuningTask":
            yield body["metadata"]["name"], body["spec"]


CASES = [(name, spec, which) for name, spec in specs() for which in ("model", "runtime", "both")]


@pytest.mark.parametrize(("name", "spec", "which"), CASES, ids=[f"{name}, {which}" for name, _, which in CASES])
@pytest.mark.parametrize("tokenizer", ["as it is", "ModelVolume", "Builtin"])
def test_an_error_without_a_cluster_is_one_in_each(name: str, spec: dict[str, Any], which: str, tokenizer: str) -> None:
    del name
    if tokenizer != "as it is":
        spec = {**spec, "benchmark": {**spec["benchmark"], "tokenizer": {"source": tokenizer}}}
    task = TaskSpec.model_validate(named(spec, which))
    unknown = told(task, Surroundings(BACKEND, None, None))
    everywhere = set.intersection(*(told(task, around) for around in worlds(which)))
    assert unknown <= everywhere


SEARCHED_ALONE = [
    [{"name": "speculative-num-steps", "values": [2, 3]}],
    [{"name": "max-num-batched-tokens", "values": [512, 1024]}],
    [{"name": "tp-size", "values": [4, 8]}],
]


@pytest.mark.parametrize("parameters", SEARCHED_ALONE, ids=lambda given: given[0]["name"])
@pytest.mark.parametrize("engine", ["SGLang", "VLLM"])
def test_flags_that_depend_on_those_of_an_unknown_runtime_are_no_error(parameters: Any, engine: str) -> None:
    body = make_task(runtime={"preset": None, "name": "theirs", "engine": engine}, baseline=None)["spec"]
    task = TaskSpec.model_validate({**body, "parameters": parameters, "search": {"maxExperiments": 2, "maxGPUs": 4}})
    unknown = told(task, Surroundings(BACKEND, None, None))
    assert unknown <= set.intersection(*(told(task, around) for around in worlds("runtime")))
    assert (("parameters", "SPACE_EMPTY")) not in unknown


# For each thing that a cluster tells: what is refused once it is known, and not while it is unknown.
TOLD_BY_THE_CLUSTER: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (
        "the model's files",
        {"model": {"preset": None, "name": "theirs"}, "benchmark": {"tokenizer": {"source": "ModelVolume"}}},
        {"model": _live("ClusterBaseModel", MODELS["no files"])},
        "TOKENIZER_WITHOUT_FILES",
    ),
    (
        "whether the engine is the simulated one",
        {"runtime": {"preset": None, "name": "theirs", "engine": "SGLang"}},
        {"runtime": _live("ClusterServingRuntime", RUNTIMES["sglang"])},
        "TOKENIZER_COUNTS_BYTES",
    ),
    (
        "what nodes can hold",
        {"parameters": [{"name": "tp-size", "values": [16, 32]}], "baseline": None},
        {"fleet": Fleet("nvidia.com/gpu", (NodeAccelerators("node-a", 8, "H100"),), looked=True)},
        "SPACE_EMPTY",
    ),
    (
        "what all tasks may hold",
        {"baseline": {"args": ["--tp-size=4"]}},
        {"most_accelerators": 2},
        "BASELINE_BEYOND_ALL_TASKS",
    ),
    (
        "whether a claim exists",
        {"model": {"volume": {"claimName": "weights"}}},
        {"storage": Storage("team", claim_name="weights")},
        "CLAIM_MISSING",
    ),
    (
        "whether cluster-scoped objects may be made",
        {},
        {"may_create": False},
        "CREATION_FORBIDDEN",
    ),
]


@pytest.mark.parametrize(
    ("change", "known", "kind"), [row[1:] for row in TOLD_BY_THE_CLUSTER], ids=[row[0] for row in TOLD_BY_THE_CLUSTER]
)
def test_what_only_a_cluster_knows_is_refused_there_alone(
    change: dict[str, Any], known: dict[str, Any], kind: str
) -> None:
    spec = TaskSpec.model_validate(make_task(**change)["spec"])
    here = Surroundings(BACKEND, known.get("model"), known.get("runtime"))
    around = Surroundings(**{**vars(here), **known})
    assert kind in {one.kind.name for one in preflight.check(spec, PRESETS, around)}
    assert kind not in {one.kind.name for one in preflight.check(spec, PRESETS, Surroundings(BACKEND, None, None))}
