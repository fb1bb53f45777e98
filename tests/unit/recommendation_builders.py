"""Builders of a task that is over, whose every figure follows from its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autotuner.api.common import Parameter
from autotuner.kubernetes_object import Object
from autotuner.policy import recommendation
from autotuner.policy.evidence import experiment_spec
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.task import best_so_far
from tests.unit.builders import after, make_level
from tests.unit.task_builders import ended, live_model, live_runtime, make_task, observed

SPEC: Object = {
    "parameters": [
        {"name": "tp-size", "values": [1, 2]},
        {"name": "schedule-conservativeness", "values": [0.8, 0.9], "allowUnset": True},
        {"name": "schedule-policy", "choices": ["fcfs", "lpm"]},
    ],
    "baseline": {"args": ["--tp-size=1", "--schedule-policy=fcfs"]},
}
TP = {1: 1.0, 2: 1.6}
CAUTION = {None: 1.0, "0.8": 0.95, "0.9": 1.1}
POLICY = {"fcfs": 1.0, "lpm": 1.2}
FASTEST = {"tp-size": 2, "schedule-conservativeness": 0.9, "schedule-policy": "lpm"}


def throughput_of(point: Object) -> float:
    """Tokens per second of a configuration; parameters act on their own."""
    caution = point.get("schedule-conservativeness")
    return (
        1000
        * TP[point["tp-size"]]
        * CAUTION[caution if caution is None else str(caution)]
        * POLICY[point["schedule-policy"]]
    )


def everything() -> list[Object]:
    return [
        {"tp-size": tp, "schedule-policy": policy}
        | ({} if caution is None else {"schedule-conservativeness": float(caution)})
        for tp in TP
        for caution in CAUTION
        for policy in POLICY
    ]


def experiment(index: int, point: Object | None, seen: ObservedTask) -> Object:
    """What the task would create for a point; the baseline for None."""
    pairs = [Parameter(name=name, value=str(value)) for name, value in (point or {}).items()]
    body = experiment_spec.experiment(
        seen.ingredients(live_model(), live_runtime()),
        index=index,
        purpose="Baseline" if point is None else "Search",
        configuration=None if point is None else seen.space.read(pairs),
    )
    body["metadata"] |= {"uid": f"uid-{index}"}
    return body


def make_answer(points: Sequence[Object], *more: Object, **spec: Any) -> recommendation.FinishedTask:
    """The end of a task that measured the baseline and these points."""
    task = make_task(**SPEC | spec)
    seen = observed(task)
    bodies = [ended(experiment(0, None, seen), "Completed", make_level(throughput=1000.0), gpuSeconds=60.0)]
    for index, point in enumerate(points, 1):
        level = make_level(throughput=throughput_of(point))
        bodies.append(ended(experiment(index, point, seen), "Completed", level, gpuSeconds=120.0))
    seen = observed(task, [*bodies, *more])
    objectives = seen.spec.objectives
    if len(objectives) > 1:
        return recommendation.FinishedTask(seen, None, best_so_far.front(seen.measured, objectives), after(0))
    return recommendation.FinishedTask(
        seen, best_so_far.best(seen.measured, seen.baseline, objectives[0]), None, after(0)
    )
