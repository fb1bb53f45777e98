"""An upper bound of what a ladder that is not climbed to its end could still have become.

Users wait for each other's answers, so that each gets at most what fewer users would get: throughput grows at most in
proportion to the users, and latencies do not fall. The same holds for the requests of an open loop and their rate. The
first of these bounds what has not been measured from above. The second ends a ladder where a ceiling is broken, if not
by chance; the tail of TPOT is an exception (`lost`). Where latencies do not fall, the share of requests that keep their
limits does not rise: a floor of Attainment is lost like a ceiling, once its interval is below (`share_lost`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from autotuner.api import quantity
from autotuner.api.common import Statistic
from autotuner.api.experiment import NOISE_MARGIN, Level
from autotuner.api.goals import Slo
from autotuner.scoring import slos
from autotuner.scoring.figures import cost_per_million, figure
from autotuner.scoring.goal import Goal

# A full engine lets new requests wait, and their prompts come less often between the tokens of an answer. Up to a third
# of tabulated configurations become calmer that way, few by more than this (tests/benchmarks/ladder).
_TAIL_OF_TPOT_FALLS = 0.1
_BOUNDED = (
    "OutputThroughput",
    "OutputThroughputPerGPU",
    "TotalThroughput",
    "RequestThroughput",
    "Goodput",
    "CostPerMillionTokens",
)


def of_goal(levels: Sequence[Level], goal: Goal, gpus: int) -> float | None:
    """The best value that a single objective could have become; None if levels do not bound it."""
    objective = goal.objectives[0]
    if len(goal.objectives) > 1 or objective.metric not in _BOUNDED:
        return None
    costs = objective.metric == "CostPerMillionTokens"
    metric = "OutputThroughputPerGPU" if costs else objective.metric
    hard = slos.hard(goal.slos)
    found = most(
        levels,
        {scenario.name: scenario.weight for scenario in goal.scenarios},
        _reachable(levels, goal, hard, gpus) if goal.searches else goal.ladder,
        throughput=lambda level: _speed(level, metric, gpus),
        broken=lambda level: bool(slos.violations(level, hard, gpus)),
        top=top(levels, lambda level: _lost(level, hard, gpus)),
    )
    return cost_per_million(found, goal.gpu_hour_price) if costs and found is not None else found


def _reachable(levels: Sequence[Level], goal: Goal, hard: Sequence[Slo], gpus: int) -> list[float]:
    """The levels that a search might have come to: from the largest that was kept up to the first that was not."""
    broken = {level.offered for level in levels if slos.violations(level, hard, gpus)}
    high = min(broken, default=math.inf)
    kept = [level.offered for level in levels if level.offered < high]
    low = max(kept, default=0.0)
    return [offered for offered in goal.ladder if low <= offered < high]


def _speed(level: Level, metric: str, gpus: int) -> float:
    """The highest throughput of a level; without limit if it was not measured."""
    found = figure(level, metric, None, gpus)
    return math.inf if found is None else found


def lost(value: float, ceiling: float, metric: str, statistic: Statistic | None, margin: float) -> bool:
    """Whether a ceiling is broken so far that more users will not keep it either.

    Args:
        value: measured.
        ceiling: in the same unit.
        metric: of both.
        statistic: of a latency; P99 if None.
        margin: how far beyond the ceiling may be chance, as a share of it.
    """
    falls = _TAIL_OF_TPOT_FALLS if metric == "TPOT" and statistic not in ("Mean", "P50") else 0.0
    return value * (1 - falls) > ceiling * (1 + margin)


def share_lost(level: Level, least: float) -> bool:
    """Whether so few requests keep their limits that more load will not help, and that not by chance.

    Args:
        level: what was measured.
        least: the smallest Attainment allowed.
    """
    return level.attainment is not None and level.attainment.high < least


def _lost(level: Level, hard: Sequence[Slo], gpus: int) -> bool:
    ceilings = [slo for slo in hard if slo.max is not None]
    broken = slos.violations(level, ceilings, gpus)
    shares = [quantity.parse(slo.min) for slo in hard if slo.metric == "Attainment" and slo.min is not None]
    return any(lost(one.actual, one.limit, one.metric, one.statistic, NOISE_MARGIN) for one in broken) or any(
        share_lost(level, least) for least in shares
    )


def top(levels: Sequence[Level], ceiling_lost: Callable[[Level], bool]) -> float | None:
    """The users or the rate above which nothing can keep the ceilings any more; None while the sky is open.

    A lost ceiling decides from a scenario's second level on: the first one also pays for what is cold. It decides for
    every scenario, because all must keep the SLOs at one common level.

    Args:
        levels: in the order measured, each scenario's upwards.
        ceiling_lost: whether a level breaks the ceiling of a hard SLO for all levels above.
    """
    seen: set[str] = set()
    tops = []
    for level in levels:
        if level.scenario in seen and ceiling_lost(level):
            tops.append(level.offered)
        seen.add(level.scenario)
    return min(tops, default=None)


def most(
    levels: Sequence[Level],
    weights: Mapping[str, float],
    ladder: Sequence[float],
    *,
    throughput: Callable[[Level], float],
    broken: Callable[[Level], bool],
    top: float | None,
) -> float | None:
    """The most that the weighted harmonic mean over the scenarios can reach at any level.

    Args:
        levels: measured so far.
        weights: of all scenarios; one of which nothing is measured yet may be as fast as it likes.
        ladder: the users or rates that count.
        throughput: of a level, in the unit of the result.
        broken: whether a level breaks a hard SLO, so that its users or rate do not count.
        top: the most that counts at all; None: no limit.

    Returns:
        None if nothing was measured that bounds it.
    """
    measured = {(level.scenario, level.offered): level for level in levels}
    closed = {level.offered for level in levels if broken(level)}
    reached = [0.0]
    for offered in ladder:
        if offered in closed or (top is not None and offered > top):
            continue
        time = 0.0
        for name, weight in weights.items():
            below = [at for scenario, at in measured if scenario == name and at <= offered]
            if below:
                nearest = max(below)
                speed = throughput(measured[name, nearest]) * offered / nearest
                time += weight / speed if speed > 0 else math.inf
        if time == 0:
            return None
        reached.append(sum(weights.values()) / time)
    return max(reached)
