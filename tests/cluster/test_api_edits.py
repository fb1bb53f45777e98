"""What may still be edited, and when: a task before and after its start, an experiment never."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from testbed.api import Api, ApiError
from tests.support.objects import edited, experiments, make_experiment, make_task, tasks

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


async def start(api: Api, namespace: str, edits: Edits | None = None) -> str:
    """Creates a task and starts it as the operator does; returns its path."""
    await api.create(tasks(namespace), make_task("chat", edits))
    path = f"{tasks(namespace)}/chat"
    await api.patch(f"{path}/status", {"status": {"startTime": START, "phase": "Running"}})
    return path


async def write(api: Api, path: str, edits: Edits, **params: Any) -> Object:
    """Edits an object as `kubectl edit` does."""
    return await api.update(path, edited(await api.get(path), edits), fieldValidation="Strict", **params)


async def refusal(api: Api, path: str, edits: Edits) -> str:
    """Tries an edit; returns what the API server says against it, or nothing."""
    try:
        await write(api, path, edits, dryRun="All")
    except ApiError as refused:
        return refused.message
    return ""


async def test_before_the_start_every_edit_is_free(api: Api, namespace: str) -> None:
    await api.create(tasks(namespace), make_task("chat"))
    path = f"{tasks(namespace)}/chat"
    await api.patch(f"{path}/status", {"status": {"phase": "Pending"}})
    for field, edits in FIXED_AT_START.items():
        changed = await write(api, path, edits, dryRun="All")
        assert changed["metadata"]["generation"] == 2, field


async def test_after_the_start_what_is_searched_is_fixed(api: Api, namespace: str) -> None:
    path = await start(api, namespace)
    said = {field: await refusal(api, path, edits) for field, edits in FIXED_AT_START.items()}
    assert {field: message for field, message in said.items() if STARTED not in message} == {}


async def test_after_the_start_what_steers_is_free(api: Api, namespace: str) -> None:
    path = await start(api, namespace)
    said = {field: await refusal(api, path, edits) for field, edits in FREE_AFTER_START.items()}
    assert {field: message for field, message in said.items() if message} == {}


@pytest.mark.parametrize("space", SEARCH_SPACES)
async def test_after_the_start_suspend_and_status_pass(api: Api, namespace: str, space: str) -> None:
    path = await start(api, namespace, SEARCH_SPACES[space])
    suspended = await api.patch(path, {"spec": {"suspend": True}})
    assert suspended["spec"]["suspend"] is True
    merged = await api.patch(f"{path}/status", {"status": {"message": "on it"}})
    assert merged["status"] == {"startTime": START, "phase": "Running", "message": "on it"}


async def test_after_the_start_the_same_manifest_applies_again(api: Api, namespace: str) -> None:
    manifest = make_task("chat")
    path = f"{tasks(namespace)}/chat"
    await api.apply(path, manifest, "kubectl")
    await api.patch(f"{path}/status", {"status": {"startTime": START}})
    again = await api.apply(path, manifest, "kubectl")
    assert again["metadata"]["generation"] == 1


async def test_the_order_of_choices_and_parameters_is_no_change(api: Api, namespace: str) -> None:
    path = await start(api, namespace)
    spec = (await api.get(path))["spec"]
    spec["parameters"].reverse()
    spec["parameters"][1]["choices"].reverse()
    await write(api, path, {"spec": spec})


async def test_spec_writes_leave_the_status_alone(api: Api, namespace: str) -> None:
    path = await start(api, namespace)
    await write(api, path, {"status": None, "spec.suspend": True})
    await api.patch(path, {"status": {"startTime": None, "phase": "Pending"}})
    after = await api.get(path)
    assert after["status"] == {"startTime": START, "phase": "Running"}
    assert STARTED in await refusal(api, path, {"status": None, "spec.search.seed": 1})


async def test_status_writes_leave_the_spec_alone(api: Api, namespace: str) -> None:
    path = await start(api, namespace)
    await api.patch(f"{path}/status", {"spec": {"suspend": True}, "status": {"message": "on it"}})
    after = await api.get(path)
    assert after["spec"]["suspend"] is False
    assert after["status"]["message"] == "on it"


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


async def test_an_experiment_is_fixed_from_the_start(api: Api, namespace: str) -> None:
    await api.create(experiments(namespace), make_experiment("chat-1"), fieldValidation="Strict")
    path = f"{experiments(namespace)}/chat-1"
    said = {field: await refusal(api, path, edits) for field, edits in EXPERIMENT_EDITS.items()}
    assert {field: message for field, message in said.items() if UNCHANGEABLE not in message} == {}


async def test_an_experiment_is_cancelled_once_and_for_all(api: Api, namespace: str) -> None:
    await api.create(experiments(namespace), make_experiment("chat-1"), fieldValidation="Strict")
    path = f"{experiments(namespace)}/chat-1"
    assert (await write(api, path, {"spec.cancel": True}))["spec"]["cancel"] is True
    assert CANCELLED in await refusal(api, path, {"spec.cancel": False})
    assert CANCELLED in await refusal(api, path, {"spec.cancel": None})
    status = {"status": {"phase": "Failed", "reason": "Cancelled"}}
    assert (await api.patch(f"{path}/status", status))["status"]["reason"] == "Cancelled"


@pytest.mark.parametrize("name", ["a" * 51, "chat-1-engine", "1-chat", "chat.1"])
async def test_names_that_ome_could_not_use_are_refused(api: Api, name: str) -> None:
    with pytest.raises(ApiError, match=r"metadata\.name: use at most 50 lower-case letters"):
        await api.create(experiments("default"), make_experiment(name), dryRun="All")


async def test_a_typo_in_an_experiment_is_refused(api: Api) -> None:
    typo = make_experiment(edits={"spec.service.acelerator": {"count": 2}})
    with pytest.raises(ApiError, match=r'unknown field "spec\.service\.acelerator"'):
        await api.create(experiments("default"), typo, dryRun="All", fieldValidation="Strict")
