"""A task on a surface, as the policy sees it: its experiments, the best so far, and the confirmation of its best."""

from __future__ import annotations

import math
from bisect import insort
from copy import deepcopy
from dataclasses import dataclass, field, replace

import numpy as np

from autotuner import scoring
from autotuner.api.common import Parameter
from autotuner.api.experiment import Accelerator, Benchmark, ExperimentSpec, ExperimentStatus, Purpose, Service
from autotuner.api.task import Search, TaskBenchmark, TaskSpec
from autotuner.policy.confirmation import finalists
from autotuner.policy.confirmation.rule import Measure
from autotuner.policy.evidence import measurements
from autotuner.policy.evidence.measurements import Measured
from autotuner.policy.task import best_so_far
from autotuner.search.experiment_record import Record
from autotuner.search.space.configuration import Configuration
from tests.benchmarks.search.goals import GPUS, Case, Measurement
from tests.benchmarks.search.told import Told


@dataclass
class Task:
    """One task from its baseline on.

    Attributes:
        case: what it is about.
        generator: of the noise.
        measured: its experiments that have ended, in the order in which they began: the baseline first.
        running: those that have not, with what will come of them.
    """

    case: Case
    generator: np.random.Generator
    measured: list[Measured] = field(default_factory=list)
    running: list[Measured] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Say what the task asks for, in the API's words."""
        goal = self.case.goal
        self.spec = TaskSpec.model_construct(
            objectives=list(goal.objectives),
            slos=list(goal.slos),
            benchmark=TaskBenchmark.model_construct(scenarios=list(goal.scenarios), concurrency=list(goal.ladder)),
            search=Search(max_experiments=1),
            gpu_hour_price=None,
        )

    def copy(self) -> Task:
        """The same task with what has ended, to go on with in another way."""
        return Task(self.case, deepcopy(self.generator), list(self.measured))

    @property
    def leader(self) -> Measured | None:
        """The best that the status shows."""
        return best_so_far.leader(self.measured, self.case.goal.objectives[0])

    @property
    def baseline(self) -> Measured:
        """What runs today."""
        return self.measured[0]

    def run(
        self,
        purpose: Purpose,
        configuration: Configuration,
        best: float | None,
        ladder: tuple[int, ...] = (),
        block: int = 0,
    ) -> Measured:
        """Measure a configuration, and keep what came of it."""
        one = self.begin(purpose, configuration, best, ladder, block)
        self.end(one)
        return one

    def begin(
        self,
        purpose: Purpose,
        configuration: Configuration,
        best: float | None,
        ladder: tuple[int, ...] = (),
        block: int = 0,
    ) -> Measured:
        """Begin to measure a configuration; what comes of it is decided, but nobody is told before it ends."""
        index = len(self.measured) + len(self.running)
        found = self.case.measure(configuration, self.generator, index, best, ladder)
        one = self._read(purpose, configuration, found, ladder, block, index)
        self.running.append(one)
        return one

    def end(self, one: Measured) -> None:
        """Tell what came of one that is running."""
        self.running.remove(one)
        insort(self.measured, one, key=lambda other: other.index)

    @property
    def pending(self) -> list[Configuration]:
        """The configurations of those that are running."""
        return [one.configuration for one in self.running if one.configuration is not None]

    def records(self) -> list[Record]:
        """What the search is told."""
        return measurements.for_search(self.measured)

    def told(self) -> list[Told]:
        """What a rival is told, the baseline first."""
        return [self._told(one) for one in self.measured if not one.is_repeat]

    def confirmed(self) -> tuple[Configuration | None, int]:
        """The configuration that a user is recommended after the confirmation, and how many repeats that took."""
        count = len(self.measured)
        for _ in range(100):
            race = finalists.race(self.spec, self.measured, self.baseline, self.spec.search.confirm.top)
            assert race is not None, "one objective is confirmed"
            step = race.step
            if not isinstance(step, Measure):
                winner = race.original(step.winner)
                kept = step.winner is not None or winner.keeps
                return (winner.configuration if kept else None), len(self.measured) - count
            for key in step.keys:
                original = race.original(key)
                assert original.configuration is not None
                again = self.run("Confirm", original.configuration, None, race.ladder, step.block)
                if key is None:
                    self.measured[-1] = replace(again, spec=again.spec.model_copy(update={"parameters": None}))
        raise AssertionError("a confirmation has an end")

    def _read(
        self,
        purpose: Purpose,
        configuration: Configuration,
        found: Measurement,
        ladder: tuple[int, ...],
        block: int,
        index: int,
    ) -> Measured:
        goal = self.case.goal.on(ladder) if ladder else self.case.goal
        score = scoring.score(found.levels, goal, GPUS, found.ladder) if found.runs else None
        return Measured(
            name=f"task-{index}",
            index=index,
            object={},
            spec=ExperimentSpec.model_construct(
                purpose=purpose,
                block=block,
                parameters=[
                    Parameter.model_construct(name=name, value=str(value)) for name, value in configuration.pairs
                ],
                service=Service.model_construct(
                    engine="Custom",
                    args=[f"--{name}={value}" for name, value in configuration.pairs],
                    env=None,
                    accelerator=Accelerator.model_construct(count=GPUS),
                ),
                benchmark=Benchmark.model_construct(concurrency=list(goal.ladder)),
            ),
            status=ExperimentStatus.model_construct(levels=list(found.levels), ladder=found.ladder),
            configuration=configuration,
            outcome=score.outcome if score else "crash",
            score=score,
            withdrawn=False,
        )

    def _told(self, one: Measured) -> Told:
        assert one.configuration is not None
        if one.score is None:
            return Told(one.configuration, (), math.inf)
        worths = one.score.worths
        if one.score.level is not None and not one.score.feasible:
            open_goal = replace(self.case.goal, slos=())
            worths = scoring.score(one.status.levels or [], open_goal, GPUS, at=one.score.level[1]).worths
        losses = tuple(
            -math.log(worth) if more else math.log(worth)
            for worth, more in zip(worths, self.case.maximise, strict=False)
        )
        return Told(one.configuration, losses, one.score.shortfall)
