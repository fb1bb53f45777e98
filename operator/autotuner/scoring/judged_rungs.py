"""What the search's model learns from: every measured rung by itself, its worths and its distances from the limits.

One figure for a whole ladder jumps where another rung becomes the best one that keeps the SLOs; the figures of a rung
do not. What a winner is worth is never judged by these (`score` does that).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autotuner.api import quantity
from autotuner.api.common import BOUNDARY_METRICS, JUDGED_AT_A_LEVEL
from autotuner.api.experiment import Level
from autotuner.api.goals import Objective, Slo
from autotuner.scoring import scenarios, slos
from autotuner.scoring.figures import failed_beyond, figure
from autotuner.scoring.goal import Goal
from autotuner.scoring.scenarios import Rung

# How far from a limit anything is told to be at most: where a figure is zero, there is no ratio.
FARTHEST = 4.0


@dataclass(frozen=True)
class JudgedRung:
    """One rung of the ladder, seen by the goal.

    Attributes:
        offered: at the rung: users, or requests per second.
        worths: for each objective, with the cost of broken soft SLOs; None where the objective is not judged at this
            rung, and where it was not measured.
        distances: for each hard SLO, the logarithm of how far beyond its limit the worst scenario is, at most FARTHEST
            either way; at most 0 if it is kept. FEW_ERRORS comes last, and only where it is broken: what is kept by
            nearly everything need not be learnt.
    """

    offered: float
    worths: tuple[float | None, ...]
    distances: tuple[float, ...]


@dataclass(frozen=True)
class LoadBoundary:
    """The number of users, or the rate, at which the first hard SLO breaks.

    Attributes:
        value: estimated.
        low: the most that is known to keep all of them; 0 if none do.
        high: the least that is known to break one; infinite if none do.
    """

    value: float
    low: float
    high: float


def judged(steps: Sequence[Rung], goal: Goal, gpus: int) -> tuple[JudgedRung, ...]:
    """The rungs of which all figures that SLOs need were measured, upwards.

    A rung that lacks a scenario is one of them only if it is known to be broken: the missing one may break it.
    """
    hard = [slo for slo in slos.hard(goal.slos) if slo != slos.FEW_ERRORS]
    few = [slo for slo in goal.slos if slo == slos.FEW_ERRORS]
    found = []
    for step in steps:
        distances = [_distance(step, slo, gpus) for slo in hard]
        known = [distance for distance in distances if distance is not None]
        whole = len(step.levels) == len(goal.scenarios)
        if step.levels and len(known) == len(hard) and (whole or step.broken):
            worths = tuple(_worth(step, goal, objective, gpus) for objective in goal.objectives)
            errors = [far for slo in few if (far := _distance(step, slo, gpus)) is not None and far > 0]
            found.append(JudgedRung(step.offered, worths, (*known, *errors)))
    return tuple(found)


def boundary(steps: Sequence[Rung], found: float | None, shortfall: float) -> LoadBoundary | None:
    """Where the hard SLOs break, of an experiment whose objective that is.

    Args:
        steps: the rungs of the ladder.
        found: the boundary that was found; None if no rung keeps the SLOs, or the search ended early.
        shortfall: then, how far the nearest rung is beyond its limit: latencies grow in proportion to the load.
    """
    kept = [step.offered for step in steps if step.kept]
    broken = [step.offered for step in steps if step.broken]
    low, high = float(max(kept, default=0)), float(min(broken, default=math.inf))
    if found is not None:
        return LoadBoundary(found, low, max(high, found))
    if not broken:
        return None
    return LoadBoundary(math.sqrt(low * high) if low else high / (1 + shortfall), low, high)


def _worth(step: Rung, goal: Goal, objective: Objective, gpus: int) -> float | None:
    elsewhere = objective.metric in JUDGED_AT_A_LEVEL and step.offered != goal.judged_at(objective)
    if elsewhere or objective.metric in BOUNDARY_METRICS:
        return None
    value, _ = scenarios.value(step, goal, objective, gpus)
    worth = scenarios.worth(value, step.cost, objective.metric) if value is not None else 0.0
    # There is no logarithm of nothing.
    return worth if worth > 0 else None


def _distance(step: Rung, slo: Slo, gpus: int) -> float | None:
    """The largest over the scenarios that were measured: what is missing may be farther."""
    limit = quantity.parse(slo.max or slo.min or "")
    figures = [_figure(level, slo, limit, gpus) for level in step.levels]
    known = [value for value in figures if value is not None]
    if not known or len(known) < len(figures):
        return None
    ratios = [(value, limit) if slo.max is not None else (limit, value) for value in known]
    return max(_bounded(actual, allowed) for actual, allowed in ratios)


def _figure(level: Level, slo: Slo, limit: float, gpus: int) -> float | None:
    """The figure that an SLO judges; of one that lies among failed requests, how far beyond the limit it counts."""
    times = failed_beyond(level, slo.metric, slo.statistic)
    return figure(level, slo.metric, slo.statistic, gpus) if times is None else limit * times


def _bounded(actual: float, allowed: float) -> float:
    if actual <= 0 or allowed <= 0:
        return FARTHEST if actual > allowed else -FARTHEST
    return min(max(math.log(actual / allowed), -FARTHEST), FARTHEST)
