"""Sixty specs that people write, each with the fields that every judge refuses of it; none for one that is right."""

from __future__ import annotations

from typing import Any, NamedTuple

from autotuner.kubernetes_object import Object
from tests.support.objects import make_experiment, make_task


class Listed(NamedTuple):
    """A spec, and the fields that are wrong in it, as `validate` names them."""

    name: str
    body: Object
    fields: list[str]


_BENCHMARK, _PLACEMENT = "spec.benchmark", "spec.placement"
_PARAMS = f"{_BENCHMARK}.requestParams"
_TRACE = f"{_BENCHMARK}.scenarios[0].trace"
_FIRST = "spec.parameters[0]"
_SECOND_CHOICE = "spec.parameters[2].choices[2]"
_TOLERATION = f"{_PLACEMENT}.tolerations[0]"
_CUSTOM: Object = {
    "custom": {"name": "own", "spec": {"engineConfig": {"runner": {"image": "a/b:1", "command": ["serve"]}}}},
    "engine": "SGLang",
}

_OPEN: Object = {
    "scenarios": [{"name": "chat", "load": "N(100,10)/(20,2)"}],
    "rates": [0.5, 2],
    "tokenizer": {"source": "Builtin"},
}
_OF_REQUESTS: Object = {"metric": "TTFT", "max": "500ms", "perRequest": True}


def _trace(**changes: Any) -> Object:
    return {"format": "Mooncake", "configMap": "traces", "path": "day.jsonl", **changes}


def _sends(scenario: Object, **more: Any) -> Object:
    """The edit of a benchmark that has this scenario alone and no ladder of its own."""
    return {_BENCHMARK: {"scenarios": [{"name": "chat", **scenario}], "tokenizer": {"source": "Builtin"}, **more}}


def _task(name: str, edits: Object, *fields: str) -> Listed:
    return Listed(name, make_task("listed", edits), list(fields))


def _named(name: str, metadata: Any, *fields: str) -> Listed:
    return Listed(name, {**make_task(), "metadata": metadata}, list(fields))


def _experiment(name: str, edits: Object, *fields: str) -> Listed:
    return Listed(name, make_experiment("listed", edits), list(fields))


def _tolerates(**toleration: Any) -> Object:
    return {_PLACEMENT: {"tolerations": [toleration]}}


def _overrides(**runner: Any) -> Object:
    overrides = {"engineConfig": {"runner": runner}}
    return {"spec.runtime": {"preset": "simulated-sglang", "overrides": overrides}}


