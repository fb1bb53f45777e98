"""Searches of a namespace `llm`, as they stand in a cluster: one over, one running, one suspended, one refused."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from autotuner.kubernetes_object import Object
from tests.unit.builders import at, make_experiment, make_level
from tests.unit.task_builders import conditions, make_task

NAMESPACE = "llm"
PATCH = """\
# Makes Deployment chat run what TuningTask chat-done measured as chat-done-2:
#   kubectl patch deployment chat -n llm --type strategic --patch-file patch.yaml
# It is a strategic merge patch, which Kustomize takes too. Evaluate it first.
spec:
  template:
    spec:
      containers:
      - name: vllm
        args: [--max-num-seqs=512]
"""


def task(name: str, status: Object, **spec: Any) -> Object:
    """A task of the namespace."""
    body = make_task(name, status=status, **spec)
    body["metadata"]["namespace"] = NAMESPACE
    return body


def experiment(name: str, status: Object, args: Sequence[str] = (), purpose: str = "Search") -> Object:
    """An experiment of the task that its name begins with."""
    body = make_experiment(name, status=status, purpose=purpose, service={"args": list(args)})
    body["metadata"] |= {"namespace": NAMESPACE, "labels": {"autotuner.io/task": name.rpartition("-")[0]}}
    return body


def over(name: str, reason: str, args: Sequence[str] = (), **status: Any) -> Object:
    """An experiment that is over."""
    told = {"phase": "Failed", "reason": reason, "conditions": [conditions("Finished", "True", reason)]}
    purpose = "Baseline" if name.endswith("-0") else "Search"
    return experiment(name, {**told, "accelerators": 1, "gpuSeconds": 720.0, **status}, args, purpose)


def measured(name: str, throughput: float, ttft: float, args: Sequence[str] = ()) -> Object:
    """An experiment with a result at two levels, the second of which breaks an SLO of 500 ms."""
    levels = [
        make_level(8, throughput=throughput, ttft=ttft),
        make_level(32, throughput=2 * throughput, ttft=0.9),
    ]
    return over(name, "Completed", args, phase="Succeeded", levels=[one.dump() for one in levels])


DONE = task(
    "chat-done",
    {
        "phase": "Succeeded",
        "conditions": [
            conditions("Valid", "True", "Valid"),
            conditions("Succeeded", "True", "Completed"),
            conditions("Finished", "True", "Completed"),
        ],
        "message": "best 1310 tok/s by chat-done-2 (+31.0% over the baseline)",
        "experiments": {
            "summary": "3/3",
            "nextIndex": 4,
            "running": 0,
            "succeeded": 2,
            "infeasible": 0,
            "failed": 1,
        },
        "baseline": {"experiment": "chat-done-0", "value": 1000.0},
        "best": {
            "experiment": "chat-done-2",
            "parameters": [{"name": "max-num-seqs", "value": "512"}],
            "args": ["--max-num-seqs=512", "--kv-cache-dtype=fp8"],
            "value": 1310.0,
            "gain": "+31.0%",
            "gainPercent": 31.0,
            "confidence": {"verdict": "Improved", "low": 27.5, "high": 34.1, "repeats": 3},
            "level": {"scenario": "chat", "concurrency": 8},
            "metrics": make_level(8, throughput=1310.0, ttft=0.41).dump(),
            "numericsChanged": ["kv-cache-dtype"],
        },
        "columns": {"objectives": "OutputThroughput", "best": "1310 tok/s"},
        "importance": [{"name": "max-num-seqs", "share": 0.61}],
        "usage": {"gpuHours": 0.6, "remainingGPUHours": 4.4},
        "recommendation": {"configMap": "chat-done-best"},
        "startTime": at(0),
        "completionTime": at(7200),
    },
    slos=[{"metric": "TTFT", "statistic": "P99", "max": "500ms"}],
    gpuHourPrice="2.50",
)
DONE["spec"] = {key: value for key, value in DONE["spec"].items() if key not in ("model", "runtime")} | {
    "target": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}
}
SEARCH = task(
    "chat-search",
    {
        "phase": "Running",
        "conditions": [conditions("Valid", "True", "Valid"), conditions("Succeeded", "Unknown", "Running")],
        "message": "experiment 2 of 30 queued (waiting for a node); best 900 tok/s by chat-search-1",
        "experiments": {
            "summary": "1/30",
            "nextIndex": 3,
            "running": 1,
            "succeeded": 1,
            "infeasible": 0,
            "failed": 0,
        },
        "startTime": at(0),
        "lastProgressTime": at(60),
    },
)
REFUSED = task(
    "chat-typo",
    {
        "phase": "Pending",
        "conditions": [
            {**conditions("Valid", "False", "UnknownFlag"), "message": "parameters[tp-siz]: write tp-size"},
            conditions("Succeeded", "Unknown", "InvalidSpec"),
        ],
        "message": "parameters[tp-siz]: write tp-size",
    },
)


def everything() -> list[Object]:
    """All of them, with their experiments and the recommendation."""
    log = "CUDA out of memory. Tried to allocate 2.00 GiB"
    waiting = {"phase": "Queued", "message": "waiting for a node", "conditions": [], "reason": None}
    return copy.deepcopy(
        [
            DONE,
            measured("chat-done-0", 1000.0, 0.38),
            measured("chat-done-2", 1310.0, 0.41, ["--max-num-seqs=512", "--kv-cache-dtype=fp8"]),
            over(
                "chat-done-3",
                "OutOfMemory",
                message=log,
                evidence={"exitCode": 1, "logTail": f"{log}\n"},
                times={"created": at(0), "scheduled": at(5), "containerStarted": at(20)},
            ),
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "chat-done-best", "namespace": NAMESPACE},
                "data": {"patch.yaml": PATCH, "report.md": "# chat", "experiments.csv": ""},
            },
            SEARCH,
            measured("chat-search-1", 900.0, 0.4),
            experiment("chat-search-2", {key: value for key, value in waiting.items() if value is not None}),
            task("paused-search", {"phase": "Suspended", "message": "suspended"}, suspend=True),
            REFUSED,
        ]
    )
