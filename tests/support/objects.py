"""TuningTasks and TuningExperiments as a user would write them, and edits of them by path."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from autotuner.kubernetes_object import Object

API_VERSION = "autotuner.io/v1alpha1"
GROUP_PATH = f"/apis/{API_VERSION}"


def tasks(namespace: str) -> str:
    """The path of a namespace's TuningTasks."""
    return f"{GROUP_PATH}/namespaces/{namespace}/tuningtasks"


def experiments(namespace: str) -> str:
    """The path of a namespace's TuningExperiments."""
    return f"{GROUP_PATH}/namespaces/{namespace}/tuningexperiments"


def make_task(name: str = "chat", edits: Mapping[str, Any] | None = None) -> Object:
    """A TuningTask of the simulated engine that is valid as it is; see `edited` for `edits`."""
    task: Object = {
        "apiVersion": API_VERSION,
        "kind": "TuningTask",
        "metadata": {"name": name},
        "spec": {
            "model": {"preset": "llama-3-2-1b-instruct"},
            "runtime": {"preset": "simulated-sglang"},
            "parameters": [
                {"name": "tp-size", "values": [1, 2]},
                {"name": "schedule-conservativeness", "values": [0.5, 1]},
                {"name": "schedule-policy", "choices": ["lpm", "fcfs"]},
                {"name": "enable-mixed-chunk", "toggle": True},
            ],
            "benchmark": {
                "scenarios": [{"name": "chat", "load": "N(100,10)/(20,2)"}],
                "concurrency": [1, 4],
                "maxRequestsPerLevel": 10,
                "tokenizer": {"source": "Builtin"},
                "requestParams": {"temperature": 0.0, "stop": ["a", "b"]},
            },
            "objectives": [{"metric": "OutputThroughput"}],
            "slos": [{"metric": "TTFT", "statistic": "P99", "max": "500ms"}],
            "search": {"strategy": "Grid", "maxExperiments": 4},
        },
    }
    return edited(task, edits or {})


def make_experiment(name: str = "chat-1", edits: Mapping[str, Any] | None = None) -> Object:
    """A TuningExperiment of the simulated engine that is valid as it is; see `edited` for `edits`."""
    experiment: Object = {
        "apiVersion": API_VERSION,
        "kind": "TuningExperiment",
        "metadata": {"name": name},
        "spec": {
            "parameters": [{"name": "tp-size", "value": "1"}],
            "service": {
                "model": {"name": "llama-3-2-1b-instruct"},
                "runtime": {"name": "simulated-sglang-00000000"},
                "engine": "SGLang",
                "args": ["--tp-size=1", "--mem-fraction-static=0.9"],
                "env": [{"name": "A", "value": "1"}],
                "accelerator": {"count": 1},
            },
            "benchmark": {
                "scenarios": [{"name": "chat", "load": "N(100,10)/(20,2)"}],
                "concurrency": [1, 4],
                "tokenizer": {"source": "Builtin"},
            },
            "stop": {"slos": [{"metric": "TTFT", "max": "500ms"}]},
        },
    }
    return edited(experiment, edits or {})


def edited(body: Object, edits: Mapping[str, Any]) -> Object:
    """A copy of an object with values set by path, for example {"spec.parameters.0.name": "tp-size"}.

    None removes a field; a list's length as index appends to it.
    """
    result = copy.deepcopy(body)
    for path, value in edits.items():
        *parents, last = path.split(".")
        place: Any = result
        for step in parents:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        if isinstance(place, list):
            place[int(last) : int(last) + 1] = [value]
        elif value is None:
            place.pop(last)
        else:
            place[last] = value
    return result