LISTED: list[Listed] = [
    # Names.
    _named("a good name", {"name": "chat"}),
    _named("a generated name", {"generateName": "sweep-"}),
    _named("a generated name that is too long", {"generateName": "x" * 40}, "metadata.name"),
    _named("no name", {}, "metadata.name"),
    _named("a name that is a number", {"name": 5}, "metadata.name"),
    _named("a name in capitals", {"name": "Chat"}, "metadata.name", "metadata.name"),
    _named("a name that children could not bear", {"name": "chat-engine"}, "metadata.name"),
    _named("a label that is a boolean", {"name": "chat", "labels": {"a": True}}, "metadata.labels.a"),
    _named("a label of blanks", {"name": "chat", "labels": {"a": "b c"}}, "metadata.labels"),
    _named("a finalizer without a domain", {"name": "chat", "finalizers": ["a"]}),
    # Numbers.
    _task("a number in quotes", {f"{_BENCHMARK}.concurrency": ["4"]}, f"{_BENCHMARK}.concurrency[0]"),
    _task("a whole number with a point", {f"{_BENCHMARK}.concurrency": [4.0]}),
    _task("a fraction of experiments", {"spec.search.maxExperiments": 4.5}, "spec.search.maxExperiments"),
    _task("experiments in quotes", {"spec.search.maxExperiments": "4"}, "spec.search.maxExperiments"),
    _task("true experiments", {"spec.search.maxExperiments": True}, "spec.search.maxExperiments"),
    _task("hours in quotes", {"spec.budget": {"maxGPUHours": "12"}}, "spec.budget.maxGPUHours"),
    _task("no hours", {"spec.budget": {"maxGPUHours": 0}}, "spec.budget.maxGPUHours"),
    _task("a value beyond all bounds", {"spec.parameters.1.values": [2e12, 1]}, "spec.parameters[1].values[0]"),
    _task("a small value", {"spec.parameters.1": {"name": "schedule-conservativeness", "values": [1e-5, 1]}}),
    _task("a null among values", {"spec.parameters.0.values": [1, None]}, f"{_FIRST}.values[1]"),
    _task("a price that is a number", {"spec.gpuHourPrice": 2.5}, "spec.gpuHourPrice"),
    # Sets, lists of named things, nulls.
    _task("a value twice", {"spec.parameters.0.values": [1, 1.0]}, f"{_FIRST}.values"),
    _task("a choice twice", {"spec.parameters.2.choices": ["lpm", "fcfs", "lpm"]}, _SECOND_CHOICE),
    _task("a parameter twice", {"spec.parameters.1": {"name": "tp-size", "values": [4]}}, "spec.parameters[1]"),
    _task("a precision twice", {"spec.quantization": {"weights": ["auto", "auto"]}}, "spec.quantization.weights[1]"),
    _task("null for a list", {"spec.constraints": {}, "spec.slos": []}, "spec.constraints"),
    _task("both ways to say one", {"spec.parameters.0.range": {"min": 1, "max": 2}}, _FIRST),
    _task("an unknown field", {"spec.parameters.0.valeus": [1]}, f"{_FIRST}.valeus"),
    _task("a switch in words", {"spec.suspend": "yes"}, "spec.suspend"),
    # An open loop, and what counts single requests.
    _task("rates", {_BENCHMARK: {**_OPEN, "arrivals": {"process": "Gamma", "burstiness": 0.5}}}),
    _task("rates beside users", {f"{_BENCHMARK}.rates": [1, 2.5]}, _BENCHMARK),
    _task("neither rates nor users", {_BENCHMARK: {**_OPEN, "rates": None}}, _BENCHMARK),
    _task("a rate of nothing", {_BENCHMARK: {**_OPEN, "rates": [0]}}, f"{_BENCHMARK}.rates[0]"),
    _task("thirteen rates", {_BENCHMARK: {**_OPEN, "rates": list(range(1, 14))}}, f"{_BENCHMARK}.rates"),
    # Prefixes, sessions, traces.
    _task("a trace at its own times", _sends({"trace": _trace(speed=2, maxRequests=100)})),
    _task(
        "a trace of a claim by rates", _sends({"trace": _trace(configMap=None, claim="c", path="a/b.csv")}, rates=[1])
    ),
    _task("conversations of users", _sends({"trace": _trace(format="ShareGPT")}, concurrency=[1])),
    _task("prefixes of users", _sends({"load": "D(10,10)", "prefix": {"tokens": 5, "groups": 2}}, concurrency=[1])),
    _task("sessions", _sends({"load": "D(10,10)", "turns": {"count": 3, "thinkSeconds": 1.5}}, rates=[1])),
    _task("neither load nor trace", _sends({}, rates=[1]), f"{_BENCHMARK}.scenarios[0]"),
    _task("load and trace", _sends({"load": "D(1,1)", "trace": _trace()}, rates=[1]), f"{_BENCHMARK}.scenarios[0]"),
    _task("own times where there are none", _sends({"trace": _trace(format="ShareGPT")}), _BENCHMARK),
    _task("speed of a ladder", _sends({"trace": _trace(speed=2)}, rates=[1]), f"{_BENCHMARK}.scenarios"),
    _task(
        "sessions of users",
        _sends({"load": "D(9,9)", "turns": {"count": 2}}, concurrency=[1]),
        f"{_BENCHMARK}.scenarios",
    ),
    _task("requests of users", _sends({"trace": _trace(format="OpenAI")}, concurrency=[1]), f"{_BENCHMARK}.scenarios"),
    _task(
        "prefixes of a trace", _sends({"trace": _trace(), "prefix": {"tokens": 5}}), f"{_BENCHMARK}.scenarios[0].prefix"
    ),
    _task("turns of a trace", _sends({"trace": _trace(), "turns": {"count": 2}}), f"{_BENCHMARK}.scenarios[0].turns"),
    _task(
        "one turn",
        _sends({"load": "D(9,9)", "turns": {"count": 1}}, rates=[1]),
        f"{_BENCHMARK}.scenarios[0].turns.count",
    ),
    _task("a trace of nowhere", _sends({"trace": _trace(configMap=None)}), f"{_TRACE}"),
    _task("a trace of two places", _sends({"trace": _trace(claim="c")}), f"{_TRACE}"),
    _task("a folder of a ConfigMap", _sends({"trace": _trace(path="a/b")}), f"{_TRACE}.path"),
    _task("a path upwards", _sends({"trace": _trace(configMap=None, claim="c", path="../b")}), f"{_TRACE}.path"),
    _task("a path from the root", _sends({"trace": _trace(configMap=None, claim="c", path="/b")}), f"{_TRACE}.path"),
    _task(
        "speed of a text",
        _sends({"trace": _trace(format="OpenAI", speed=2)}, rates=[1]),
        f"{_BENCHMARK}.scenarios",
        f"{_TRACE}.speed",
    ),
    _task("arrivals of users", {f"{_BENCHMARK}.arrivals": {"process": "Constant"}}, f"{_BENCHMARK}.arrivals"),
    _task(
        "bursts of a Poisson process",
        {_BENCHMARK: {**_OPEN, "arrivals": {"burstiness": 0.5}}},
        f"{_BENCHMARK}.arrivals.burstiness",
    ),
    _task("goodput", {"spec.objectives": [{"metric": "Goodput"}], "spec.slos": [_OF_REQUESTS]}),
    _task(
        "a statistic of one request", {"spec.slos": [{**_OF_REQUESTS, "statistic": "P99"}]}, "spec.slos[0].perRequest"
    ),
    _task(
        "attainment in requests",
        {"spec.slos": [_OF_REQUESTS, {"metric": "Attainment", "min": "9req/s"}]},
        "spec.slos[1]",
    ),
    # Request parameters.
    _task("a temperature", {_PARAMS: {"temperature": 0.2, "top_p": 0.9}}),
    _task("ignore_eos", {_PARAMS: {"ignore_eos": True}}),
    _task("no ignore_eos", {_PARAMS: {"ignore_eos": False}}, f"{_PARAMS}.ignore_eos"),
    _task("a length of answers", {_PARAMS: {"max_tokens": 5}}, f"{_PARAMS}.max_tokens"),
    _task("its newer name", {_PARAMS: {"max_completion_tokens": 5}}, f"{_PARAMS}.max_completion_tokens"),
    _task("no streams", {_PARAMS: {"stream": False}}, f"{_PARAMS}.stream"),
    _task("several answers", {_PARAMS: {"n": 2}}, f"{_PARAMS}.n"),
    _task("another model", {_PARAMS: {"model": "x"}}, f"{_PARAMS}.model"),
    _task("null for a parameter", {_PARAMS: {"max_tokens": None}}),
    _experiment("a length in an experiment", {_PARAMS: {"max_tokens": 5}}, f"{_PARAMS}.max_tokens"),
    _experiment("no ignore_eos in an experiment", {_PARAMS: {"ignore_eos": False}}, f"{_PARAMS}.ignore_eos"),
    # Names of the platform.
    _task(
        "a MIG slice",
        {_PLACEMENT: {"acceleratorResource": "nvidia.com/mig-1g.10gb"}, "spec.parameters.0.values": [1]},
    ),
    _task("no accelerators", {_PLACEMENT: {"acceleratorResource": ""}}),
    _task("a resource of ours", {_PLACEMENT: {"acceleratorResource": "gpu"}}, f"{_PLACEMENT}.acceleratorResource"),
    _task(
        "a resource in words", {_PLACEMENT: {"acceleratorResource": "GPU of mine"}}, f"{_PLACEMENT}.acceleratorResource"
    ),
    _experiment("the same alone", {"spec.service.accelerator.resource": "gpu"}, "spec.service.accelerator.resource"),
    _task("a pool of nodes", {_PLACEMENT: {"nodeSelector": {"cloud.google.com/gke-nodepool": "h100"}}}),
    _task("a pool of blanks", {_PLACEMENT: {"nodeSelector": {"pool": "a b"}}}, f"{_PLACEMENT}.nodeSelector.pool"),
    _task("a selector of blanks", {_PLACEMENT: {"nodeSelector": {"a b": "c"}}}, f"{_PLACEMENT}.nodeSelector.a b"),
    _task("a tolerated taint", _tolerates(key="nvidia.com/gpu", operator="Exists", effect="NoSchedule")),
    _task("every taint", _tolerates(operator="Exists")),
    _task("no key and no operator", _tolerates(effect="NoSchedule"), f"{_TOLERATION}.operator"),
    _task("a value for Exists", _tolerates(key="a", operator="Exists", value="b"), f"{_TOLERATION}.value"),
    _task("a taint of blanks", _tolerates(key="a b", operator="Exists"), f"{_TOLERATION}.key"),
    _task(
        "seconds without an effect",
        _tolerates(key="a", operator="Exists", tolerationSeconds=5),
        f"{_TOLERATION}.tolerationSeconds",
    ),
    _task("an image by its digest", {"spec.runtime.image": f"registry.example:5000/a/b@sha256:{'0' * 64}"}),
    _task("an image with a scheme", {"spec.runtime.image": "docker://a/b:1"}, "spec.runtime.image"),
    _task("an image with a blank", {"spec.runtime.image": "a/b: 1"}, "spec.runtime.image"),
    _task("a variable with a dash", {"spec.runtime.env": [{"name": "A-B"}]}, "spec.runtime.env[0].name"),
    # Free objects.
    _task("arguments that are numbers", _overrides(args=[1]), "spec.runtime.overrides"),
    _task("a runtime of one's own", {"spec.runtime": _CUSTOM}, "spec.benchmark.tokenizer.source"),
]
