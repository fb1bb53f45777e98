"""What may still be edited, and when: a task before and after its start, an experiment never."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotuner.kube import EXPERIMENT, TASK
from autotuner.kubernetes_object import Object, Resource
from tests.conformance.cases.objects import UNSEEN
from tests.conformance.server import RefusedError, Server
from tests.support.objects import edited, make_experiment, make_task

Edits = Mapping[str, Any]

STARTED = (
    "spec: Forbidden: the task has started: only suspend, budget, timeouts, search.maxExperiments,"
    " search.parallelExperiments and search.maxGPUs may still change; to search for something else, create another"
    " TuningTask"
)
UNCHANGEABLE = "spec: Forbidden: a TuningExperiment cannot be changed, only cancelled (cancel: true)"
CANCELLED = "spec.cancel: Forbidden: cancel cannot be taken back; create another TuningExperiment"
START = "2026-01-01T00:00:00Z"

FIXED_AT_START: dict[str, Edits] = {
    "model": {"spec.model.preset": "other"},
    "model by name": {"spec.model": {"name": "mine"}},
    "model.readyTimeoutSeconds": {"spec.model.readyTimeoutSeconds": 60},
    "runtime": {"spec.runtime.preset": "other"},
    "runtime.extraArgs": {"spec.runtime.extraArgs": ["--log-level=info"]},
    "parameters, one more": {"spec.parameters.4": {"name": "dp-size", "values": [1]}},
    "parameters, a whole number": {"spec.parameters.0.values": [1, 4]},
    "parameters, a broken number": {"spec.parameters.1.values": [0.6, 1]},
    "parameters, numbers in another order": {"spec.parameters.0.values": [2, 1]},
    "parameters, a string": {"spec.parameters.2.choices": ["lpm", "dfs-weight"]},
    "parameters, a toggle": {"spec.parameters.3": {"name": "enable-mixed-chunk", "values": [1]}},
    "parameters, a range": {"spec.parameters.0": {"name": "tp-size", "range": {"min": 1, "max": 2}}},
    "parameters, a condition": {"spec.parameters.3.when": "p.tp_size > 1"},
    "constraints": {"spec.constraints": [{"rule": "p.tp_size > 0"}]},
    "parallelism": {"spec.parallelism": {"data": [1]}},
    "quantization": {"spec.quantization": {"kvCache": ["auto"]}},
    "search.startPoints": {"spec.search.startPoints": [{"args": ["--tp-size=1"]}]},
    "model.overrides": {"spec.model.overrides": {"vendor": "me"}},
    "model.volume": {"spec.model.volume": {"claimName": "models"}},
    "runtime.image": {"spec.runtime.image": "engine:2"},
    "runtime.env": {"spec.runtime.env": [{"name": "X", "value": "1"}]},
    "benchmark.placement": {"spec.benchmark.placement": "OtherNode"},
    "baseline": {"spec.baseline": {"args": ["--tp-size=2"]}},
    "benchmark.scenarios": {"spec.benchmark.scenarios.0.load": "N(100,10)/(21,2)"},
    "benchmark.concurrency": {"spec.benchmark.concurrency": [1]},
    "benchmark.maxMinutesPerLevel": {"spec.benchmark.maxMinutesPerLevel": 1},
    "benchmark.tokenizer": {"spec.benchmark.tokenizer": {"source": "Hub", "id": "a/b"}},
    "benchmark.requestParams": {"spec.benchmark.requestParams.temperature": 1},
    "objectives": {"spec.objectives.0.metric": "TotalThroughput"},
    "slos": {"spec.slos.0.max": "501ms"},
    "slos, removed": {"spec.slos": None},
    "slos, the default for another": {"spec.slos.0.enforcement": "Soft"},
    "slos, one more": {"spec.slos.1": {"metric": "ErrorRate", "max": "1%"}},
    "search.strategy": {"spec.search.strategy": "Random"},
    "search.minExpectedGain": {"spec.search.minExpectedGain": "1%"},
    "search.reuse": {"spec.search.reuse": {"maxAgeHours": 24}},
    "search.confirm": {"spec.search.confirm.maxRepeats": 2},
    "gpuHourPrice": {"spec.gpuHourPrice": "2.50"},
    "search.seed": {"spec.search.seed": 1},
    "placement": {"spec.placement.nodeSelector": {"pool": "gpu"}},
}
FREE_AFTER_START: dict[str, Edits] = {
    "nothing": {},
    "a number written otherwise": {"spec.parameters.1.values": [0.5, 1.0]},
    "suspend": {"spec.suspend": True},
    "timeouts": {"spec.timeouts": {"queueSeconds": 5, "startupSeconds": 5}},
    "search.maxExperiments": {"spec.search.maxExperiments": 9},
    "search.parallelExperiments": {"spec.search.parallelExperiments": 8},
    "search.maxGPUs": {"spec.search.maxGPUs": 16},
    "a budget": {"spec.budget": {"maxGPUHours": 12, "maxHours": 0.5}},
    "labels": {"metadata.labels": {"team": "serving"}},
}
# Every kind of value that CEL has to find equal to itself.
SEARCH_SPACES: dict[str, Edits] = {
    "whole numbers": {"spec.parameters": [{"name": "tp-size", "values": [1, 2]}]},
    "mixed numbers": {"spec.parameters": [{"name": "schedule-conservativeness", "values": [0.5, 1]}]},
    "ranges": {
        "spec.parameters": [
            {"name": "a", "range": {"min": 1, "max": 8}},
            {"name": "b", "range": {"min": 0.5, "max": 1, "step": 0.25}, "allowUnset": True, "when": "p.a > 1"},
        ]
    },
    "variants": {
        "spec.parameters": [{"name": "a", "variants": [{"name": "n"}, {"name": "y", "args": ["--x=1"], "env": []}]}]
    },
    "words": {
        "spec.parallelism": {"tensor": [1, 2], "dataParallelAttention": [False, True], "presets": ["balanced"]},
        "spec.quantization": {"weights": ["auto", "fp8"], "presets": ["default"]},
    },
    "constraints and start points": {
        "spec.constraints": [{"rule": "p.tp_size > 0"}],
        "spec.search.startPoints": [{"args": ["--tp-size=1"]}],
    },
    "overrides": {
        "spec.model.overrides": {"storage": {"path": "/mnt", "key": None}, "maxTokens": 1, "weight": 1.0},
        "spec.runtime.overrides": {"engineConfig": {"runner": {"args": ["--a"]}}},
    },
    "objects in full": {
        "spec.model": {"custom": {"name": "own", "spec": {"a": [1, 1.5, {"b": None}]}}, "scope": "Namespaced"},
        "spec.runtime": {"custom": {"name": "own", "spec": {}}, "engine": "Custom", "env": [{"name": "X"}]},
    },
    "strings": {"spec.parameters": [{"name": "schedule-policy", "choices": ["lpm", "fcfs"]}]},
    "a toggle": {"spec.parameters": [{"name": "enable-mixed-chunk", "toggle": True}]},
    "free-form request parameters": {
        "spec.benchmark.requestParams": {"temperature": 0.0, "top_k": 1, "stop": ["a"], "extra": {"seed": 1}}
    },
}
EXPERIMENT_EDITS: dict[str, Edits] = {
    "purpose": {"spec.purpose": "Baseline"},
    "block": {"spec.block": 1},
    "parameters": {"spec.parameters.0.value": "2"},
    "parameters, removed": {"spec.parameters": None},
    "service.model": {"spec.service.model.name": "other"},
    "service.args": {"spec.service.args": ["--tp-size=2"]},
    "service.env": {"spec.service.env.0.value": "2"},
    "service.accelerator": {"spec.service.accelerator.count": 2},
    "benchmark": {"spec.benchmark.concurrency": [1]},
    "benchmark.seed": {"spec.benchmark.seed": "other"},
    "stop": {"spec.stop": None},
    "timeouts": {"spec.timeouts.queueSeconds": 5},
}
NAMES_OF_EXPERIMENTS = ("a" * 51, "chat-1-engine", "1-chat", "chat.1")


async def _start(server: Server, edits: Edits | None = None) -> Object:
    """A task that is started as the operator does it."""
    await server.create(TASK, make_task("chat", edits))
    patch = {"status": {"startTime": START, "phase": "Running"}}
    return await server.merge(TASK, "chat", patch, subresource="status")


async def _write(server: Server, resource: Resource, name: str, edits: Edits) -> Object:
    """Edit an object as `kubectl edit` does."""
    return await server.replace(resource, edited(await server.get(resource, name), edits), strict=True)


async def _said(server: Server, resource: Resource, name: str, edits: Edits) -> str:
    """What is said against an edit; empty if it is accepted, and then it is taken back."""
    before = await server.get(resource, name)
    try:
        after = await _write(server, resource, name, edits)
    except RefusedError as problem:
        return problem.message
    await server.replace(resource, {**before, "metadata": after["metadata"]})
    return ""


async def before_the_start_every_edit_is_free(server: Server) -> None:
    await server.create(TASK, make_task("chat"))
    await server.merge(TASK, "chat", {"status": {"phase": "Pending"}}, subresource="status")

    said = {field: await _said(server, TASK, "chat", edits) for field, edits in FIXED_AT_START.items()}
    assert {field: words for field, words in said.items() if words} == {}
    assert (await server.get(TASK, "chat"))["metadata"]["generation"] == 1 + 2 * len(FIXED_AT_START)


async def after_the_start_what_is_searched_is_fixed(server: Server) -> None:
    await _start(server)

    said = {field: await _said(server, TASK, "chat", edits) for field, edits in FIXED_AT_START.items()}
    assert {field: words for field, words in said.items() if STARTED not in words} == {}


async def after_the_start_what_steers_is_free(server: Server) -> None:
    await _start(server)

    said = {field: await _said(server, TASK, "chat", edits) for field, edits in FREE_AFTER_START.items()}
    assert {field: words for field, words in said.items() if words} == {}


async def after_the_start_suspend_and_status_pass(server: Server) -> None:
    for space, edits in SEARCH_SPACES.items():
        await _start(server, edits)
        suspended = await server.merge(TASK, "chat", {"spec": {"suspend": True}})
        assert suspended["spec"]["suspend"] is True, space
        merged = await server.merge(TASK, "chat", {"status": {"message": "on it"}}, subresource="status")
        assert merged["status"] == {**UNSEEN, "startTime": START, "phase": "Running", "message": "on it"}, space
        await server.delete(TASK, "chat")


async def after_the_start_the_same_manifest_applies_again(server: Server) -> None:
    await server.apply(TASK, make_task("chat"), manager="kubectl")
    await server.merge(TASK, "chat", {"status": {"startTime": START}}, subresource="status")

    assert (await server.apply(TASK, make_task("chat"), manager="kubectl"))["metadata"]["generation"] == 1


async def what_an_earlier_schema_filled_in_may_go_after_the_start(server: Server) -> None:
    written = {"spec.constraints": [{"rule": "p.tp_size > 0"}], "spec.slos": [{"metric": "TTFT", "max": "1s"}]}
    filled = {"spec.constraints.0.message": "", "spec.slos.0.enforcement": "Hard"}
    await _start(server, {**written, **filled})

    assert await _said(server, TASK, "chat", written) == ""
    for change in ({"spec.constraints.0.message": "why"}, {"spec.slos.0.enforcement": "Soft"}):
        assert STARTED in await _said(server, TASK, "chat", change)

    stop = make_experiment("chat-1")["spec"]["stop"]
    slos = [{"metric": "TTFT", "max": "1s", "enforcement": "Hard"}]
    await server.create(EXPERIMENT, make_experiment("chat-1", {"spec.stop": {**stop, "slos": slos}}))
    without = {"spec.stop.slos": [{"metric": "TTFT", "max": "1s"}]}
    assert await _said(server, EXPERIMENT, "chat-1", without) == ""
    assert UNCHANGEABLE in await _said(server, EXPERIMENT, "chat-1", {"spec.stop.slos.0.max": "2s"})


async def the_order_of_choices_and_parameters_is_no_change(server: Server) -> None:
    spec = (await _start(server))["spec"]
    spec["parameters"].reverse()
    spec["parameters"][1]["choices"].reverse()

    await _write(server, TASK, "chat", {"spec": spec})


async def without_its_status_a_started_task_is_still_started(server: Server) -> None:
    await _start(server)
    await _write(server, TASK, "chat", {"status": None, "spec.suspend": True})
    await server.merge(TASK, "chat", {"status": {"startTime": None, "phase": "Pending"}})

    assert (await server.get(TASK, "chat"))["status"] == {**UNSEEN, "startTime": START, "phase": "Running"}
    assert STARTED in await _said(server, TASK, "chat", {"status": None, "spec.search.seed": 1})


async def an_experiment_is_fixed_from_the_start(server: Server) -> None:
    await server.create(EXPERIMENT, make_experiment("chat-1"))

    said = {field: await _said(server, EXPERIMENT, "chat-1", edits) for field, edits in EXPERIMENT_EDITS.items()}
    assert {field: words for field, words in said.items() if UNCHANGEABLE not in words} == {}


async def an_experiment_is_cancelled_once_and_for_all(server: Server) -> None:
    await server.create(EXPERIMENT, make_experiment("chat-1"))
    assert (await _write(server, EXPERIMENT, "chat-1", {"spec.cancel": True}))["spec"]["cancel"] is True

    for value in (False, None):
        assert CANCELLED in await _said(server, EXPERIMENT, "chat-1", {"spec.cancel": value})
    status = {"status": {"phase": "Failed", "reason": "Cancelled"}}
    assert (await server.merge(EXPERIMENT, "chat-1", status, subresource="status"))["status"]["reason"] == "Cancelled"


async def names_that_a_backend_could_not_use_are_refused(server: Server) -> None:
    for name in NAMES_OF_EXPERIMENTS:
        try:
            await server.create(EXPERIMENT, make_experiment(name), dry_run=True)
        except RefusedError as problem:
            assert "metadata.name: use at most 50 lower-case letters" in problem.message
        else:
            raise AssertionError(name)
