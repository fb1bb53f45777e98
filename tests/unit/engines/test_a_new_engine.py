"""A fourth engine, registered and nothing else: all that the product does with an engine works on it."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pytest

import autotuner
from autotuner import backend_choice, engines
from autotuner.api.common import EngineName
from autotuner.api.experiment import ExperimentSpec
from autotuner.api.task import TaskSpec
from autotuner.benchmark import job
from autotuner.engines import Engine
from autotuner.engines.diagnosis import Diagnosis
from autotuner.kubernetes_object import Object
from autotuner.policy.evidence.baseline_flag_values import BaselineValues
from autotuner.policy.preflight import Surroundings, check, engine_of, space, warnings
from autotuner.policy.recommendation import quality_warning
from autotuner.presets import Presets, RuntimePreset
from autotuner.search.advised_starts import advised
from autotuner.search.space.space import Space
from autotuner.serving.accelerators import Fleet, NodeAccelerators
from autotuner.serving.backend import Endpoint
from autotuner.validation_messages import Kind
from tests.unit.builders import make_experiment
from tests.unit.engines.made_up_engine import NAME, QUILL
from tests.unit.task_builders import live_model, make_spec, shipped

RUNNER: Object = {
    "name": "ome-container",
    "image": "example/quill:v1.2.0",
    "command": ["quill"],
    "args": ["--batch-limit=64", "--copies=2"],
}
PRESETS = shipped().under(
    Presets(runtimes={"quill": RuntimePreset("quill", NAME, {"engineConfig": {"runner": RUNNER}})})
)
FLEET = Fleet("nvidia.com/gpu", (NodeAccelerators("node-a", 8, "H100", memory_mib=81559),), looked=True)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engines._ENGINES, NAME, QUILL)  # type: ignore[arg-type]


def task(*, extra_args: Sequence[str] = (), **changes: Any) -> TaskSpec:
    return make_spec(
        baseline=None,
        **{
            "runtime": {"preset": "quill", "extraArgs": list(extra_args)},
            "parameters": [{"name": "batch-limit", "values": [16, 128]}, {"name": "eager", "toggle": True}],
            "benchmark": {"tokenizer": {"source": "Hub", "id": "x"}},
            **changes,
        },
    )


ENDPOINT = Endpoint("http", "chat-1.team.svc", 8080)


def around(size: str = "8B") -> Surroundings:
    model = live_model()
    sized = {**model, "spec": {**model["spec"], "modelParameterSize": size}}
    return Surroundings(backend_choice.DEFAULT, sized, None, fleet=FLEET)


def told(spec: TaskSpec) -> list[str]:
    return [problem.message for problem in check(spec, PRESETS, around())]


def space_of(spec: TaskSpec, size: str = "8B") -> Space:
    return space(spec, PRESETS, around(size), NAME)


def removed(found: Space) -> dict[str, int]:
    return {name: count for name, count in found.removed if count}


def test_every_engine_of_the_api_is_registered() -> None:
    assert {engines.get(name).name for name in get_args(EngineName)} == set(get_args(EngineName))


def test_an_engine_must_say_everything() -> None:
    parts = {Engine, *(type(getattr(QUILL, field.name)) for field in dataclasses.fields(Engine))}
    checked = {part for part in parts if dataclasses.is_dataclass(part)}

    assert len(checked) == 9
    for part in checked:
        for field in dataclasses.fields(part):
            assert field.default is field.default_factory is dataclasses.MISSING, f"{part.__name__}.{field.name}"


def test_no_other_module_knows_an_engine_by_its_name() -> None:
    package = Path(autotuner.__file__).parent
    own = {package / "engines" / f"{name}.py" for name in ("sglang", "vllm", "custom")} | {
        package / "api" / "common.py"
    }
    known = [engines.get(name) for name in get_args(EngineName)]
    # "openai" is the name of an API and of a library that engines and clients share.
    names = {name for one in known for name in (one.name, one.label, one.package, one.client_backend)} - {"", "openai"}

    own.add(package / "engines" / "parser_reading.py")  # runs inside their images
    # The simulated engine is a program of its own, which plays them.
    for path in set(package.rglob("*.py")) - own - set((package / "simulator").rglob("*.py")):
        constants = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
        assert not names.intersection(one for one in constants if isinstance(one, str)), path


def test_a_preset_names_it() -> None:
    assert engine_of(task(), PRESETS) == NAME
    assert told(task()) == []
    assert [str(QUILL.at(version).table) for version in ("1.1.7", "1.3")] == [
        "Quill 1.1.0",
        "Quill 1.2.0",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extra_args": ["--listen=1"]}, 'runtime.extraArgs[0]: "--listen": the flag is set by the operator; remove'),
        ({"extra_args": ["--shard=1"]}, 'runtime.extraArgs[0]: "--shard": Quill 1.2.0 has no such flag; did you mean'),
        ({"extra_args": ["--share=1"]}, 'runtime.extraArgs[0]: "--share": 1 is out of range; it must be above 0 and'),
        ({"extra_args": ["--batch_limit=1"]}, "parameters[batch-limit]: the flag is also in runtime.extraArgs[0]"),
        ({"parallelism": {"expert": [2]}}, "parameters: no configuration is left"),
        ({"parallelism": {"pipeline": [2]}}, "parameters: no configuration is left"),
    ],
)
def test_preflight_refuses_what_it_refuses(changes: dict[str, Any], message: str) -> None:
    (found,) = told(task(**changes))

    assert found.startswith(message)


def test_arguments_are_written_in_its_words() -> None:
    configuration = {"batch-limit": 128, "eager": False, "shards": 4}

    assert QUILL.compose(["--batch-limit=64", "-s", "2"], configuration) == [
        "--batch-limit=128",
        "--shards=4",
        "--no-eager",
    ]
    assert QUILL.accelerators(["--width=2", "--stages=2", "--copies=3"]) == 12
    assert QUILL.accelerators(["--shards=4", "--copies=2", "--inner-copies"]) == 4


def test_words_and_rules_make_a_space() -> None:
    found = space_of(
        task(
            parameters=[{"name": "batch-limit", "values": [16, 128]}, {"name": "chunk", "values": [64, 512]}],
            parallelism={"tensor": [1, 2, 16], "pipeline": [1, 2], "data": [1]},
            quantization={"kvCache": ["auto", "fp8_e4m3", "int8"]},
        )
    )

    assert found.findings == []
    assert removed(found).keys() == {"parallelism", "quantization", "chunks", "accelerators per node"}
    rendered = {found.render(one).args for index in range(found.numbers) if (one := found.at(index)) is not None}
    assert len(rendered) == found.size == 3 * 3 * 2
    assert ("--batch-limit=128", "--copies=1", "--chunk=512", "--shards=2", "--cache=fp8_e4m3") in rendered


def test_weights_that_do_not_fit_are_left_out() -> None:
    offered = task(parallelism={"tensor": [1, 2, 4], "data": [1]}, quantization={"weights": ["auto", "fp8"]})

    assert removed(space_of(offered)) == {}
    assert removed(space_of(offered, "70B")) == {"weights fit": 4}
    assert "140 GB of weights per GPU do not fit into 75 GB (0.9 of" in (
        QUILL.memory.too_large({"shards": "1"}, {"modelParameterSize": "70B"}, FLEET.memory_mib) or ""
    )


def test_its_advice_begins_the_search() -> None:
    found = space_of(task(parallelism={"tensor": [1, 2, 4], "data": [1]}, quantization={"weights": ["auto", "fp8"]}))

    assert [dict(one) for one in advised(found, engines.get(NAME), "throughput")] == [
        {
            "batch-limit": 128,
            "eager": False,
            "parallelism.tensor": tensor,
            "parallelism.data": 1,
            "quantization.weights": "fp8",
        }
        for tensor in (1, 2)
    ]


@pytest.mark.parametrize(
    ("log", "exit_code", "want"),
    [
        ("<quill> the inkwell is empty\n", 1, Diagnosis("OutOfMemory", "the inkwell is empty")),
        ("<quill> no feather in /models\n", 1, Diagnosis("ModelNotReady", "no feather in /models")),
        ("ValueError: inner_copies is odd\n", 1, Diagnosis("InvalidArguments", "ValueError: inner_copies is odd")),
        ("the nib broke\n", 1, Diagnosis("EngineCrashed", "the nib broke")),
        ("TypeError: a\nQuill lays itself down\n", 137, Diagnosis("EngineCrashed", "TypeError: a")),
        ("TypeError: a\nRuntimeError: as told above\n", 1, Diagnosis("EngineCrashed", "TypeError: a")),
        ("CUDA out of memory\n", 1, Diagnosis("OutOfMemory", "CUDA out of memory")),
        ("Received sigquit from a child process\n", 137, "EngineCrashed"),
    ],
)
def test_its_last_words_are_understood(log: str, exit_code: int, want: Diagnosis | str) -> None:
    found = engines.get(NAME).diagnose(log, exit_code)

    assert found is not None
    assert found == want or found.reason == want


def test_a_recommendation_compares_in_its_words() -> None:
    (dimension,) = space_of(task(parameters=[], parallelism={"tensor": [1, 4]})).dimensions

    assert BaselineValues(QUILL, ["-s", "4"]).of(dimension) == "4"
    assert quality_warning.changed(QUILL, ["--shrink=fp8", "--shards=2"], []) == ["shrink"]


def test_the_load_client_is_told_how_to_speak_to_it() -> None:
    body = make_experiment()
    spec = ExperimentSpec.model_validate(body["spec"])
    ours = spec.model_copy(update={"service": spec.service.model_copy(update={"engine": NAME})})

    told = job.runner_spec(body, ours, job.JobSurroundings(ENDPOINT, "benchmark:1"))
    assert (told.backend, told.cache_flush, told.holds_length) == ("openai", "/forget", False)
    assert told.metric_names is not None
    assert (told.metric_names.served_by, told.metric_names.kv_use) == ("--gauges", ("quill_ink",))


def test_flags_that_depend_on_the_text_are_its_own() -> None:
    found = warnings(task(parameters=[{"name": "draft-length", "values": [1, 2]}]), PRESETS, around())

    assert [(one.field, one.kind) for one in found] == [("parameters[draft-length]", Kind.EFFECT_DEPENDS_ON_TEXT)]
