"""Several runs of one configuration: they are judged together, all at one level."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autotuner.api.common import BOUNDARY_METRICS
from autotuner.api.experiment import Level
from autotuner.scoring.figures import minimised
from autotuner.scoring.goal import Goal
from autotuner.scoring.score import Score, score


def together(runs: Sequence[Sequence[Level]], goal: Goal, gpus: int) -> list[Score]:
    """The scores of several runs of one configuration at the level that is best for all of them.

    Taking each run's own best one would mix two levels into one mean, and take the luckier one each time. Of the
    levels that keep the hard SLOs in more than half of the runs, the one with the best geometric mean counts; if
    there is none, that which keeps them most often, so that one bad run of two is no verdict. A boundary, and
    what a search says of it, lies between levels and is found anew in each run.

    Args:
        runs: what each measured; nothing of one that failed.
        goal: what counts, with one objective; its ladder is the runs'.
        gpus: that the engine occupied.

    Returns:
        One for each run.
    """
    metric = goal.objectives[0].metric
    if metric in BOUNDARY_METRICS or goal.searches:
        return [score(levels, goal, gpus) for levels in runs]
    candidates = [[score(levels, goal, gpus, at=at) for levels in runs] for at in sorted(goal.ladder)]
    # Of equal ones the lowest level wins.
    return max(candidates, key=lambda scores: _rank(scores, metric))


def _rank(scores: Sequence[Score], metric: str) -> tuple[bool, int, float]:
    worths = [one.worth for one in scores if one.worth is not None and one.worth > 0]
    reliable = 2 * len(worths) > len(scores)
    mean = sum(map(math.log, worths)) / len(worths) if worths else 0.0
    return reliable, 0 if reliable else len(worths), -mean if minimised(metric) else mean
