"""Configurations to begin with, before there is anything to learn from."""

from __future__ import annotations

from autotuner.engines import Engine
from autotuner.engines.start_points import AdviceGoal
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space

# What is good for other models is worth a try or two.
_ADVISED = 2


def advised(space: Space, engine: Engine, goal: AdviceGoal) -> list[Configuration]:
    """At most two configurations that are good for a goal more often than not, the most promising first.

    Args:
        space: to choose from.
        engine: whose flags the parameters are.
        goal: slo: throughput under promises about latency.
    """
    offered = {dimension.name: dimension.values for dimension in space.dimensions}
    found = [space.nearest(point) for point in engine.advice.points(goal, offered)]
    return list(dict.fromkeys(one for one in found if one is not None))[:_ADVISED]
