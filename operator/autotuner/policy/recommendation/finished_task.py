"""The end of a task, with the questions that every explanation asks of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from statistics import geometric_mean

from autotuner.api.goals import Objective
from autotuner.api.task_status import Best, FrontPoint, Importance
from autotuner.policy.budget import limits
from autotuner.policy.confirmation import finalists
from autotuner.policy.confirmation.finalists import Race
from autotuner.policy.confirmation.rule import Decided, Measure
from autotuner.policy.evidence import measurements
from autotuner.policy.evidence.measurements import Measured
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.search.main_effects import Additive, fit, ranking


@dataclass(frozen=True)
class Confirmation:
    """The repeats of leaders and baseline, and the decision that they led to."""

    race: Race
    decided: Decided


@dataclass(frozen=True)
class FinishedTask:
    """A finished task with its best.

    Attributes:
        seen: what the last reconcile observed.
        best: of a task with one objective.
        front: of a task with several, instead.
        now: the time of that reconcile.
    """

    seen: ObservedTask
    best: Best | None
    front: Sequence[FrontPoint] | None
    now: datetime

    @property
    def objective(self) -> Objective:
        """The first objective, by which parameters and flags are judged."""
        return self.seen.spec.objectives[0]

    @property
    def winners(self) -> list[Measured]:
        """The best experiment, or those of the front."""
        names = [self.best.experiment] if self.best else [point.experiment for point in self.front or ()]
        by_name = {one.name: one for one in self.seen.measured}
        return [by_name[name] for name in names if name in by_name]

    @property
    def stays(self) -> bool:
        """Whether the best is what runs today."""
        baseline = self.seen.baseline
        return self.best is not None and baseline is not None and self.best.experiment == baseline.name

    @cached_property
    def confirmation(self) -> Confirmation | None:
        """How the best was confirmed; None if nothing was to be confirmed."""
        race = limits.race(self.seen, self.now)
        if race is None:
            return None
        step = race.step
        if isinstance(step, Measure):
            # The budget has ended it within a block.
            race = finalists.cut(race, step.block)
            step = race.step
        return Confirmation(race, step) if isinstance(step, Decided) else None

    def figures(self, one: Measured) -> tuple[float, float] | None:
        """Value and worth of the first objective: by the repeats if there are any, for the search's may be luck."""
        race = self.confirmation.race if self.confirmation else None
        runs = race.kept(one) if race and any(one is leader for leader in race.leaders) else []
        scores = [run.score for run in (runs or [one]) if run.score is not None]
        values = [score.value for score in scores if score.value is not None]
        worths = [score.worth for score in scores if score.worth is not None]
        if not values or not worths or min(values) <= 0:
            return (values[0], worths[0]) if values and worths else None
        return geometric_mean(values), geometric_mean(worths)

    @cached_property
    def model(self) -> Additive | None:
        """The main effects of the parameters, by all that was measured."""
        return fit(self.seen.space, measurements.for_search(self.seen.measured))

    @cached_property
    def importance(self) -> list[Importance]:
        """The importance of each parameter, the most important first; empty if too little was measured."""
        return [] if self.model is None else [Importance(name=name, share=share) for name, share in ranking(self.model)]

    @cached_property
    def runs(self) -> list[Measured]:
        """All experiments; repeats as the confirmation has judged them, those of a configuration at one level."""
        return [self._again.get(one.name, one) for one in self.seen.measured]

    @cached_property
    def _again(self) -> Mapping[str, Measured]:
        return {one.name: one for _, one in self.confirmation.race.measured} if self.confirmation else {}

    @cached_property
    def worths(self) -> Mapping[str, float]:
        """Identity of a configuration -> its worth in the first objective, broken soft SLOs included."""
        found: dict[str, list[Measured]] = defaultdict(list)
        for one in self.runs:
            if one.configuration is not None:
                found[self.seen.space.identity(one.configuration)].append(one)
        means = {identity: self._mean(runs) for identity, runs in found.items()}
        return {identity: mean for identity, mean in means.items() if mean is not None}

    @cached_property
    def today(self) -> float | None:
        """The baseline's worth in the first objective, broken soft SLOs included."""
        return self._mean([one for one in self.runs if one.spec.parameters is None])

    def _mean(self, runs: Sequence[Measured]) -> float | None:
        """The mean worth of the repeats if any count, for they share a level and luck has not chosen them."""
        known = [
            (one.name in self._again, one.score.worth) for one in runs if one.score is not None and one.score.worth
        ]
        again = [worth for repeat, worth in known if repeat]
        worths = again or [worth for _, worth in known]
        return geometric_mean(worths) if worths else None
