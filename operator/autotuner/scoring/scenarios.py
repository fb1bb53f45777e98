"""Rungs of the ladder: one concurrency or rate over all scenarios, its worth in an objective, the SLOs it breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autotuner.api.experiment import Level
from autotuner.api.goals import Objective
from autotuner.scoring import slos
from autotuner.scoring.figures import figure, figure_name, minimised, place, place_of
from autotuner.scoring.goal import Goal
from autotuner.scoring.slos import Violation


@dataclass(frozen=True)
class Rung:
    """One concurrency or rate with its levels of all scenarios.

    Attributes:
        offered: at all its levels: users, or requests per second.
        levels: what was measured, in the order of the scenarios.
        broken: the hard SLOs that it is known to break, each with its level.
        missing: what was not measured, one sentence each; then nothing can be said for sure.
        cost: of the soft SLOs, as a share of the value's magnitude.
    """

    offered: float
    levels: tuple[Level, ...]
    broken: tuple[tuple[Violation, Level], ...]
    missing: tuple[str, ...]
    cost: float

    @property
    def kept(self) -> bool:
        """Whether the rung is known to keep all hard SLOs."""
        return not self.broken and not self.missing

    @property
    def worst(self) -> tuple[Violation, Level]:
        """The violation that is farthest from its limit."""
        return max(self.broken, key=lambda pair: pair[0].relative)

    @property
    def explanation(self) -> str:
        """The worst violation in words, and those of other SLOs: who follows only one will fail again."""
        worst, _ = self.worst
        seen, others = {worst.promise}, []
        for found, _ in sorted(self.broken, key=lambda pair: -pair[0].relative):
            if found.promise not in seen:
                seen.add(found.promise)
                others.append(found.text)
        return worst.text + (f" (also: {'; '.join(others)})" if others else "")


def build(levels: Sequence[Level], goal: Goal, gpus: int) -> list[Rung]:
    """The rungs of the goal's ladder, upwards; where the boundary is searched for, those that were measured."""
    measured = {(level.scenario, level.offered): level for level in levels}
    if goal.searches and measured:
        return [_rung(measured, offered, goal, gpus) for offered in sorted({offered for _, offered in measured})]
    return [_rung(measured, offered, goal, gpus) for offered in sorted(goal.ladder)]


def _rung(measured: Mapping[tuple[str, float], Level], offered: float, goal: Goal, gpus: int) -> Rung:
    found: list[Level] = []
    missing: list[str] = []
    for scenario in goal.scenarios:
        level = measured.get((scenario.name, offered))
        if level is None:
            missing.append(f"{place_of(scenario.name, offered, goal.open_loop)} was not measured")
        else:
            found.append(level)
            missing += slos.unmeasured(level, goal.slos, gpus)
    hard = slos.hard(goal.slos)
    broken = tuple((violation, level) for level in found for violation in slos.violations(level, hard, gpus))
    return Rung(offered, tuple(found), broken, tuple(dict.fromkeys(missing)), slos.cost(found, goal.slos, gpus))


def value(rung: Rung, goal: Goal, objective: Objective, gpus: int) -> tuple[float | None, tuple[str, ...]]:
    """The objective's mean over the scenarios, not for boundaries; None with the reasons if something is missing.

    Throughputs are averaged harmonically, because a mix of requests takes the sum of their times; latencies, costs and
    shares arithmetically.
    """
    weights = {scenario.name: scenario.weight for scenario in goal.scenarios}
    missing = list(rung.missing)
    values: list[tuple[float, float]] = []
    for level in rung.levels:
        found = figure(level, objective.metric, objective.statistic, gpus, goal.gpu_hour_price)
        if found is None:
            missing.append(f"{figure_name(objective.metric, objective.statistic)} was not measured at {place(level)}")
        else:
            values.append((weights[level.scenario], found))
    if missing or not values:
        return None, tuple(dict.fromkeys(missing))
    return mean(values, objective.metric), ()


def mean(values: Sequence[tuple[float, float]], metric: str) -> float:
    """The mean of (weight, value) pairs: arithmetic for latencies, costs and shares, harmonic for throughputs."""
    total = sum(weight for weight, _ in values)
    if minimised(metric) or metric == "Attainment":
        return sum(weight * value for weight, value in values) / total
    if any(value <= 0 for _, value in values):
        return 0.0
    return total / sum(weight / value for weight, value in values)


def worth(value: float, cost: float, metric: str) -> float:
    """A value as it counts in comparisons: worse by the factor 1 + cost; it stays positive, for logarithms."""
    return value * (1 + cost) if minimised(metric) else value / (1 + cost)
