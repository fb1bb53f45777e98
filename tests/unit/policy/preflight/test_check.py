"""What is wrong with a task before anything is created: each problem names its field and what to write instead."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.api.task import TaskSpec
from autotuner.backend_choice import DEFAULT as OME
from autotuner.kubernetes_object import Object
from autotuner.policy.preflight import Surroundings, check, engine_of, warnings
from autotuner.policy.volume_claims import Storage
from autotuner.validation_messages import Finding, Kind
from tests.unit.builders import make_runtime
from tests.unit.task_builders import MODEL, live_model, live_runtime, make_spec, shipped

ONE_NODE: Object = {"metadata": {}, "spec": {"accessModes": ["ReadWriteOnce"]}, "status": {"phase": "Bound"}}
NAMED_RUNTIME: Object = {"preset": None, "name": "my-runtime", "engine": "SGLang"}
CUSTOM_MODEL: Object = {"name": "own", "spec": {"storage": {"storageUri": "hf://a/b"}}}
SECOND_BENCHMARK = {"scenarios": [{"name": "chat", "load": "D(100,250)"}], "concurrency": [4, 8]}

OPEN_LOOP: Object = {"concurrency": None, "rates": [0.5, 2]}
CHAT: Object = {"name": "chat", "load": "D(100,50)"}
TRACE: Object = {"format": "Mooncake", "configMap": "traces", "path": "a"}
OWN_TIMES: Object = {"concurrency": None, "scenarios": [{"name": "chat", "trace": TRACE}]}


def serving(runtime: Object | None) -> Object | None:
    """A live runtime that serves the live model."""
    if runtime is None:
        return None
    identity = {"kind": "ClusterServingRuntime", "metadata": {"name": "my-runtime"}}
    formats = live_runtime()["spec"]["supportedModelFormats"]
    return {**identity, **runtime, "spec": {**runtime["spec"], "supportedModelFormats": formats}}


def findings(spec: TaskSpec, **around: Any) -> list[Finding]:
    around["runtime"] = serving(around.get("runtime"))
    return check(spec, shipped(), Surroundings(OME, **{"model": live_model(), "runtime": None} | around))


WRONG: list[tuple[str, Object, Object, str, Kind, Object]] = [
    (
        "an unknown model preset, with a hint",
        {"model": {"preset": "llama-3-2-1b-instrukt"}},
        {"model": None},
        "model.preset",
        Kind.PRESET_MISSPELT,
        {"name": "llama-3-2-1b-instrukt", "meant": "llama-3-2-1b-instruct"},
    ),
    (
        "an unknown model preset like no other",
        {"model": {"preset": "zzz"}},
        {"model": None},
        "model.preset",
        Kind.PRESET_UNKNOWN,
        {"name": "zzz"},
    ),
    (
        "an unknown runtime preset",
        {"runtime": {"preset": "simulated-vlm"}},
        {},
        "runtime.preset",
        Kind.PRESET_MISSPELT,
        {"name": "simulated-vlm", "meant": "simulated-vllm"},
    ),
    (
        "a model preset where nothing may be created",
        {},
        {"model": None, "may_create": False},
        "model.preset",
        Kind.CREATION_FORBIDDEN,
        {"object": "ClusterBaseModel llama-3-2-1b-instruct"},
    ),
    (
        "a model that does not exist",
        {"model": {"preset": None, "name": "my-model", "kind": "BaseModel"}},
        {"model": None},
        "model.name",
        Kind.OBJECT_MISSING,
        {"object": "BaseModel my-model"},
    ),
    (
        "a runtime that does not exist",
        {"runtime": NAMED_RUNTIME, "benchmark": {"tokenizer": {"source": "Hub", "id": "x"}}},
        {},
        "runtime.name",
        Kind.OBJECT_MISSING,
        {"object": "ClusterServingRuntime my-runtime"},
    ),
    (
        "a hidden model",
        {},
        {
            "shadow": Finding(
                "model.preset",
                Kind.OBJECT_SHADOWED,
                {"hiding": "BaseModel x", "namespace": "team", "hidden": "ClusterBaseModel", "product": "OME"},
            )
        },
        "model.preset",
        Kind.OBJECT_SHADOWED,
        {"hiding": "BaseModel x"},
    ),
    (
        "a reserved flag among the fixed ones",
        {"runtime": {"extraArgs": ["--port=80"]}},
        {},
        "runtime.extraArgs[0]",
        Kind.FLAG_RESERVED,
        {},
    ),
    (
        "a reserved flag in the baseline",
        {"baseline": {"args": ["--tp-size=1", "--api-key", "x"]}},
        {},
        "baseline.args[1]",
        Kind.FLAG_RESERVED,
        {},
    ),
    (
        "a reserved flag as a parameter",
        {"parameters": [{"name": "model-path", "choices": ["a", "b"]}]},
        {},
        "parameters[model-path]",
        Kind.FLAG_RESERVED,
        {},
    ),
    (
        "a word that is no flag",
        {"runtime": {"extraArgs": ["tp-size=1"]}},
        {},
        "runtime.extraArgs[0]",
        Kind.NOT_A_FLAG,
        {},
    ),
    (
        "a parameter that is fixed too",
        {"runtime": {"extraArgs": ["--tp=1"]}},
        {},
        "parameters[tp-size]",
        Kind.FLAG_FIXED_TOO,
        {"index": 0},
    ),
    (
        "a flag that the engine never had",
        {"parameters": [{"name": "enable-mixed-chunking", "toggle": True}]},
        {},
        "parameters[enable-mixed-chunking]",
        Kind.FLAG_MISSPELT,
        {"meant": "enable-mixed-chunk"},
    ),
    (
        "an illegal value",
        {"parameters": [{"name": "mem-fraction-static", "values": [0.9, 1.5]}]},
        {},
        "parameters[mem-fraction-static]",
        Kind.OFFER_REFUSED,
        {"part": "values", "value": 1.5},
    ),
    (
        "a start point that is not offered",
        {"search": {"startPoints": [{"args": ["--tp-size=4"]}]}},
        {},
        "search.startPoints[0].args",
        Kind.START_POINT_WRONG,
        {},
    ),
    (
        "a rule that leaves nothing",
        {"constraints": [{"rule": "p.tp_size > 2", "message": "large only"}]},
        {},
        "parameters",
        Kind.SPACE_EMPTY,
        {},
    ),
    (
        "a rule about what is no parameter",
        {"constraints": [{"rule": "p.tp_sice > 2"}]},
        {},
        "constraints[0].rule",
        Kind.RULE_WRONG,
        {},
    ),
    (
        "a template in a value",
        {"parameters": [{"name": "chat-template", "choices": ["{{.Name}}"]}]},
        {},
        "parameters[chat-template]",
        Kind.TEMPLATE_IN_VALUE,
        {},
    ),
    (
        "a latency at a concurrency that is not measured",
        {"benchmark": SECOND_BENCHMARK, "objectives": [{"metric": "TTFT", "concurrency": 16}]},
        {},
        "objectives[0].concurrency",
        Kind.LEVEL_NOT_ON_LADDER,
        {"level": "16", "ladder": ["4", "8"]},
    ),
    (
        "a latency at a rate that is not measured",
        {"benchmark": OPEN_LOOP, "objectives": [{"metric": "TTFT", "rate": 1.5}]},
        {},
        "objectives[0].rate",
        Kind.LEVEL_NOT_ON_LADDER,
        {"level": "1.5", "ladder": ["0.5", "2"]},
    ),
    (
        "a latency at users of an open loop",
        {"benchmark": OPEN_LOOP, "objectives": [{"metric": "TTFT", "concurrency": 2}]},
        {},
        "objectives[0].concurrency",
        Kind.LEVEL_OF_OTHER_LOOP,
        {"given": "rates", "instead": "rate"},
    ),
    (
        "a latency at a rate of a trace",
        {"benchmark": OWN_TIMES, "objectives": [{"metric": "TTFT", "rate": 1}]},
        {},
        "objectives[0].rate",
        Kind.LEVEL_OF_A_TRACE,
        {},
    ),
    (
        "users of a trace",
        {
            "benchmark": OWN_TIMES,
            "objectives": [{"metric": "MaxConcurrency"}],
            "slos": [{"metric": "TTFT", "max": "1s"}],
        },
        {},
        "objectives[0].metric",
        Kind.USERS_IN_OPEN_LOOP,
        {},
    ),
    (
        "sessions that a level has no time for",
        {"benchmark": {**OPEN_LOOP, "scenarios": [{**CHAT, "turns": {"count": 4, "thinkSeconds": 30}}]}},
        {},
        "benchmark.scenarios[chat].turns",
        Kind.SESSIONS_TOO_LONG,
        {"needed": 90.0, "minutes": 2, "limit": 60.0},
    ),
    (
        "a latency at a rate of a closed loop",
        {"objectives": [{"metric": "TTFT", "rate": 2}]},
        {},
        "objectives[0].rate",
        Kind.LEVEL_OF_OTHER_LOOP,
        {"given": "concurrency", "instead": "concurrency"},
    ),
    (
        "users of an open loop",
        {"benchmark": OPEN_LOOP, "objectives": [{"metric": "MaxConcurrency"}]},
        {},
        "objectives[0].metric",
        Kind.USERS_IN_OPEN_LOOP,
        {},
    ),
    (
        "goodput without a limit of requests",
        {"objectives": [{"metric": "Goodput"}]},
        {},
        "objectives[0].metric",
        Kind.REQUEST_LIMIT_MISSING,
        {"metric": "Goodput"},
    ),
    (
        "attainment without a limit of requests",
        {"slos": [{"metric": "TTFT", "max": "500ms"}, {"metric": "Attainment", "min": "95%"}]},
        {},
        "slos[1].metric",
        Kind.REQUEST_LIMIT_MISSING,
        {"metric": "Attainment"},
    ),
    (
        "a limit of requests that nothing counts",
        {"slos": [{"metric": "TTFT", "max": "500ms", "perRequest": True}]},
        {},
        "slos[0].perRequest",
        Kind.REQUEST_LIMIT_UNUSED,
        {},
    ),
    (
        "a share of more than all",
        {
            "slos": [
                {"metric": "TTFT", "max": "500ms", "perRequest": True},
                {"metric": "Attainment", "min": "950%"},
            ]
        },
        {},
        "slos[1].min",
        Kind.SHARE_ABOVE_ALL,
        {"metric": "Attainment", "example": "95%"},
    ),
    (
        "a request parameter that the benchmark sets",
        {"benchmark": {"requestParams": {"temperature": 0, "stream": False}}},
        {},
        "benchmark.requestParams.stream",
        Kind.REQUEST_PARAMETER_REFUSED,
        {"why": "set by the benchmark itself; remove it"},
    ),
    (
        "a length that the load says",
        {"benchmark": {"requestParams": {"max_tokens": 5}}},
        {},
        "benchmark.requestParams.max_tokens",
        Kind.REQUEST_PARAMETER_REFUSED,
        {"why": "the scenario's load says how long answers are; remove it"},
    ),
    (
        "answers that may end early",
        {"benchmark": {"requestParams": {"ignore_eos": False}}},
        {},
        "benchmark.requestParams.ignore_eos",
        Kind.REQUEST_PARAMETER_REFUSED,
        {"why": "false would end answers early and make their lengths incomparable; remove it"},
    ),
    (
        "arguments that are no texts",
        {"runtime": {"overrides": {"engineConfig": {"runner": {"args": [1]}}}}},
        {},
        "runtime.overrides",
        Kind.OBJECT_MISSHAPEN,
        {"object": "the runtime", "what": "engineConfig.runner.args[0] must be a text"},
    ),
    (
        "a key that is none of a label",
        {"placement": {"nodeSelector": {"a b": "c"}}},
        {},
        "placement.nodeSelector[a b]",
        Kind.LABEL_KEY_MALFORMED,
        {"key": "'a b'"},
    ),
    (
        "the built-in tokenizer with a real engine's preset",
        {"runtime": {"preset": "sglang-llama-small"}},
        {},
        "benchmark.tokenizer.source",
        Kind.TOKENIZER_COUNTS_BYTES,
        {},
    ),
    (
        "the built-in tokenizer with a real engine's runtime",
        {"runtime": NAMED_RUNTIME},
        {"runtime": make_runtime("my-runtime")},
        "benchmark.tokenizer.source",
        Kind.TOKENIZER_COUNTS_BYTES,
        {},
    ),
    (
        "the model's volume of a model without a path",
        {"benchmark": {"tokenizer": {"source": "ModelVolume"}}},
        {"model": {"spec": {"storage": {"storageUri": "hf://x/y"}}}},
        "benchmark.tokenizer.source",
        Kind.TOKENIZER_WITHOUT_FILES,
        {"volume": "model.volume"},
    ),
    (
        "more arguments than are passed on",
        {
            "runtime": {"extraArgs": [f"--x{number}=1" for number in range(126)], "allowUnknownFlags": True},
            "parameters": [{"name": "chunked-prefill-size", "values": [512, 2048]}],
        },
        {},
        "parameters",
        Kind.ARGUMENTS_MALFORMED,
        {},
    ),
    (
        "a flag and its value that are too long once they are joined",
        {"baseline": {"args": ["--chat-template", "x" * 1024]}},
        {},
        "baseline.args",
        Kind.ARGUMENTS_MALFORMED,
        {},
    ),
    (
        "a custom model where nothing may be created",
        {"model": {"preset": None, "custom": CUSTOM_MODEL}},
        {"model": None, "may_create": False},
        "model.custom",
        Kind.CREATION_FORBIDDEN,
        {"object": "ClusterBaseModel own"},
    ),
    (
        "a custom model without a source",
        {"model": {"preset": None, "custom": {"name": "own", "spec": {"vendor": "me"}}}},
        {"model": None},
        "model.custom",
        Kind.MODEL_INCOMPLETE,
        {"lacking": "the spec has no storage.storageUri; OME demands one"},
    ),
    (
        "a label that would have Argo CD prune the model",
        {"model": {"preset": None, "custom": {**CUSTOM_MODEL, "labels": {"app.kubernetes.io/instance": "x"}}}},
        {"model": None},
        "model.custom.labels[app.kubernetes.io/instance]",
        Kind.OBJECT_PRUNED,
        {},
    ),
    (
        "a custom runtime without an engine's image",
        {
            "runtime": {"preset": None, "custom": {"name": "own", "spec": {}}, "engine": "SGLang"},
            "benchmark": {"tokenizer": {"source": "Hub", "id": "x"}},
        },
        {},
        "runtime.custom.spec",
        Kind.RUNTIME_WITHOUT_IMAGE,
        {},
    ),
    (
        "overrides that take the engine's image away",
        {"runtime": {"overrides": {"engineConfig": {"runner": {"image": None}}}}},
        {},
        "runtime.overrides",
        Kind.RUNTIME_WITHOUT_IMAGE,
        {},
    ),
    (
        "a ladder that cannot be climbed in time",
        {"benchmark": {"maxMinutesPerLevel": 30, "concurrency": [1, 8, 32]}},
        {},
        "timeouts.benchmarkSeconds",
        Kind.LADDER_TOO_LONG,
        {"needed": 5400.0, "scenarios": 1, "levels": 3, "minutes": 30, "limit": 3600},
    ),
    (
        "the default statistic of a latency, left out and written",
        {"objectives": [{"metric": "TTFT"}, {"metric": "TTFT", "statistic": "P99"}]},
        {},
        "objectives[1]",
        Kind.LATENCY_OBJECTIVE_REPEATED,
        {"figure": "TTFT P99", "where": "concurrency 8", "earlier": 0},
    ),
    (
        "the default concurrency of a latency, left out and written",
        {
            "objectives": [{"metric": "TTFT", "concurrency": 16}, {"metric": "OutputThroughput"}, {"metric": "TTFT"}],
            "benchmark": {"concurrency": [4, 16]},
        },
        {},
        "objectives[2]",
        Kind.LATENCY_OBJECTIVE_REPEATED,
        {"figure": "TTFT P99", "where": "concurrency 16", "earlier": 0},
    ),
    (
        "the same objective twice, without a level to differ in",
        {"objectives": [{"metric": "OutputThroughput"}, {"metric": "OutputThroughput"}]},
        {},
        "objectives[1]",
        Kind.OBJECTIVE_REPEATED,
        {"figure": "OutputThroughput", "earlier": 0},
    ),
    (
        "a least gain of a search that expects nothing",
        {"search": {"strategy": "Random", "minExpectedGain": "1%"}},
        {},
        "search.minExpectedGain",
        Kind.GAIN_WITHOUT_MODEL,
        {"strategy": "Random"},
    ),
    (
        "a least gain of several objectives",
        {
            "search": {"strategy": "Bayesian", "minExpectedGain": "1%"},
            "objectives": [{"metric": "OutputThroughput"}, {"metric": "TTFT"}],
        },
        {},
        "search.minExpectedGain",
        Kind.GAIN_OF_SEVERAL,
        {"count": 2},
    ),
    (
        "a ceiling that no latency is below",
        {"slos": [{"metric": "TTFT", "max": "0ms"}]},
        {},
        "slos[0].max",
        Kind.LATENCY_NEVER_SO_LOW,
        {"figure": "TTFT P99", "limit": "0ms"},
    ),
    (
        "a ceiling that only an engine which does nothing keeps",
        {"slos": [{"metric": "OutputThroughput", "max": "0tok/s"}]},
        {},
        "slos[0].max",
        Kind.RATE_NEVER_SO_LOW,
        {"figure": "OutputThroughput", "limit": "0tok/s"},
    ),
    (
        "a share of more than everything",
        {"slos": [{"metric": "ErrorRate", "max": "101%"}]},
        {},
        "slos[0].max",
        Kind.SHARE_ABOVE_ALL,
        {"metric": "ErrorRate", "example": "1%"},
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
        "slos[1].min",
        Kind.FLOOR_ABOVE_CEILING,
        {"limit": "900tok/s", "earlier": 0, "other": "800tok/s"},
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
        "slos[1].max",
        Kind.CEILING_BELOW_FLOOR,
        {"limit": "500ms", "earlier": 0, "other": "1s"},
    ),
    (
        "the same SLO twice, in other words",
        {"slos": [{"metric": "TTFT", "max": "500ms"}, {"metric": "TTFT", "statistic": "P99", "max": "0.5s"}]},
        {},
        "slos[1]",
        Kind.SLO_REPEATED,
        {"earlier": 0, "side": "max", "limit": "500ms"},
    ),
    (
        "a baseline of more accelerators than may be held",
        {"baseline": {"args": ["--tp-size=4"]}, "search": {"maxGPUs": 2}},
        {},
        "search.maxGPUs",
        Kind.BASELINE_BEYOND_MAX_GPUS,
        {"needed": 4, "limit": 2},
    ),
    (
        "a baseline of more accelerators than all tasks may hold",
        {"baseline": {"args": ["--tp-size=4"]}},
        {"most_accelerators": 2},
        "baseline",
        Kind.BASELINE_BEYOND_ALL_TASKS,
        {"needed": 4, "limit": 2},
    ),
    (
        "several engines that would read a claim for one node",
        {"search": {"parallelExperiments": 2}, "model": {"volume": {"claimName": "w", "mountPath": "/w"}}},
        {"storage": Storage("team", {}, "w", ONE_NODE)},
        "search.parallelExperiments",
        Kind.CLAIM_FOR_ONE_NODE,
        {"engines": 2},
    ),
    (
        "no configuration that may hold so many accelerators",
        {"parameters": [{"name": "tp-size", "values": [4, 8]}], "search": {"maxGPUs": 2}},
        {},
        "parameters",
        Kind.SPACE_EMPTY,
        {},
    ),
    (
        "switches whose going off would leave OME the runtime's own arguments",
        {
            "runtime": NAMED_RUNTIME,
            "parameters": [{"name": "enable-mixed-chunk", "toggle": True}],
            "benchmark": {"tokenizer": {"source": "Hub", "id": "x"}},
        },
        {"runtime": make_runtime("my-runtime", ["--enable-mixed-chunk"])},
        "parameters[enable-mixed-chunk]",
        Kind.NO_ARGUMENT_LEFT,
        {},
    ),
]


@pytest.mark.parametrize(
    ("changes", "around", "field", "kind", "details"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_refuses(changes: Object, around: Object, field: str, kind: Kind, details: Object) -> None:
    (finding,) = findings(make_spec(**changes), **around)

    assert (finding.field, finding.kind) == (field, kind)
    assert finding.details.items() >= details.items()


FINE: list[tuple[str, Object, Object]] = [
    ("presets", {}, {}),
    ("a model preset that is not there yet", {}, {"model": None}),
    ("a model preset that somebody else created", {}, {"may_create": False}),
    (
        "a vLLM preset",
        {
            "runtime": {"preset": "simulated-vllm"},
            "parameters": [{"name": "max-num-seqs", "values": [8]}],
            "baseline": None,
        },
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
    ("a least gain", {"search": {"strategy": "Bayesian", "minExpectedGain": "0.5%"}}, {}),
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
    assert findings(make_spec(**changes), **around) == []


@pytest.mark.parametrize(
    ("scenarios", "ladder", "kinds"),
    [
        ([CHAT], OPEN_LOOP, [Kind.EFFECT_DEPENDS_ON_PREFIXES, Kind.EFFECT_DEPENDS_ON_TEXT]),
        ([{**CHAT, "prefix": {"tokens": 9}}], OPEN_LOOP, [Kind.EFFECT_DEPENDS_ON_TEXT]),
        ([{**CHAT, "turns": {"count": 2}}], OPEN_LOOP, [Kind.EFFECT_DEPENDS_ON_TEXT]),
        ([{"name": "a", "trace": TRACE}], {"concurrency": None}, [Kind.EFFECT_DEPENDS_ON_TEXT]),
        (
            [{"name": "a", "trace": {**TRACE, "format": "Azure"}}],
            {"concurrency": None},
            [Kind.EFFECT_DEPENDS_ON_PREFIXES, Kind.EFFECT_DEPENDS_ON_TEXT],
        ),
        ([{"name": "a", "trace": {**TRACE, "format": "ShareGPT"}}], OPEN_LOOP, []),
        (
            [{"name": "a", "trace": {**TRACE, "format": "OpenAI"}}, CHAT],
            OPEN_LOOP,
            [Kind.EFFECT_DEPENDS_ON_PREFIXES, Kind.EFFECT_DEPENDS_ON_TEXT],
        ),
    ],
)
def test_what_prompts_do_not_show_is_told(scenarios: list[Object], ladder: Object, kinds: list[Kind]) -> None:
    parameters = [
        {"name": "disable-radix-cache", "toggle": True},
        {"name": "speculative-num-steps", "values": [1, 2]},
    ]
    spec = make_spec(parameters=parameters, benchmark={**ladder, "scenarios": scenarios})
    told = {Kind.EFFECT_DEPENDS_ON_PREFIXES, Kind.EFFECT_DEPENDS_ON_TEXT}
    assert [
        one.kind for one in warnings(spec, shipped(), Surroundings(OME, live_model(), None)) if one.kind in told
    ] == kinds


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        ({}, []),
        (
            {
                "objectives": [{"metric": "TTFT"}],
                "benchmark": {"scenarios": [{"name": "chat", "load": "D(100,250)"}], "concurrency": [8, 32]},
            },
            [Finding("benchmark.scenarios[chat].load", Kind.LOAD_IN_LOCKSTEP, {"limit": 16})],
        ),
        (
            {"parameters": [{"name": "disable-radix-cache", "toggle": True}]},
            [Finding("parameters[disable-radix-cache]", Kind.EFFECT_DEPENDS_ON_PREFIXES)],
        ),
        ({"search": {"strategy": "Bayesian", "maxExperiments": 24, "parallelExperiments": 8}}, []),
        (
            {"search": {"parallelExperiments": 8, "maxGPUs": 4, "strategy": "Bayesian", "maxExperiments": 23}},
            [
                Finding("search.parallelExperiments", Kind.MORE_SLOTS_THAN_GPUS, {"gpus": 4}),
                Finding("search.parallelExperiments", Kind.BATCH_LEARNS_LITTLE, {"experiments": 23, "parallel": 8}),
            ],
        ),
        (
            {"search": {"parallelExperiments": 2}, "benchmark": {"placement": "SameNode"}},
            [Finding("benchmark.placement", Kind.BENCHMARKS_SHARE_NODES, {"parallel": 2})],
        ),
    ],
)
def test_warns_of_what_misleads(changes: Object, want: list[Finding]) -> None:
    assert warnings(make_spec(**changes), shipped(), Surroundings(OME, live_model(), None)) == want


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

    [finding] = findings(spec, runtime=runtime)

    assert (finding.field, finding.kind) == ("quantization", Kind.FLAG_IN_COMMAND)
    assert finding.details == {"flag": "kv-cache-dtype"}


def test_a_runtime_that_ome_would_not_take_for_the_model_is_refused() -> None:
    runtime = serving(make_runtime("my-runtime"))
    assert runtime is not None
    runtime["spec"]["supportedModelFormats"] = [{**runtime["spec"]["supportedModelFormats"][0], "quantization": "fp8"}]
    spec = make_spec(runtime=NAMED_RUNTIME, benchmark={"tokenizer": {"source": "Hub", "id": "x"}})
    around = Surroundings(OME, live_model(), runtime)

    (finding,) = check(spec, shipped(), around)

    assert (finding.field, finding.kind) == ("runtime.name", Kind.RUNTIME_INCOMPATIBLE)
    assert finding.details["mismatch"] == (
        f"ClusterServingRuntime my-runtime cannot serve {MODEL}: quantization is absent in the model and fp8 there"
    )


APART: Object = {"runner": {"name": "ome-container", "image": "engine:1", "command": ["serve"]}}
SEVERAL: list[tuple[Object, Object | None, str, str]] = [
    ({"preset": None, "custom": {"name": "own", "spec": {"decoderConfig": APART}}, "engine": "SGLang"}, None,
     "runtime.custom.spec.decoderConfig", "decoderConfig"),
    ({"preset": None, "custom": {"name": "own", "spec": {"engineConfig": {"worker": {"size": 1}}}}, "engine": "VLLM"},
     None, "runtime.custom.spec.engineConfig.worker", "engineConfig.worker"),
    ({"overrides": {"decoderConfig": APART}}, None, "runtime.overrides.decoderConfig", "decoderConfig"),
    (NAMED_RUNTIME, {"engineConfig": APART, "decoderConfig": APART}, "runtime.name", "decoderConfig"),
    (NAMED_RUNTIME, {"engineConfig": {"leader": APART, "worker": APART}}, "runtime.name", "engineConfig.leader"),
    ({}, {"engineConfig": APART, "decoderConfig": APART}, "runtime.preset", "decoderConfig"),
]  # fmt: skip


@pytest.mark.parametrize(("runtime", "live", "field", "part"), SEVERAL)
def test_a_runtime_that_is_several_engines_is_refused(
    runtime: Object, live: Object | None, field: str, part: str
) -> None:
    body = {"kind": "ClusterServingRuntime", "metadata": {"name": "my-runtime"}, "spec": live} if live else None
    spec = make_spec(runtime=runtime, benchmark={"tokenizer": {"source": "Hub", "id": "x"}})

    found = [one for one in findings(spec, runtime=body) if one.field.startswith("runtime")]

    assert [(one.field, one.kind, one.details) for one in found] == [(field, Kind.RUNTIME_OF_SEVERAL, {"part": part})]


ENV_ONLY: Object = {
    "parameters": [{"name": "log", "variants": [{"name": name, "args": [], "env": [{"name": "L", "value": name}]}
                                                for name in ("a", "b")]}],
    "baseline": None,
}  # fmt: skip
SCRIPTS: list[tuple[Object, Object, str | None]] = [
    ({"command": ["sh", "-c", "exec python3 -m sglang.launch_server --tp 2"]}, {}, "command"),
    ({"command": ["/bin/bash", "-lc", "--"], "args": ["python3 -m sglang.launch_server --tp 2"]}, {}, "args"),
    ({"command": ["sh", "-c", 'exec python3 -m sglang.launch_server --tp 2 "$@"', "sh"]}, {}, None),
    ({"command": ["sh", "-c", "exec python3 -m sglang.launch_server --log $L"]}, ENV_ONLY, None),
]


@pytest.mark.parametrize(("words", "changes", "part"), SCRIPTS)
def test_a_script_that_takes_no_arguments_is_refused(words: Object, changes: Object, part: str | None) -> None:
    runner = {"name": "ome-container", "image": "engine:1", **words}
    live = {
        "kind": "ClusterServingRuntime",
        "metadata": {"name": "my-runtime"},
        "spec": {"engineConfig": {"runner": runner}},
    }
    spec = make_spec(runtime=NAMED_RUNTIME, benchmark={"tokenizer": {"source": "Hub", "id": "x"}}, **changes)

    found = [one for one in findings(spec, runtime=live) if one.field.startswith("runtime")]

    wanted = [("runtime.name", Kind.RUNTIME_BY_SCRIPT, {"part": part})] if part else []
    assert [(one.field, one.kind, one.details) for one in found] == wanted


def test_a_runtime_of_an_older_form_has_no_engine() -> None:
    live = {
        "kind": "ClusterServingRuntime",
        "metadata": {"name": "my-runtime"},
        "spec": {"containers": [{"image": "e:1"}]},
    }
    spec = make_spec(runtime=NAMED_RUNTIME, benchmark={"tokenizer": {"source": "Hub", "id": "x"}})

    assert ("runtime.name", Kind.RUNTIME_WITHOUT_IMAGE) in [
        (one.field, one.kind) for one in findings(spec, runtime=live)
    ]


def test_flags_of_the_simulated_engine_are_its_own() -> None:
    baseline = {"baseline": {"args": ["--sim-fault=hang"]}}
    tokenizer = {"benchmark": {"tokenizer": {"source": "Hub", "id": "x"}}}

    assert findings(make_spec(**baseline)) == []
    (finding,) = findings(make_spec(**baseline, **tokenizer, runtime={"preset": "sglang-llama-small"}))
    assert finding.kind is Kind.FLAG_UNKNOWN


def test_says_everything_at_once_most_basic_first() -> None:
    spec = make_spec(
        model={"preset": "zzz"}, runtime={"extraArgs": ["--host=0.0.0.0"]}, benchmark={"requestParams": {"stream": 1}}
    )

    assert [finding.field for finding in findings(spec)] == [
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
