"""Random tasks: a world, a goal, and what runs today."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from autotuner import backend_choice, scoring
from autotuner.api.task import Confirm, TaskSpec
from autotuner.kubernetes_object import Object
from autotuner.policy import model_and_runtime
from autotuner.scoring import Goal
from autotuner.search.space.space import Space
from tests.benchmarks.honesty import truths, worlds
from tests.benchmarks.honesty.noise import KINDS, Noise
from tests.benchmarks.honesty.truths import Truth
from tests.benchmarks.honesty.worlds import LADDER, SCENARIO, WORLDS, World
from tests.unit.task_builders import live_runtime, make_spec, make_task

Args = tuple[str, ...]
Today = Literal["the best", "something"]

EXPERIMENTS = 12
_NEAR = 0.05
# Limits are at these places of what the configurations do, so that some keep them at every level and some at none.
_GOALS: tuple[tuple[Object, tuple[tuple[str, float], ...]], ...] = (
    ({"metric": "OutputThroughput"}, ()),
    ({"metric": "OutputThroughputPerGPU"}, (("TTFT", 0.4),)),
    ({"metric": "OutputThroughput"}, (("TPOT", 0.5),)),
    ({"metric": "E2ELatency", "statistic": "P90", "concurrency": LADDER[1]}, ()),
    ({"metric": "CostPerMillionTokens"}, (("E2ELatency", 0.6),)),
)


@dataclass(frozen=True)
class Case:
    """Tasks that differ in their noise, their baseline and their seed only.

    Attributes:
        world: what is measured.
        spec: of a task without a baseline of its own.
        configurations: argument lists of all configurations that start, with the accelerators they occupy.
        truths: of those, by their arguments.
    """

    world: World
    spec: TaskSpec
    configurations: Mapping[Args, int]
    truths: Mapping[Args, Truth]

    @property
    def goal(self) -> Goal:
        """What the task wants."""
        return Goal.of(self.spec)

    @property
    def metric(self) -> str:
        """Of its only objective."""
        return self.spec.objectives[0].metric

    @property
    def best(self) -> Args | None:
        """The configuration with the best true worth; None if none keeps the SLOs."""
        fit = {args: truth.value for args, truth in self.truths.items() if truth.value is not None}
        if not fit:
            return None
        return (min if scoring.minimised(self.metric) else max)(fit, key=lambda args: fit[args])


@dataclass(frozen=True)
class Task:
    """One whole task."""

    number: int
    case: Case
    noise: Noise
    today: Today
    baseline: Args
    strategy: str

    @property
    def object(self) -> Object:
        """The TuningTask."""
        spec = self.case.spec.dump()
        confirm = Confirm().dump()
        search = {
            "strategy": self.strategy,
            "maxExperiments": EXPERIMENTS,
            "seed": self.number,
            "confirm": confirm,
        }
        return make_task(**{**spec, "baseline": {"args": list(self.baseline)}, "search": search})

    @property
    def has_gain(self) -> bool:
        """Whether any configuration is truly better than the baseline."""
        best = self.case.best
        return best is not None and self.better(best) is not False

    def better(self, args: Args) -> bool | None:
        """Whether a configuration is truly better than the baseline; None if the two cannot be compared."""
        one, today = self.case.truths[args].value, self.case.truths[self.baseline].value
        return None if one is None or today is None else scoring.better(one, today, self.case.metric)

    def near(self, tried: Iterable[Args]) -> bool | None:
        """Whether one of these is truly within 5 % of the best; None if nothing keeps the SLOs."""
        best = self.case.truths[self.case.best].value if self.case.best is not None else None
        if best is None:
            return None
        limit = best * (1 + _NEAR if scoring.minimised(self.case.metric) else 1 - _NEAR)
        values = [self.case.truths[args].value for args in tried if args in self.case.truths]
        return any(value is not None and not scoring.better(limit, value, self.case.metric) for value in values)


def draw(number: int, strategy: str) -> Task:
    """The task of this number; equal for equal numbers."""
    generator = random.Random(number)
    case = _case(generator.randrange(len(WORLDS)), generator.randrange(len(_GOALS)))
    today: Today = generator.choice(["the best", "something"])
    baseline = case.best if today == "the best" else None
    if baseline is None:
        baseline = generator.choice(sorted(case.configurations))
    return Task(number, case, Noise(generator.choice(KINDS), number), today, baseline, strategy)


@cache
def _case(world_number: int, goal_number: int) -> Case:
    world, (objective, promises) = WORLDS[world_number], _GOALS[goal_number]
    spec = _spec(world, objective)
    configurations = _configurations(world, spec)
    spec = spec.model_copy(update={"slos": _promises(world, configurations, promises)})
    goal = Goal.of(spec)
    found = {}
    for args, gpus in configurations.items():
        levels = worlds.truth(world, args)
        assert levels is not None, "it starts"
        found[args] = truths.of(levels, goal, gpus, ())
    return Case(world, spec, configurations, found)


def _spec(world: World, objective: Object, **more: Any) -> TaskSpec:
    benchmark = {
        "scenarios": [{"name": SCENARIO, "load": world.load}],
        "concurrency": list(LADDER),
        "tokenizer": {"source": "Builtin"},
    }
    spec = {"parameters": worlds.parameters(world), "benchmark": benchmark, "objectives": [objective]}
    return make_spec(**spec, gpuHourPrice="2.50", **more)


def _configurations(world: World, spec: TaskSpec) -> dict[Args, int]:
    """All that start, as the product renders them."""
    template = backend_choice.DEFAULT.engine_template(live_runtime()["spec"])
    space = Space.of(spec, "SGLang", fixed=model_and_runtime.fixed_arguments("SGLang", spec, template.args))
    found: dict[Args, int] = {}
    for number in range(space.size):
        configuration = space.at(number)
        args = space.render(configuration).args if configuration is not None else ()
        if args and worlds.truth(world, args) is not None:
            found[args] = next(int(word.partition("=")[2]) for word in args if word.startswith("--tp-size="))
    return found


def _promises(world: World, configurations: Mapping[Args, int], wanted: tuple[tuple[str, float], ...]) -> Any:
    """SLOs that some configurations keep at the middle level, and others do not."""
    slos = []
    for metric, share in wanted:
        figures = []
        for args in configurations:
            levels = worlds.truth(world, args)
            assert levels is not None, "it starts"
            figures.append(scoring.figure(levels[len(levels) // 2], metric, "P99", 1) or 0.0)
        limit = sorted(figures)[int(share * (len(figures) - 1))] * 1.2
        slos.append({"metric": metric, "max": f"{limit * 1000:.2f}ms"})
    return make_spec(slos=slos).slos if slos else None
