"""What a ladder that is not climbed to its end could still have become.

Users wait for each other's answers, so that each gets at most what fewer users would get: throughput grows at most in
proportion to the users, and latencies do not fall. The first of these bounds what has not been measured from above.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from autotuner.api.experiment import Level
from autotuner.scoring import slos
from autotuner.scoring.figures import cost_per_million, figure
from autotuner.scoring.goal import Goal

_BOUNDED = (
    "OutputThroughput",
    "OutputThroughputPerGPU",
    "TotalThroughput",
    "RequestThroughput",
    "CostPerMillionTokens",
)


def of_goal(levels: Sequence[Level], goal: Goal, gpus: int) -> float | None:
    """The best that a single objective could have become; None if levels do not bound it."""
    objective = goal.objectives[0]
    if len(goal.objectives) > 1 or objective.metric not in _BOUNDED:
        return None
    costs = objective.metric == "CostPerMillionTokens"
    metric = "OutputThroughputPerGPU" if costs else objective.metric
    hard = slos.hard(goal.slos)
    ceilings = [slo for slo in hard if slo.max is not None]
    found = most(
        levels,
        {scenario.name: scenario.weight for scenario in goal.scenarios},
        goal.ladder,
        throughput=lambda level: figure(level, metric, None, gpus) or 0.0,
        broken=lambda level: bool(slos.violations(level, hard, gpus)),
        top=top(levels, lambda level: bool(slos.violations(level, ceilings, gpus))),
    )
    return cost_per_million(found, goal.gpu_hour_price) if costs and found is not None else found


def top(levels: Sequence[Level], ceiling_broken: Callable[[Level], bool]) -> int | None:
    """The concurrency above which nothing can keep the ceilings any more; None while the sky is open.

    A broken ceiling decides from a scenario's second level on: the first one also pays for what is cold. It decides for
    every scenario, because all must keep the SLOs at one common concurrency.

    Args:
        levels: in the order measured, each scenario's upwards.
        ceiling_broken: whether a level breaks the ceiling of a hard SLO.
    """
    seen: set[str] = set()
    tops = []
    for level in levels:
        if level.scenario in seen and ceiling_broken(level):
            tops.append(level.concurrency)
        seen.add(level.scenario)
    return min(tops, default=None)


def most(
    levels: Sequence[Level],
    weights: Mapping[str, float],
    ladder: Sequence[int],
    *,
    throughput: Callable[[Level], float],
    broken: Callable[[Level], bool],
    top: int | None,
) -> float | None:
    """The most that the weighted harmonic mean over the scenarios can reach at any concurrency.

    Args:
        levels: measured so far.
        weights: of all scenarios; one of which nothing is measured yet may be as fast as it likes.
        ladder: the concurrencies that count.
        throughput: of a level, in the unit of the result.
        broken: whether a level breaks a hard SLO, so that its concurrency does not count.
        top: the highest concurrency that counts at all; None: no limit.

    Returns:
        None if nothing was measured that bounds it.
    """
    measured = {(level.scenario, level.concurrency): level for level in levels}
    closed = {level.concurrency for level in levels if broken(level)}
    reached = [0.0]
    for concurrency in ladder:
        if concurrency in closed or (top is not None and concurrency > top):
            continue
        time = 0.0
        for name, weight in weights.items():
            below = [at for scenario, at in measured if scenario == name and at <= concurrency]
            if below:
                nearest = max(below)
                speed = throughput(measured[name, nearest]) * concurrency / nearest
                time += weight / speed if speed > 0 else float("inf")
        if time == 0:
            return None
        reached.append(sum(weights.values()) / time)
    return max(reached)
