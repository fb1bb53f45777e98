"""The limits at which an experiment need not climb its ladder any further."""

from __future__ import annotations

from autotuner.api.common import BoundaryMetric, ThroughputMetric
from autotuner.api.experiment import THRESHOLD_MAX, THRESHOLD_MIN, Stop
from autotuner.scoring import slos
from autotuner.scoring.figures import cost_per_million
from autotuner.scoring.goal import Goal

_STOPPING: tuple[ThroughputMetric | BoundaryMetric, ...] = (
    "OutputThroughput",
    "OutputThroughputPerGPU",
    "TotalThroughput",
    "RequestThroughput",
    "Goodput",
)
_OF_SEARCHES: tuple[BoundaryMetric, ...] = ("MaxConcurrency", "MaxRequestRate")


def stop(goal: Goal, best: float | None, at: float | None = None) -> Stop | None:
    """The early end of a ladder, or of a search, that was measured for this goal alone; None if nothing can end it.

    Args:
        goal: of the task.
        best: the worth of the best feasible experiment so far; None without one, and for what must be measured whole.
        at: the users or the rate at which that was measured, where a search for the boundary begins; None: anywhere.
    """
    hard = slos.hard(goal.slos) or None
    metric, threshold = _threshold(goal, best)
    if hard is None and metric is None:
        return None
    return Stop(slos=hard, metric=metric, threshold=threshold, start_at=at if goal.searches else None)


def _threshold(goal: Goal, best: float | None) -> tuple[ThroughputMetric | BoundaryMetric | None, float | None]:
    objective = goal.objectives[0]
    if best is None or best <= 0 or len(goal.objectives) > 1:
        return None, None
    costs = objective.metric == "CostPerMillionTokens"
    threshold = cost_per_million(best, goal.gpu_hour_price) if costs else best
    # What the field cannot hold is nothing that a ladder is stopped for.
    if threshold is None or not THRESHOLD_MIN <= threshold <= THRESHOLD_MAX:
        return None, None
    wanted = "OutputThroughputPerGPU" if costs else objective.metric
    stopping = (*_STOPPING, *_OF_SEARCHES) if goal.searches else _STOPPING
    found = next((metric for metric in stopping if metric == wanted), None)
    return (found, threshold) if found else (None, None)
