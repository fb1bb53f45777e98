"""Builders of what the task controller sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from autotuner import backend_choice, presets
from autotuner.api.experiment import Level
from autotuner.api.task import TaskSpec
from autotuner.api.task_status import TaskStatus
from autotuner.kubernetes_object import Object
from autotuner.policy.evidence import experiment_spec
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.task.decide import decide, finished
from autotuner.policy.task.next_experiment import Suggest
from autotuner.policy.task.plan import TaskPlan
from autotuner.presets import Presets
from autotuner.search.space.cluster_facts import Facts
from autotuner.search.space.space import Space
from autotuner.search.suggest import suggest
from autotuner.serving.ome.wanted_objects import model_object, runtime_object
from tests.unit.builders import after, at, make_level, merged, written

MODEL = "llama-3-2-1b-instruct"
RUNTIME = "simulated-sglang"
NAMESPACE = "team"

_TASK_SPEC: Object = {
    "model": {"preset": MODEL},
    "runtime": {"preset": RUNTIME},
    "baseline": {"args": ["--mem-fraction-static=0.7"]},  # none of the four
    "parameters": [{"name": "tp-size", "values": [1, 2]}, {"name": "mem-fraction-static", "values": [0.8, 0.9]}],
    "benchmark": {
        "scenarios": [{"name": "chat", "load": "D(100,250)"}],
        "concurrency": [8],
        "tokenizer": {"source": "Builtin"},
    },
    "objectives": [{"metric": "OutputThroughput"}],
    "search": {"strategy": "Grid", "maxExperiments": 3, "confirm": {"maxRepeats": 0}},
}


@cache
def shipped() -> Presets:
    """The presets of this repository."""
    return presets.load(presets.default_folder())


def make_task(name: str = "chat", *, status: Object | None = None, **spec: Any) -> Object:
    """A TuningTask of four configurations, three of which are to be measured, changed by what is given."""
    return {
        "apiVersion": "autotuner.io/v1alpha1",
        "kind": "TuningTask",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-{name}",
            "resourceVersion": "7",
            "generation": 1,
            "creationTimestamp": at(0),
        },
        "spec": merged(_TASK_SPEC, spec),
        "status": status or {},
    }


def make_spec(**changes: Any) -> TaskSpec:
    return TaskSpec.model_validate(merged(_TASK_SPEC, changes))


def make_space(spec: TaskSpec | None = None, *, fixed: Sequence[str] = (), **changes: Any) -> Space:
    """The space of a task of the simulated engine, of which nothing is known."""
    return Space.of(spec or make_spec(**changes), "SGLang", fixed=fixed, facts=Facts(model={}))


def live_model(state: str = "Ready", **status: Any) -> Object:
    """The preset's ClusterBaseModel, as somebody else made it."""
    return {**model_object(MODEL, shipped().models[MODEL]), "status": {"state": state, **status} if state else {}}


def live_runtime() -> Object:
    """The ClusterServingRuntime of the preset for that model."""
    return runtime_object(shipped().runtimes[RUNTIME], live_model())


def observed(task: Object | None = None, experiments: Sequence[Object] = (), **around: Any) -> ObservedTask:
    """What a pass of the task controller saw; model and runtime are there unless said otherwise."""
    body = task or make_task()
    state: Object = {
        "model": live_model(),
        "runtime": live_runtime(),
        "wanted_model": experiment_spec.mark_created_for(model_object(MODEL, shipped().models[MODEL]), body),
        "wanted_runtime": experiment_spec.mark_created_for(live_runtime(), body),
        "benchmark_image": "benchmark:1",
        **around,
    }
    spec, status = TaskSpec.model_validate(body["spec"]), TaskStatus.model_validate(body["status"])
    return ObservedTask(body, spec, status, shipped(), backend_choice.DEFAULT, tuple(experiments), **state)


def started(**spec: Any) -> Object:
    """A task that has just been started."""
    task = make_task(**spec)
    return written(task, decide(observed(task), after(0)).status)


def conditions(kind: str, status: str, reason: str) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": at(0)}


def running(experiment: Object, phase: str = "Benchmarking", message: str = "") -> Object:
    """The experiment under way."""
    status = {"phase": phase, "message": message, "conditions": [conditions("Finished", "False", phase)]}
    return {**experiment, "status": status}


def ended(
    experiment: Object,
    reason: str = "Completed",
    *levels: Level,
    message: str = "",
    withdrawn: bool = False,
    **status: Any,
) -> Object:
    """The experiment after its end; a measured one has one level unless others are given."""
    found = levels or ((make_level(),) if reason in ("Completed", "SLOViolated") else ())
    meta = dict(experiment["metadata"])
    if withdrawn:
        meta["annotations"] = {"autotuner.io/withdrawn": "true"}
    body = {
        "phase": "Succeeded" if found else "Failed",
        "reason": reason,
        "message": message,
        "levels": [level.dump() for level in found],
        "conditions": [conditions("Finished", "True", reason)],
        **status,
    }
    return {**experiment, "metadata": meta, "status": body}


Ending = Callable[[Object], Object]


def ending(reason: str = "Completed", *levels: Level, **more: Any) -> Ending:
    """How an experiment will end."""
    return lambda experiment: ended(experiment, reason, *levels, **more)


def reaching(throughput: float) -> Ending:
    """It is measured, with this throughput."""
    return ending("Completed", make_level(throughput=throughput))


class Story:
    """A task that is passed over until it is over, each experiment ending as it is told to."""

    def __init__(self, task: Object | None = None, *, search: Suggest = suggest, **around: Any) -> None:
        self.task = task or started()
        self.search = search
        self.experiments: list[Object] = []
        self.plans: list[TaskPlan] = []
        self.around = around
        self._clock = 0.0

    def step(self, **around: Any) -> TaskPlan:
        """One pass; what it creates exists afterwards, and its status is written."""
        self._clock += 10
        plan = decide(observed(self.task, self.experiments, **self.around | around), after(self._clock), self.search)
        self.task = written(self.task, plan.status)
        self.plans.append(plan)
        for body in plan.create_experiments:
            body["metadata"] |= {"uid": f"uid-{body['metadata']['name']}", "creationTimestamp": at(self._clock)}
            self.experiments.append({**body, "status": {}})
        return plan

    def wait(self, seconds: float) -> None:
        """Time passes before the next pass."""
        self._clock += seconds

    def end(self, ending: Ending, number: int = -1) -> None:
        """An experiment ends, the last one unless its index among all is given."""
        self.experiments[number] = ending(self.experiments[number])

    def edit(self, **changes: Any) -> None:
        """The user changes the spec."""
        self.task = merged(self.task, {"spec": changes})

    def run_experiments(self, *endings: Ending) -> TaskPlan:
        """Create and end one experiment per ending, then pass once more."""
        for ending in endings:
            plan = self.step()
            assert plan.create_experiments, f"nothing created: {plan.status.message}"
            self.end(ending)
        return self.step()

    @property
    def names(self) -> list[str]:
        """Of all experiments, by their creation."""
        return [experiment["metadata"]["name"] for experiment in self.experiments]

    @property
    def parameters(self) -> list[list[str]]:
        """What the experiments tried; empty for a baseline."""
        return [[pair["value"] for pair in one["spec"].get("parameters") or []] for one in self.experiments]

    @property
    def over(self) -> bool:
        return finished(self.plans[-1].status)
