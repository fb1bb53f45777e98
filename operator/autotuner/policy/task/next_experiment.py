"""What a task measures next: the user's start points first, then what the search wants to know."""

from __future__ import annotations

from autotuner import engines, scoring
from autotuner.api.common import LATENCY_METRICS
from autotuner.api.experiment import Purpose
from autotuner.api.task import TaskSpec
from autotuner.engines.start_points import AdviceGoal
from autotuner.policy.evidence import measurements
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.search.advised_starts import advised
from autotuner.search.space.configuration import Configuration
from autotuner.search.suggest import suggest


def next_one(seen: ObservedTask) -> tuple[Purpose, Configuration] | None:
    """The next configuration, each start point once before all others; None if nothing is left."""
    space, search = seen.space, seen.spec.search
    tried = {space.identity(one.configuration) for one in seen.tried if one.configuration is not None}
    for point in space.start_points:
        if space.identity(point) not in tried:
            return "Start", point
    found = suggest(
        search.strategy,
        space,
        measurements.for_search(seen.measured),
        [],
        1,
        search.seed,
        maximise=[not scoring.minimised(objective.metric) for objective in seen.spec.objectives],
        starts=advised(space, engines.get(seen.engine), _goal(seen.spec)),
    )
    return ("Search", found[0]) if found else None


def _goal(spec: TaskSpec) -> AdviceGoal:
    """The goal that the engine's advice depends on."""
    if spec.objectives[0].metric in LATENCY_METRICS:
        return "latency"
    return "slo" if any(slo.metric in LATENCY_METRICS for slo in spec.slos or ()) else "throughput"
