"""What is wrong with a task before anything is created: each problem names its field and what to write instead."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.api.task import TaskSpec
from autotuner.objects import Object
from autotuner.policy.preflight import Problem, Surroundings, check, engine_of
from autotuner.serving.backends import DEFAULT as OME
from tests.unit.builders import make_runtime
from tests.unit.task_builders import MODEL, live_model, live_runtime, make_spec, shipped

NAMED_RUNTIME: Object = {"preset": None, "name": "my-runtime", "engine": "SGLang"}
CUSTOM_MODEL: Object = {"name": "own", "spec": {"storage": {"storageUri": "hf://a/b"}}}
SECOND_BENCHMARK = {"scenarios": [{"name": "chat", "load": "D(100,250)"}], "concurrency": [4, 8]}


def serving(runtime: Object | None) -> Object | None:
    """A live runtime that serves the live model."""
    if runtime is None:
        return None
    identity = {"kind": "ClusterServingRuntime", "metadata": {"name": "my-runtime"}}
    formats = live_runtime()["spec"]["supportedModelFormats"]
    return {**identity, **runtime, "spec": {**runtime["spec"], "supportedModelFormats": formats}}


def problems(spec: TaskSpec, **around: Any) -> list[Problem]:
    around["runtime"] = serving(around.get("runtime"))
    return check(spec, shipped(), Surroundings(OME, **{"model": live_model(), "runtime": None} | around))


PROBLEMS: list[tuple[str, Object, Object, str, str]] = [
    (
        "an unknown model preset, with a hint",
        {"model": {"preset": "llama-3-2-1b-instrukt"}},
        {"model": None},
        "UnknownPreset",
        f"model.preset: no preset is called llama-3-2-1b-instrukt; did you mean {MODEL}?",
    ),
    (
        "an unknown model preset like no other",
        {"model": {"preset": "zzz"}},
        {"model": None},
        "UnknownPreset",
        f"model.preset: no preset is called zzz; there are {', '.join(sorted(shipped().models))}",
    ),
    (
        "an unknown runtime preset",
        {"runtime": {"preset": "simulated-vlm"}},
        {},
        "UnknownPreset",
        "runtime.preset: no preset is called simulated-vlm; did you mean simulated-vllm?",
    ),
    (
        "a model preset where nothing may be created",
        {},
        {"model": None, "may_create": False},
        "NotFound",
        f"model.preset: ClusterBaseModel {MODEL} does not exist, and this operator may not create cluster-scoped"
        " objects; ask for it to be created",
    ),
    (
        "a model that does not exist",
        {"model": {"preset": None, "name": "my-model", "kind": "BaseModel"}},
        {"model": None},
        "NotFound",
        "model.name: BaseModel my-model does not exist; create it, or name another",
    ),
    (
        "a runtime that does not exist",
        {"runtime": NAMED_RUNTIME, "benchmark": {"tokenizer": {"source": "Hub", "id": "x"}}},
        {},
        "NotFound",
        "runtime.name: ClusterServingRuntime my-runtime does not exist; create it, or name another",
    ),
    (
        "a hidden model",
        {},
        {"shadow": "model.preset: BaseModel x hides it"},
        "InvalidSpec",
        "model.preset: BaseModel x hides it",
    ),
    (
        "a reserved flag among the fixed ones",
        {"runtime": {"extraArgs": ["--port=80"]}},
        {},
        "ReservedFlag",
        'runtime.extraArgs[0]: "--port": the flag is set by the operator; remove it',
    ),
    (
        "a reserved flag in the baseline",
        {"baseline": {"args": ["--tp-size=1", "--api-key", "x"]}},
        {},
        "ReservedFlag",
        'baseline.args[1]: "--api-key": a key among the arguments is readable by everyone who may see the pod;'
        " remove it",
    ),
    (
        "a reserved flag as a parameter",
        {"parameters": [{"name": "model-path", "choices": ["a", "b"]}]},
        {},
        "ReservedFlag",
        "parameters[model-path]: the flag is set by the operator; choose the model in spec.model",
    ),
    (
        "a word that is no flag",
        {"runtime": {"extraArgs": ["tp-size=1"]}},
        {},
        "InvalidSpec",
        'runtime.extraArgs[0]: "tp-size=1": not a flag: an argument begins with a dash, for example --name=value',
    ),
    (
        "a parameter that is fixed too",
        {"runtime": {"extraArgs": ["--tp=1"]}},
        {},
        "InvalidSpec",
        "parameters[tp-size]: the flag is also in runtime.extraArgs[0]; remove one of them",
    ),
    (
        "a flag that the engine never had",
        {"parameters": [{"name": "enable-mixed-chunking", "toggle": True}]},
        {},
        "UnknownFlag",
        "parameters[enable-mixed-chunking]: SGLang 0.5.5.post3 has no such flag; did you mean enable-mixed-chunk? (if"
        " your image's engine has it, set runtime.allowUnknownFlags: true)",
    ),
    (
        "an illegal value",
        {"parameters": [{"name": "mem-fraction-static", "values": [0.9, 1.5]}]},
        {},
        "InvalidSpec",
        "parameters[mem-fraction-static]: values: 1.5 is out of range; it must be above 0 and below 1",
    ),
    (
        "a start point that is not offered",
        {"search": {"startPoints": [{"args": ["--tp-size=4"]}]}},
        {},
        "InvalidSpec",
        "search.startPoints[0].args: --tp-size=4 is not offered: tp-size has 1, 2",
    ),
    (
        "a rule that leaves nothing",
        {"constraints": [{"rule": "p.tp_size > 2", "message": "large only"}]},
        {},
        "EmptySpace",
        "parameters: no configuration is left",
    ),
    (
        "a rule about what is no parameter",
        {"constraints": [{"rule": "p.tp_sice > 2"}]},
        {},
        "InvalidSpec",
        "constraints[0].rule: ",
    ),
    (
        "a template in a value",
        {"parameters": [{"name": "chat-template", "choices": ["{{.Name}}"]}]},
        {},
        "InvalidSpec",
        'parameters[chat-template]: "{{" would be expanded as a template; write the value without it',
    ),
    (
        "a latency at a concurrency that is not measured",
        {"benchmark": SECOND_BENCHMARK, "objectives": [{"metric": "TTFT", "concurrency": 16}]},
        {},
        "InvalidSpec",
        "objectives[0].concurrency: 16 is not on the ladder; choose one of 4, 8",
    ),
    (
        "a request parameter that the benchmark sets",
        {"benchmark": {"requestParams": {"temperature": 0, "stream": False}}},
        {},
        "InvalidSpec",
        "benchmark.requestParams.stream: set by the benchmark itself; remove it",
    ),
    (
        "the built-in tokenizer with a real engine's preset",
        {"runtime": {"preset": "sglang-llama-small"}},
        {},
        "InvalidSpec",
        "benchmark.tokenizer.source: Builtin counts bytes: for the simulated engine only; use Hub or ModelVolume",
    ),
    (
        "the built-in tokenizer with a real engine's runtime",
        {"runtime": NAMED_RUNTIME},
        {"runtime": make_runtime("my-runtime")},
        "InvalidSpec",
        "benchmark.tokenizer.source: Builtin counts bytes: for the simulated engine only; use Hub or ModelVolume",
    ),
    (
        "the model's volume of a model without a path",
        {"benchmark": {"tokenizer": {"source": "ModelVolume"}}},
        {"model": {"spec": {"storage": {"storageUri": "hf://x/y"}}}},
        "InvalidSpec",
        "benchmark.tokenizer.source: ModelVolume needs model.volume or a model with spec.storage.path; use Hub with an"
        " id",
    ),
    (
        "more arguments than are passed on",
        {
            "runtime": {"extraArgs": [f"--x{number}=1" for number in range(126)], "allowUnknownFlags": True},
            "parameters": [{"name": "chunked-prefill-size", "values": [512, 2048]}],
        },
        {},
        "InvalidSpec",
        "parameters: joined with the runtime's own and runtime.extraArgs: List should have at most 128 items after"
        " validation, not 129",
    ),
    (
        "a flag and its value that are too long once they are joined",
        {"baseline": {"args": ["--chat-template", "x" * 1024]}},
        {},
        "InvalidSpec",
        "baseline.args: joined with the runtime's own and runtime.extraArgs:"
        " String should have at most 1024 characters",
    ),
    (
        "a custom model where nothing may be created",
        {"model": {"preset": None, "custom": CUSTOM_MODEL}},
        {"model": None, "may_create": False},
        "NotFound",
        "model.custom: ClusterBaseModel own does not exist, and this operator may not create cluster-scoped objects;"
        " ask for it to be created",
    ),
    (
        "a custom model without a source",
        {"model": {"preset": None, "custom": {"name": "own", "spec": {"vendor": "me"}}}},
        {"model": None},
        "InvalidSpec",
        "model.custom: the spec has no storage.storageUri; OME demands one",
    ),
    (
        "a label that would have Argo CD prune the model",
        {"model": {"preset": None, "custom": {**CUSTOM_MODEL, "labels": {"app.kubernetes.io/instance": "x"}}}},
        {"model": None},
        "InvalidSpec",
        "model.custom.labels[app.kubernetes.io/instance]: Argo CD would prune the object; remove it",
    ),
    (
        "a custom runtime without an engine's image",
        {
            "runtime": {"preset": None, "custom": {"name": "own", "spec": {}}, "engine": "SGLang"},
            "benchmark": {"tokenizer": {"source": "Hub", "id": "x"}},
        },
        {},
        "InvalidSpec",
        "runtime.custom.spec: engineConfig.runner has no image, so there is no engine to start",
    ),
    (
        "overrides that take the engine's image away",
        {"runtime": {"overrides": {"engineConfig": {"runner": {"image": None}}}}},
        {},
        "InvalidSpec",
        "runtime.overrides: engineConfig.runner has no image, so there is no engine to start",
    ),
    (
        "a ladder that cannot be climbed in time",
        {"benchmark": {"maxMinutesPerLevel": 30, "concurrency": [1, 8, 32]}},
        {},
        "InvalidSpec",
        "timeouts.benchmarkSeconds: the ladder may take 5400 s (1 scenarios x 3 levels x 30 min), but 3600 s are"
        " allowed; allow more, or measure less",
    ),
    (
        "the default statistic of a latency, left out and written",
        {"objectives": [{"metric": "TTFT"}, {"metric": "TTFT", "statistic": "P99"}]},
        {},
        "InvalidSpec",
        "objectives[1]: TTFT P99 at concurrency 8 is objectives[0] already; remove one of them, or change its"
        " statistic or concurrency",
    ),
    (
        "the default concurrency of a latency, left out and written",
        {
            "objectives": [{"metric": "TTFT", "concurrency": 16}, {"metric": "OutputThroughput"}, {"metric": "TTFT"}],
            "benchmark": {"concurrency": [4, 16]},
        },
        {},
        "InvalidSpec",
        "objectives[2]: TTFT P99 at concurrency 16 is objectives[0] already; remove one of them",
    ),
    (
        "a ceiling that no latency is below",
        {"slos": [{"metric": "TTFT", "max": "0ms"}]},
        {},
        "InvalidSpec",
        "slos[0].max: TTFT P99 is never 0ms or less; write the most that you accept, for example 500ms",
    ),
    (
        "a ceiling that only an engine which does nothing keeps",
        {"slos": [{"metric": "OutputThroughput", "max": "0tok/s"}]},
        {},
        "InvalidSpec",
        "slos[0].max: OutputThroughput is never 0tok/s or less; write the most that you accept",
    ),
    (
        "a share of more than everything",
        {"slos": [{"metric": "ErrorRate", "max": "101%"}]},
        {},
        "InvalidSpec",
        "slos[0].max: ErrorRate is a share of all requests, at most 100%; write a smaller one, for example 1%",
    ),
    (
        "a floor above the ceiling",
        {
            "slos": [
                {"metric": "OutputThroughput", "max": "800tok/s"},
                {"metric": "OutputThroughput", "min": "900tok/s"},
            ]
        },
        {},
        "InvalidSpec",
        "slos[1].min: 900tok/s is above the ceiling of slos[0], 800tok/s: both cannot be kept; change one of them",
    ),
    (
        "a ceiling below the floor, in other units and one of them soft",
        {
            "slos": [
                {"metric": "TTFT", "min": "1s", "enforcement": "Soft"},
                {"metric": "TTFT", "statistic": "P99", "max": "500ms"},
            ]
        },
        {},
        "InvalidSpec",
        "slos[1].max: 500ms is below the floor of slos[0], 1s: both cannot be kept; change one of them",
    ),
    (
        "the same SLO twice, in other words",
        {"slos": [{"metric": "TTFT", "max": "500ms"}, {"metric": "TTFT", "statistic": "P99", "max": "0.5s"}]},
        {},
        "InvalidSpec",
        "slos[1]: says the same as slos[0] (max 500ms); remove one of them",
    ),
    (
        "switches whose going off would leave OME the runtime's own arguments",
        {
            "runtime": NAMED_RUNTIME,
            "parameters": [{"name": "enable-mixed-chunk", "toggle": True}],
            "benchmark": {"tokenizer": {"source": "Hub", "id": "x"}},
        },
        {"runtime": make_runtime("my-runtime", ["--enable-mixed-chunk"])},
        "InvalidSpec",
        "parameters[enable-mixed-chunk]: without it no argument is left, and OME would use the runtime's own, which"
        " have it; fix some other flag in runtime.extraArgs",
    ),
]


@pytest.mark.parametrize(
    ("changes", "around", "reason", "message"), [row[1:] for row in PROBLEMS], ids=[row[0] for row in PROBLEMS]
)
def test_refuses(changes: Object, around: Object, reason: str, message: str) -> None:
    (problem,) = problems(make_spec(**changes), **around)

    assert problem.reason == reason
    assert problem.message.startswith(message)


FINE: list[tuple[str, Object, Object]] = [
    ("presets", {}, {}),
    ("a model preset that is not there yet", {}, {"model": None}),
    ("a model preset that somebody else created", {}, {"may_create": False}),
    (
        "a vLLM preset",
        {"runtime": {"preset": "simulated-vllm"}, "parameters": [{"name": "max-num-seqs", "values": [8]}]},
        {},
    ),
    (
        "a named runtime of the simulated engine",
        {"runtime": NAMED_RUNTIME},
        {"runtime": {"spec": shipped().runtimes["simulated-sglang"].spec}},
    ),
    (
        "the model's volume of a preset that is not there yet",
        {"benchmark": {"tokenizer": {"source": "ModelVolume"}}},
        {"model": None},
    ),
    (
        "objects of the namespace where nothing cluster-wide may be created",
        {
            "model": {"preset": None, "custom": CUSTOM_MODEL, "scope": "Namespaced"},
            "runtime": {"overrides": {"disabled": False}, "scope": "Namespaced"},
        },
        {"model": None, "may_create": False},
    ),
    (
        "an image that the task brings itself",
        {"runtime": {"overrides": {"engineConfig": {"runner": {"image": None}}}, "image": "engine:2"}},
        {},
    ),
    ("a latency at a level of the ladder", {"objectives": [{"metric": "TTFT", "concurrency": 8}]}, {}),
    (
        "a latency at two levels, and in two statistics",
        {
            "objectives": [
                {"metric": "TTFT", "concurrency": 4},
                {"metric": "TTFT", "concurrency": 8},
                {"metric": "TTFT", "statistic": "P50"},
            ],
            "benchmark": {"concurrency": [4, 8]},
        },
        {},
    ),
    (
        "a hard and a soft ceiling, two statistics, a corridor, and no errors at all",
        {
            "slos": [
                {"metric": "TTFT", "max": "500ms"},
                {"metric": "TTFT", "max": "300ms", "enforcement": "Soft"},
                {"metric": "TTFT", "statistic": "P50", "max": "500ms"},
                {"metric": "OutputThroughput", "min": "800tok/s"},
                {"metric": "OutputThroughput", "max": "900tok/s"},
                {"metric": "ErrorRate", "max": "0%"},
            ]
        },
        {},
    ),
    (
        "switches beside other arguments of the runtime",
        {"parameters": [{"name": "enable-mixed-chunk", "toggle": True}]},
        {},
    ),
]


@pytest.mark.parametrize(("changes", "around"), [row[1:] for row in FINE], ids=[row[0] for row in FINE])
def test_accepts(changes: Object, around: Object) -> None:
    assert problems(make_spec(**changes), **around) == []


def test_words_cannot_leave_out_what_the_runtimes_command_sets() -> None:
    runtime = make_runtime("my-runtime")
    runtime["spec"]["engineConfig"]["runner"]["command"] = [
        "serve",
        "--kv-cache-dtype=fp8_e5m2",
        "--tp=4",
        "--dtype=half",
    ]
    spec = make_spec(
        runtime=NAMED_RUNTIME,
        benchmark={"tokenizer": {"source": "Hub", "id": "x"}},
        parallelism={"data": [1, 2]},
        quantization={"kvCache": ["auto", "fp8_e4m3"], "weights": ["bfloat16"]},
    )

    [problem] = problems(spec, runtime=runtime)

    assert problem.reason == "InvalidSpec"
    assert problem.message.startswith("quantization: some configurations leave out --kv-cache-dtype, but the runtime's")


def test_a_runtime_that_ome_would_not_take_for_the_model_is_refused() -> None:
    runtime = serving(make_runtime("my-runtime"))
    assert runtime is not None
    runtime["spec"]["supportedModelFormats"] = [{**runtime["spec"]["supportedModelFormats"][0], "quantization": "fp8"}]
    spec = make_spec(runtime=NAMED_RUNTIME, benchmark={"tokenizer": {"source": "Hub", "id": "x"}})
    around = Surroundings(OME, live_model(), runtime)

    assert [problem.message for problem in check(spec, shipped(), around)] == [
        f"runtime.name: ClusterServingRuntime my-runtime cannot serve {MODEL}: quantization is absent in the model and"
        " fp8 there"
    ]


def test_flags_of_the_simulated_engine_are_its_own() -> None:
    baseline = {"baseline": {"args": ["--sim-fault=hang"]}}
    tokenizer = {"benchmark": {"tokenizer": {"source": "Hub", "id": "x"}}}

    assert problems(make_spec(**baseline)) == []
    (problem,) = problems(make_spec(**baseline, **tokenizer, runtime={"preset": "sglang-llama-small"}))
    assert problem.reason == "UnknownFlag"


def test_says_everything_at_once_most_basic_first() -> None:
    spec = make_spec(
        model={"preset": "zzz"}, runtime={"extraArgs": ["--host=0.0.0.0"]}, benchmark={"requestParams": {"stream": 1}}
    )

    assert [problem.message.split(":")[0] for problem in problems(spec)] == [
        "model.preset",
        "runtime.extraArgs[0]",
        "benchmark.requestParams.stream",
    ]


@pytest.mark.parametrize(
    ("runtime", "engine"),
    [
        ({}, "SGLang"),
        ({"preset": "simulated-vllm"}, "VLLM"),
        ({"preset": "zzz"}, None),
        ({"preset": None, "name": "x", "engine": "Custom"}, "Custom"),
    ],
)
def test_knows_whose_flags_the_parameters_are(runtime: Object, engine: str | None) -> None:
    assert engine_of(make_spec(runtime=runtime), shipped()) == engine
