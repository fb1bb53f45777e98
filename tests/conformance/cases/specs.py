"""TuningTasks that are accepted, and those that are refused with the field and a way out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from autotuner.kube import TASK
from autotuner.kubernetes_object import Object
from tests.conformance.server import RefusedError, Server
from tests.support.objects import make_task

Edits = Mapping[str, Any]

B, P, S = "spec.benchmark", "spec.parameters", "spec.slos"
NAME = "metadata.name: use at most 40 lower-case letters, digits and dashes"
FLAG = "spec.parameters[0].name: Invalid value: write the engine's flag without its leading dashes"
REPEATED = "Invalid value: must not repeat a value"
ONE_LIMIT = "spec.slos[0]: Invalid value: give exactly one of max and min"
UNIT = "spec.slos[0]: Invalid value: write a number and the metric's unit: ms or s for TTFT"
MODEL = "spec.model: Invalid value: give exactly one of preset, name and custom"
RUNTIME = "spec.runtime: Invalid value: give exactly one of preset, name and custom"
ENGINE = "spec.runtime.engine: Invalid value: required with name and custom (SGLang, VLLM or Custom)"
ONE_OF = "spec.parameters[0]: Invalid value: give exactly one of values (numbers), choices (strings), range,"
NOTHING = "spec.parameters: Invalid value: there is nothing to search: give parameters, parallelism or"
OVERRIDES = "Invalid value: only with preset"
CUSTOM_NAME = "spec.model.custom.name: Invalid value: use lower-case letters, digits and dashes"
OWN: Object = {"name": "own", "spec": {"anything": {"goes": [1, "a", None]}}}
RANGE: Object = {"name": "x", "range": {"min": 1, "max": 8}}
HUB = "spec.benchmark.tokenizer.id: Invalid value: source Hub needs an id"
LEVELS = "spec.benchmark: Invalid value: scenarios x concurrency or rates make more than 12 levels"
LOAD = "spec.benchmark.scenarios[0].load: Invalid value: write N(mean,sd)/(mean,sd)"
THROUGHPUT = "spec.objectives[0]: Invalid value: statistic goes with TTFT, TPOT and E2ELatency only"
ENGINE_ALONE = {"spec.runtime.preset": None, "spec.runtime.engine": "SGLang"}
GOALS = "spec.objectives: Invalid value:"
GAIN = "spec.search.minExpectedGain: Invalid value: write a percentage from 0.01% to 100%, for example 1%"
PRICE = 'spec.gpuHourPrice: Invalid value: write a decimal number above zero in quotes, for example "2.50"'
RESOURCE = "spec.placement.acceleratorResource: Invalid value: write an extended resource with its domain, for"
NO_RESOURCE = "spec.placement.acceleratorResource: Invalid value: must not begin with requests. nor be of Kubernetes'"
CONFIRM = {"top": 2, "maxRepeats": 4}
USERS = {"metric": "MaxConcurrency"}
SOFT = "spec.slos[0]: Invalid value: weight and steepness go with enforcement: Soft only"
NAME_ALONE = {"spec.runtime.preset": None, "spec.runtime.name": "mine"}
TWO_SCENARIOS = {f"{B}.scenarios.1": {"name": "other", "load": "D(9,9)"}, f"{B}.concurrency": [1, 2, 3, 4, 5, 6, 7]}

# what is written -> what the refusal says
REFUSED: dict[str, tuple[Edits, str]] = {
    "a resource without a domain": ({"spec.placement.acceleratorResource": "gpu"}, RESOURCE),
    "a resource in words": ({"spec.placement.acceleratorResource": "GPU of mine"}, RESOURCE),
    "a resource of a quota": ({"spec.placement.acceleratorResource": "requests.nvidia.com/gpu"}, NO_RESOURCE),
    "a resource of Kubernetes' own": ({"spec.placement.acceleratorResource": "kubernetes.io/gpu"}, NO_RESOURCE),
    "a label in words": (
        {"spec.placement.acceleratorLabel": "the model"},
        "spec.placement.acceleratorLabel: Invalid value: write the key of a label",
    ),
    "two models": ({"spec.model.name": "mine"}, MODEL),
    "no model": ({"spec.model.preset": None}, MODEL),
    "two runtimes": ({"spec.runtime.name": "mine"}, RUNTIME),
    "no runtime": (ENGINE_ALONE, RUNTIME),
    "a runtime by name without engine": (NAME_ALONE, ENGINE),
    "a runtime preset with engine": ({"spec.runtime.engine": "SGLang"}, ENGINE),
    "an unknown engine": ({**NAME_ALONE, "spec.runtime.engine": "TGI"}, 'spec.runtime.engine: Unsupported value'),
    "no parameters": ({P: []}, NOTHING),
    "no parameters at all": ({P: None}, NOTHING),
    "a model by name and in full": ({"spec.model": {"name": "mine", "custom": OWN}}, MODEL),
    "overrides of a named model": (
        {"spec.model": {"name": "x", "overrides": {}}},
        f"spec.model.overrides: {OVERRIDES}",
    ),
    "overrides of a named runtime": (
        {**NAME_ALONE, "spec.runtime.engine": "SGLang", "spec.runtime.overrides": {}},
        f"spec.runtime.overrides: {OVERRIDES}",
    ),
    "a runtime in full without engine": ({"spec.runtime": {"custom": OWN}}, ENGINE),
    "a model in full with a dot in its name": ({"spec.model": {"custom": {**OWN, "name": "a.b"}}}, CUSTOM_NAME),
    "an unknown scope": ({"spec.model.scope": "Everywhere"}, 'spec.model.scope: Unsupported value: "Everywhere"'),
    "a volume without a claim": ({"spec.model.volume": {"subPath": "x"}}, "spec.model.volume.claimName: Required"),
    "a volume mounted nowhere": (
        {"spec.model.volume": {"claimName": "x", "mountPath": "models"}},
        'spec.model.volume.mountPath: Invalid value: write an absolute path without a colon',
    ),
    "the same variable twice": (
        {"spec.runtime.env": [{"name": "X", "value": "1"}, {"name": "X"}]},
        "spec.runtime.env[1]: Duplicate value",
    ),
    "values and a range": ({f"{P}.0.range": {"min": 1, "max": 2}}, ONE_OF),
    "a range the wrong way": (
        {f"{P}.0": {"name": "x", "range": {"min": 2, "max": 1}}},
        'spec.parameters[0].range.max: Invalid value: max must be above min',
    ),
    "a Log range from 0": (
        {f"{P}.0": {"name": "x", "range": {"min": 0, "max": 1, "scale": "Log"}}},
        'spec.parameters[0].range.min: Invalid value: a Log scale begins above 0',
    ),
    "a Log range with a step": (
        {f"{P}.0": {"name": "x", "range": {"min": 1, "max": 9, "scale": "Log", "step": 2}}},
        'spec.parameters[0].range.step: Invalid value: goes with scale Linear only',
    ),
    "a toggle that may be unset": (
        {f"{P}.3.allowUnset": True},
        'spec.parameters[3].allowUnset: Invalid value: goes with values, choices and range',
    ),
    "the same variant twice": (
        {f"{P}.0": {"name": "x", "variants": [{"name": "a"}, {"name": "a"}]}},
        "spec.parameters[0].variants[1]: Duplicate value",
    ),
    "a constraint without a rule": ({"spec.constraints": [{"message": "x"}]}, "spec.constraints[0].rule: Required"),
    "a degree of 0": ({"spec.parallelism": {"tensor": [0]}}, "spec.parallelism.tensor[0] in body should be greater"),
    "the same degree twice": ({"spec.parallelism": {"tensor": [2, 2]}}, f"spec.parallelism.tensor: {REPEATED}"),
    "an unknown combination": (
        {"spec.parallelism": {"presets": ["huge"]}},
        'spec.parallelism.presets[0]: Unsupported value: "huge"',
    ),
    "an unknown precision": (
        {"spec.quantization": {"weights": ["fp7"]}},
        'spec.quantization.weights[0]: Unsupported value: "fp7"',
    ),
    "a start point of nothing": (
        {"spec.search.startPoints": [{"args": []}]},
        "spec.search.startPoints[0].args in body should have at least 1 items",
    ),
    "values and choices": ({f"{P}.0.choices": ["1"]}, ONE_OF),
    "values and toggle": ({f"{P}.0.toggle": True}, ONE_OF),
    "neither values, choices nor toggle": ({f"{P}.0.values": None}, ONE_OF),
    "a toggle that is false": ({f"{P}.3.toggle": False}, "spec.parameters[3].toggle: Unsupported value: false"),
    "empty values": ({f"{P}.0.values": []}, "spec.parameters[0].values in body should have at least 1 items"),
    "empty choices": ({f"{P}.2.choices": []}, "spec.parameters[2].choices in body should have at least 1 items"),
    "an empty choice": ({f"{P}.2.choices": ["a", ""]}, "spec.parameters[2].choices[1] in body should be at least 1"),
    "a string among numbers": ({f"{P}.0.values": [1, "2"]}, "parameters[0].values[1] in body must be of type number"),
    "a number among strings": ({f"{P}.2.choices": ["a", 1]}, "parameters[2].choices[1] in body must be of type string"),
    "the same number twice": ({f"{P}.0.values": [1, 2, 1]}, f'spec.parameters[0].values: {REPEATED}'),
    "the same string twice": ({f"{P}.2.choices": ["a", "a"]}, 'spec.parameters[2].choices[1]: Duplicate value: "a"'),
    "the same parameter twice": ({f"{P}.1.name": "tp-size"}, "spec.parameters[1]: Duplicate value"),
    "a parameter with dashes": ({f"{P}.0.name": "--tp-size"}, FLAG),
    "an SLO with max and min": ({f"{S}.0.min": "1ms"}, ONE_LIMIT),
    "an SLO with neither": ({f"{S}.0.max": None}, ONE_LIMIT),
    "an SLO without unit": ({f"{S}.0.max": "500"}, UNIT),
    "an SLO that is a bare number": ({f"{S}.0.max": 500}, "spec.slos[0].max in body must be of type string"),
    "an SLO with a space": ({f"{S}.0.max": "500 ms"}, UNIT),
    "an SLO with another metric's unit": ({f"{S}.0.max": "500tok/s"}, UNIT),
    "an error rate in seconds": ({f"{S}.0": {"metric": "ErrorRate", "max": "1s"}}, UNIT),
    "requests in tokens": ({f"{S}.0": {"metric": "RequestThroughput", "min": "9tok/s"}}, UNIT),
    "a statistic of a throughput": (
        {f"{S}.0": {"metric": "OutputThroughput", "statistic": "P99", "min": "9tok/s"}},
        'spec.slos[0].statistic: Invalid value: only with TTFT, TPOT and E2ELatency',
    ),
    "an unknown metric": ({f"{S}.0.metric": "ttft"}, 'spec.slos[0].metric: Unsupported value: "ttft"'),
    "no tokenizer": ({f"{B}.tokenizer": None}, "spec.benchmark.tokenizer: Required value"),
    "the hub without id": ({f"{B}.tokenizer": {"source": "Hub"}}, HUB),
    "an id without the hub": ({f"{B}.tokenizer.id": "a/b"}, HUB),
    "a hub token without the hub": (
        {f"{B}.tokenizer.tokenSecret": {"name": "hf", "key": "token"}},
        'spec.benchmark.tokenizer.tokenSecret: Invalid value: only with source Hub',
    ),
    "a load with a slash missing": ({f"{B}.scenarios.0.load": "N(100,10)(20,2)"}, LOAD),
    "a load of two numbers": ({f"{B}.scenarios.0.load": "100,20"}, LOAD),
    "no scenarios": ({f"{B}.scenarios": []}, "spec.benchmark.scenarios in body should have at least 1 items"),
    "a ladder of 13 levels": ({f"{B}.concurrency": [*range(1, 14)]}, "spec.benchmark.concurrency: Too many: 13"),
    "two scenarios of 7 levels": (TWO_SCENARIOS, LEVELS),
    "the same level twice": ({f"{B}.concurrency": [4, 4]}, f'spec.benchmark.concurrency: {REPEATED}'),
    "a level of nobody": ({f"{B}.concurrency": [0]}, "spec.benchmark.concurrency[0] in body should be greater than or"),
    "four objectives": (
        {"spec.objectives": [{"metric": name} for name in ("TTFT", "TPOT", "E2ELatency", "OutputThroughput")]},
        "spec.objectives: Too many: 4: must have at most 3",
    ),
    "the same objective twice": (
        {"spec.objectives": [{"metric": "TTFT"}, {"metric": "TTFT"}]},
        f"{GOALS} must not repeat an objective",
    ),
    "a cost without a price": (
        {"spec.objectives.0": {"metric": "CostPerMillionTokens"}},
        f"{GOALS} the objective CostPerMillionTokens needs gpuHourPrice",
    ),
    "a least gain of nothing": ({"spec.search.minExpectedGain": "0.0%"}, GAIN),
    "a least gain above all": ({"spec.search.minExpectedGain": "101%"}, GAIN),
    "a least gain without a unit": ({"spec.search.minExpectedGain": "0.01"}, GAIN),
    "a price of nothing": ({"spec.gpuHourPrice": "0.00"}, PRICE),
    "a price with its currency": ({"spec.gpuHourPrice": "2.50 EUR"}, PRICE),
    "a price that is a number": ({"spec.gpuHourPrice": 2.5}, "spec.gpuHourPrice in body must be of type string"),
    "users without a promise": ({"spec.objectives.0": USERS, S: None}, f"{GOALS} the objective MaxConcurrency counts"),
    "users within a soft promise": (
        {"spec.objectives.0": USERS, S: [{"metric": "TTFT", "max": "1s", "enforcement": "Soft"}]},
        f"{GOALS} the objective MaxConcurrency counts",
    ),
    "users within a floor": (
        {"spec.objectives.0": USERS, S: [{"metric": "OutputThroughput", "min": "1tok/s"}]},
        f"{GOALS} the objective MaxConcurrency counts",
    ),
    "users at one level": ({"spec.objectives.0": {**USERS, "concurrency": 4}}, THROUGHPUT),
    "a weight of a hard SLO": ({f"{S}.0.weight": 2}, SOFT),
    "a steepness of a hard SLO": ({f"{S}.0.enforcement": "Hard", f"{S}.0.steepness": 0.1}, SOFT),
    "a weight of next to nothing": (
        {f"{S}.0.enforcement": "Soft", f"{S}.0.weight": 0.001},
        "spec.slos[0].weight in body should be greater than or equal to 0.01",
    ),
    "a weight of nothing": ({f"{S}.0.enforcement": "Soft", f"{S}.0.weight": 0}, "must be at least 0.01"),
    "a cliff": (
        {f"{S}.0.enforcement": "Soft", f"{S}.0.steepness": 0.001},
        "spec.slos[0].steepness in body should be greater than or equal to 0.02",
    ),
    "nobody to confirm": ({"spec.search.confirm": {"top": 0}}, "spec.search.confirm.top in body should be greater"),
    "no objective": ({"spec.objectives": []}, "spec.objectives in body should have at least 1 items"),
    "a throughput at one level": ({"spec.objectives.0.concurrency": 4}, THROUGHPUT),
    "an unknown strategy": ({"spec.search.strategy": "Bayes"}, 'spec.search.strategy: Unsupported value: "Bayes"'),
    "no end": ({"spec.search.maxExperiments": None}, "spec.search.maxExperiments: Required value"),
    "a budget without limits": ({"spec.budget": {}}, 'spec.budget: Invalid value: give maxGPUHours'),
    "no GPU time": ({"spec.budget": {"maxGPUHours": 0}}, "must be at least 0.01"),
    "no time": ({"spec.budget": {"maxHours": -1}}, "spec.budget.maxHours in body should be greater than"),
    "nothing to measure": ({"spec.search.maxExperiments": 0}, "spec.search.maxExperiments in body should be"),
    "no patience": ({"spec.timeouts.queueSeconds": 0}, "spec.timeouts.queueSeconds in body should be greater than"),
    "a typo": ({"spec.search.maxExperiment": 4}, 'unknown field "spec.search.maxExperiment"'),
    "a typo in a list": ({f"{P}.0.value": [1]}, 'unknown field "spec.parameters[0].value"'),
    "a name of 41 characters": ({"metadata.name": "a" * 41}, NAME),
    "a name ending like OME's own": ({"metadata.name": "chat-engine"}, NAME),
    "a name ending like OME's router": ({"metadata.name": "chat-router"}, NAME),
    "a name that begins with a digit": ({"metadata.name": "1chat"}, NAME),
    "a name with a dot": ({"metadata.name": "chat.v1"}, NAME),
    "a name with a capital": ({"metadata.name": "Chat"}, NAME),
}  # fmt: skip

ACCEPTED: dict[str, Edits] = {
    "as built": {},
    "a model and a runtime by name": {
        "spec.model": {"name": "mine", "kind": "BaseModel"},
        "spec.runtime": {"name": "mine", "kind": "ServingRuntime", "engine": "Custom"},
    },
    "a model and a runtime in full": {
        "spec.model": {"custom": {**OWN, "labels": {"a": "b"}, "annotations": {"c": "d"}}, "scope": "Namespaced"},
        "spec.runtime": {"custom": OWN, "engine": "Custom", "image": "a:1", "env": [{"name": "X", "value": "1"}]},
    },
    "overrides": {
        "spec.model.overrides": {"storage": {"path": "/mnt", "key": None}},
        "spec.runtime.overrides": {"engineConfig": {"runner": {"args": []}}},
    },
    "a volume": {"spec.model.volume": {"claimName": "models", "subPath": "a/b", "annotations": True}},
    "words alone": {
        P: None,
        "spec.parallelism": {"tensor": [1, 2], "data": [1], "dataParallelAttention": [False, True]},
        "spec.quantization": {"weights": ["auto", "fp8"], "kvCache": ["auto"], "presets": ["default"]},
    },
    "ranges, variants, conditions and constraints": {
        f"{P}.0": {"name": "a", "range": {"min": 0.5, "max": 0.9, "step": 0.1}, "allowUnset": True, "when": "p.b == 1"},
        f"{P}.1": {**RANGE, "range": {"min": 1, "max": 64, "scale": "Log", "type": "Integer"}},
        f"{P}.2": {"name": "c", "variants": [{"name": "n"}, {"name": "y", "args": ["--a=1"], "env": [{"name": "X"}]}]},
        "spec.constraints": [{"rule": "p.x > 1", "message": "why"}],
        "spec.search.startPoints": [{"args": ["--a=1"]}],
    },
    "a name of 40 characters": {"metadata.name": "a" * 40},
    "a latency at one level": {"spec.objectives.0": {"metric": "TPOT", "statistic": "Mean", "concurrency": 4}},
    "the hub with a token": {
        f"{B}.tokenizer": {"source": "Hub", "id": "a/b", "tokenSecret": {"name": "hf", "key": "token"}}
    },
    "uniform loads": {f"{B}.scenarios.0.load": "U(10,20)/(1,2)"},
    "every unit": {
        S: [
            {"metric": "TPOT", "max": "0.04s"},
            {"metric": "ErrorRate", "max": "1%"},
            {"metric": "RequestThroughput", "min": "2.5req/s"},
            {"metric": "TotalThroughput", "min": "900tok/s"},
        ]
    },
    "soft promises": {
        S: [
            {"metric": "TTFT", "max": "1s", "enforcement": "Soft", "weight": 2, "steepness": 0.1},
            {"metric": "TotalThroughput", "min": "1tok/s", "enforcement": "Soft"},
        ]
    },
    "three objectives": {
        "spec.objectives": [
            {"metric": "CostPerMillionTokens"},
            {"metric": "TTFT", "statistic": "P50"},
            {"metric": "TTFT", "statistic": "P99"},
        ],
        "spec.gpuHourPrice": "0.05",
    },
    "users within promises": {"spec.objectives.0": USERS, "spec.gpuHourPrice": "12"},
    "no confirmation": {"spec.search.confirm": {"maxRepeats": 0}},
    "twelve levels": {f"{B}.concurrency": [*range(1, 13)]},
    "placement": {
        "spec.placement": {
            "nodeSelector": {"pool": "gpu"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
            "acceleratorResource": "",
        }
    },
    "slices of a fleet": {
        "spec.placement": {
            "acceleratorResource": "nvidia.com/mig-1g.10gb",
            "acceleratorLabel": "example.com/model",
            "allowShared": True,
        }
    },
}


def plain(message: str) -> str:
    """A refusal without the value that it quotes: each Kubernetes quotes in its own way, and some not at all."""
    return re.sub(r'Invalid value: (?:"(?:[^"\\\\]|\\\\.)*"|-?[0-9.]+|true|false): ', "Invalid value: ", message)


async def _said(server: Server, edits: Edits) -> str:
    """What is said against a task; empty if it is accepted."""
    try:
        await server.create(TASK, make_task(edits=edits), dry_run=True)
    except RefusedError as problem:
        return problem.message
    return ""


async def refused_with_the_field_named(server: Server) -> None:
    said = {case: plain(await _said(server, edits)) for case, (edits, _) in REFUSED.items()}
    assert {case: words for case, words in said.items() if REFUSED[case][1] not in words} == {}
    assert all(said.values())


async def accepted(server: Server) -> None:
    said = {case: await _said(server, edits) for case, edits in ACCEPTED.items()}
    assert {case: words for case, words in said.items() if words} == {}
