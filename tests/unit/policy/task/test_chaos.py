"""Whatever happens to a task: it ends, never runs more than it may, and its status settles."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from autotuner.api.experiment import ExperimentSpec
from autotuner.api.task_status import TaskStatus
from autotuner.kubernetes_object import Object
from autotuner.policy.task.decide import decide, finished
from autotuner.policy.task.plan import TaskPlan
from tests.unit.builders import after, at, make_level, merged, written
from tests.unit.task_builders import ended, observed, running, started

PASSES = 150  # far more than any of these tasks needs

HARD = {"metric": "TTFT", "max": "500ms"}
FLOOR = {"metric": "OutputThroughput", "min": "900tok/s"}
SOFT = {"metric": "TTFT", "max": "300ms", "enforcement": "Soft"}
GOALS: list[Object] = [
    {"objectives": [{"metric": "OutputThroughput"}]},
    {"objectives": [{"metric": "OutputThroughputPerGPU"}], "slos": [HARD]},
    {"objectives": [{"metric": "TTFT", "statistic": "P99"}], "slos": [SOFT]},
    {"objectives": [{"metric": "E2ELatency", "concurrency": 8}], "slos": [HARD, SOFT]},
    {"objectives": [{"metric": "CostPerMillionTokens"}], "slos": [FLOOR], "gpuHourPrice": "2.5"},
    {"objectives": [{"metric": "MaxConcurrency"}], "slos": [HARD]},
    {"objectives": [{"metric": "OutputThroughput"}, {"metric": "TTFT"}], "slos": [HARD, FLOOR]},
]
BUDGETS: list[Object | None] = [None, {"maxGPUHours": 5}, {"maxGPUHours": 20}, {"maxHours": 8}]
BADLY = ["OutOfMemory", "EngineCrashed", "ImagePullFailed", "Cancelled"]


class Chaos:
    """A task among people and machines that do as they like."""

    def __init__(self, seed: int, *, beside: bool) -> None:
        self.dice = random.Random(seed)
        search = {
            "strategy": self.dice.choice(["Grid", "Random"]),
            "maxExperiments": self.dice.choice([1, 2, 3, 9]),
            "confirm": {"top": self.dice.choice([1, 2, 3]), "maxRepeats": self.dice.choice([0, 2, 4])},
        }
        if beside:
            search |= {"parallelExperiments": self.dice.choice([2, 3, 8]), "maxGPUs": self.dice.choice([None, 2, 3, 5])}
        wishes = {"search": search, "budget": self.dice.choice(BUDGETS), **self.dice.choice(GOALS)}
        self.task = started(benchmark={"concurrency": self.dice.choice([[8], [4, 8, 16]])}, **wishes)
        self.experiments: list[Object] = []
        self.clock = 0.0

    @property
    def over(self) -> bool:
        return finished(TaskStatus.model_validate(self.task["status"]))

    def decide(self, **around: Any) -> TaskPlan:
        return decide(observed(self.task, self.experiments, **around), after(self.clock))

    def step(self, *, lost: bool = False, **around: Any) -> None:
        """One pass; lost: the operator dies before it writes the status."""
        self.clock += self.dice.choice([1, 10, 600])
        plan = self.decide(**around)
        status = plan.status.dump()
        TaskStatus.model_validate(status)
        json.dumps(status, allow_nan=False)
        for body in plan.create_experiments:
            self.create(body)
        if lost:
            return
        self.task = written(self.task, plan.status)
        for name in plan.withdraw:
            mark = {"spec": {"cancel": True}, "metadata": {"annotations": {"autotuner.io/withdrawn": "true"}}}
            self.experiments = [merged(one, mark) if named(one) == name else one for one in self.experiments]
        if not (plan.create_experiments or plan.withdraw or around):
            self.settles()

    def create(self, body: Object) -> None:
        assert named(body) not in map(named, self.experiments), "twice"
        running = [one for one in self.experiments if not is_over(one)]
        assert len(running) < self.task["spec"]["search"].get("parallelExperiments", 1), "too many"
        if running:
            assert {one["spec"]["purpose"] for one in (*running, body)} <= {"Start", "Search", "Baseline"}
            assert not all(one["spec"]["purpose"] == "Baseline" for one in self.experiments), "beside the first"
        held = sum(one["spec"]["service"]["accelerator"]["count"] for one in (*running, body))
        assert held <= (self.task["spec"]["search"].get("maxGPUs") or held), "too many GPUs"
        ExperimentSpec.model_validate(body["spec"])
        body["metadata"] |= {"uid": f"uid-{named(body)}", "creationTimestamp": at(self.clock)}
        self.experiments.append({**body, "status": {}})

    def settles(self) -> None:
        """Its own write wakes the writer: that must come to an end."""
        self.clock += 0.5
        plan = self.decide()
        if plan.create_experiments or plan.withdraw:
            return
        task = written(self.task, plan.status)
        again = decide(observed(task, self.experiments), after(self.clock + 0.5))
        assert again.status.dump() == plan.status.dump()

    def end(self, *, well: bool) -> None:
        """What runs ends, or some of it, well or in any way."""
        running = [named(one) for one in self.experiments if not is_over(one)]
        ending = self.dice.sample(running, self.dice.randint(1, len(running))) if running else []
        self.experiments = [self.ended(one, well) if named(one) in ending else one for one in self.experiments]

    def ended(self, one: Object, well: bool) -> Object:
        hours, cancelled = self.dice.choice([0.1, 0.5, 1.0]), one["spec"].get("cancel", False)
        start, self.clock = self.clock, self.clock + hours * 3600
        reason = "Cancelled" if cancelled else "Completed" if well else self.dice.choice(["Completed", *BADLY])
        times = {"created": at(start), "scheduled": at(start), "released": at(self.clock)}
        times |= {"firstRequest": at(start), "benchmarkFinished": at(self.clock)} if reason == "Completed" else {}
        used = hours * 3600 * one["spec"]["service"]["accelerator"]["count"]
        levels = [self.level(users) for users in one["spec"]["benchmark"]["concurrency"]]
        withdrawn = "annotations" in one["metadata"]
        return ended(
            one,
            reason,
            *(levels if reason == "Completed" else []),
            withdrawn=withdrawn,
            message="it is over",
            gpuSeconds=used,
            times=times,
        )

    def level(self, users: int) -> Any:
        return make_level(users, throughput=self.dice.choice([400, 1000, 1100]), ttft=self.dice.choice([0.2, 0.4, 0.7]))

    def happen(self) -> None:
        """Anything."""
        what = self.dice.random()
        if what < 0.45:
            self.step()
        elif what < 0.8:
            if self.dice.random() < 0.3:
                busy = merged(running({}), {"status": {"times": {"scheduled": at(self.clock)}}})
                self.experiments = [one if is_over(one) else {**one, **busy} for one in self.experiments]
                self.step()
            self.end(well=False)
        elif what < 0.85:
            self.step(lost=True)
        elif what < 0.9:
            self.edit(suspend=not self.task["spec"].get("suspend", False))
        elif what < 0.93:
            self.edit(search={"maxExperiments": self.dice.choice([1, 2, 4, 9])})
            if "parallelExperiments" in self.task["spec"]["search"]:
                self.edit(search={"parallelExperiments": self.dice.choice([1, 2, 4])})
        elif what < 0.96:
            self.step(obstacle="a TuningExperiment of this name belongs to nobody")
        elif self.experiments:
            self.experiments.remove(self.dice.choice(self.experiments))

    def edit(self, **changes: Any) -> None:
        generation = self.task["metadata"]["generation"] + 1
        self.task = merged(self.task, {"spec": changes, "metadata": {"generation": generation}})


def named(one: Object) -> str:
    return str(one["metadata"]["name"])


def is_over(one: Object) -> bool:
    return any(item["type"] == "Finished" and item["status"] == "True" for item in one["status"].get("conditions", []))


@pytest.mark.parametrize("beside", [False, True], ids=["one-by-one", "side-by-side"])
@pytest.mark.parametrize("seed", range(40))
def test_it_ends_with_an_answer_or_a_cause(seed: int, beside: bool) -> None:
    chaos = Chaos(seed, beside=beside)
    for _ in range(30):
        if not chaos.over:
            chaos.happen()
    if not chaos.over:
        chaos.edit(suspend=False)
    for _ in range(PASSES):
        if not chaos.over:
            chaos.step()
            chaos.end(well=True)

    assert chaos.over
    assert chaos.task["status"]["message"]
    assert chaos.task["status"]["phase"] in ("Succeeded", "Failed")
