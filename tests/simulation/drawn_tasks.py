"""Tasks as users might write them, drawn at random: small spaces, every kind of goal, budget and confirmation."""

from __future__ import annotations

import random
from typing import Any

from autotuner.kubernetes_object import Object

NAMESPACE = "team"
MODEL = "llama-3-2-1b-instruct"
RUNTIME = "simulated-sglang"

_HARD = {"metric": "TTFT", "max": "800ms"}
_SOFT = {"metric": "TTFT", "max": "500ms", "enforcement": "Soft"}
_GOALS: tuple[Object, ...] = (
    {"objectives": [{"metric": "OutputThroughput"}]},
    {"objectives": [{"metric": "OutputThroughputPerGPU"}], "slos": [_HARD]},
    {"objectives": [{"metric": "TTFT", "statistic": "P99"}], "slos": [_SOFT]},
    {"objectives": [{"metric": "OutputThroughput"}, {"metric": "TTFT"}], "slos": [_HARD]},
)
_BUDGETS: tuple[Object | None, ...] = (
    None,
    None,
    None,
    {"maxGPUHours": 2.0},
    {"maxHours": 3.0},
    {"maxFailedExperiments": 6},
)


def draw_task(dice: random.Random, name: str) -> Object:
    """A TuningTask of some dozen configurations."""
    goals, budget = dice.choice(_GOALS), dice.choice(_BUDGETS)
    search: Object = {
        "strategy": dice.choices(["Random", "Grid", "Bayesian"], [80, 17, 3])[0],
        "maxExperiments": dice.choice([1, 2, 2, 3, 4, 6]),
        "seed": dice.randrange(1000),
        "confirm": {"top": dice.choice([1, 2]), "maxRepeats": dice.choice([0, 0, 0, 2, 3])},
    }
    if dice.random() < 0.4:
        search["parallelExperiments"] = dice.choice([2, 3, 4])
        if dice.random() < 0.5:
            search["maxGPUs"] = dice.choice([2, 3, 4])
    if dice.random() < 0.15:
        search["reuse"] = {"maxAgeHours": 24}
    if dice.random() < 0.2:
        search["startPoints"] = [{"args": ["--tp-size=1", "--mem-fraction-static=0.8", "--schedule-policy=fcfs"]}]
    spec: Object = {
        "model": {"preset": MODEL},
        "runtime": {"preset": RUNTIME},
        "parameters": [
            {"name": "tp-size", "values": [1, 2]},
            {"name": "mem-fraction-static", "values": dice.choice([[0.8, 0.85], [0.75, 0.8, 0.85, 0.9]])},
            {"name": "schedule-policy", "choices": dice.choice([["lpm"], ["lpm", "fcfs"]])},
        ],
        "benchmark": {
            "scenarios": [{"name": "chat", "load": "D(100,250)"}],
            "concurrency": dice.choice([[8], [16], [4, 16]]),
            "tokenizer": {"source": "Builtin"},
        },
        "search": search,
        "timeouts": _timeouts(dice),
        **goals,
    }
    if "startPoints" in search:
        spec["parameters"][2]["choices"] = ["lpm", "fcfs"]
    if budget:
        spec["budget"] = budget
    if dice.random() < 0.1:
        spec["suspend"] = True
    return {
        "apiVersion": "autotuner.io/v1alpha1",
        "kind": "TuningTask",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }


def _timeouts(dice: random.Random) -> dict[str, Any]:
    return {
        "queueSeconds": dice.choice([60, 300, 900]),
        "pullSeconds": dice.choice([60, 120, 300]),
        "startupSeconds": dice.choice([60, 120, 300]),
        "benchmarkSeconds": dice.choice([300, 600]),
        "teardownSeconds": dice.choice([30, 60, 120]),
    }
