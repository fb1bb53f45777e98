"""What an experiment would be worth if violations of hard SLOs could be paid for: for the search's model alone.

A hard SLO makes a cliff: a throughput falls to that of a lower level, or there is no value at all. Which side of it a
configuration is on is partly noise, and a smooth model can learn neither. It learns a slope in its place: a tenth
beyond a limit makes a value 1.5 times worse, half as much again 5 times. What is feasible, and what a
winner is worth, is never judged by it.
"""

from __future__ import annotations

from collections.abc import Sequence

from autotuner.api.common import LATENCY_METRICS
from autotuner.api.goals import Objective
from autotuner.scoring import scenarios, slos
from autotuner.scoring.figures import better
from autotuner.scoring.goal import Goal
from autotuner.scoring.scenarios import Rung

# The noise of a measurement at a limit comes out multiplied by it: a steeper slope would show the model little else.
STEEPNESS = 4.0


def softened(steps: Sequence[Rung], goal: Goal, gpus: int, worths: Sequence[float]) -> tuple[float, ...]:
    """The best worth over the rungs for each objective, made worse by the factor (1 + violation)^STEEPNESS.

    Args:
        steps: the rungs of the ladder.
        goal: what counts.
        gpus: that the engine occupied.
        worths: of the objectives, where feasible; else empty.

    Returns:
        Empty without hard SLOs, and where an objective has no figure at all.
    """
    if not slos.hard(goal.slos):
        return ()
    found = [_best(steps, goal, objective, gpus) for objective in goal.objectives]
    for place, worth in enumerate(worths):
        known, metric = found[place], goal.objectives[place].metric
        if known is None or better(worth, known, metric):
            found[place] = worth
    complete = [value for value in found if value is not None and value > 0]
    return tuple(complete) if len(complete) == len(found) else ()


def _best(steps: Sequence[Rung], goal: Goal, objective: Objective, gpus: int) -> float | None:
    best: float | None = None
    for step in steps:
        if objective.metric in LATENCY_METRICS and step.concurrency != goal.judged_at(objective):
            continue
        value = _value(step, goal, objective, gpus)
        if value is None:
            continue
        factor = (1 + step.worst[0].relative) ** STEEPNESS if step.broken else 1.0
        worth = scenarios.worth(value, (1 + step.cost) * factor - 1, objective.metric)
        if best is None or better(worth, best, objective.metric):
            best = worth
    return best


def _value(step: Rung, goal: Goal, objective: Objective, gpus: int) -> float | None:
    if objective.metric == "MaxConcurrency":
        return None if step.missing else float(step.concurrency)
    return scenarios.value(step, goal, objective, gpus)[0]
