"""What a task measures next: the user's start points first, then what the search wants to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from autotuner import engines, scoring
from autotuner.api.common import LATENCY_METRICS
from autotuner.api.experiment import Purpose
from autotuner.api.task import TaskSpec
from autotuner.engines.start_points import AdviceGoal
from autotuner.policy.evidence import measurements
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.search.advised_starts import advised
from autotuner.search.space.configuration import Configuration
from autotuner.search.suggest import Proposal

Suggest = Callable[..., Proposal]


@dataclass(frozen=True)
class NextExperiment:
    """What a task would measure next.

    Attributes:
        purpose: of the experiment.
        configuration: to measure.
        expected_gain: what ten more experiments are expected to gain, as a share of the best's worth; None where
            nothing can be said.
    """

    purpose: Purpose
    configuration: Configuration
    expected_gain: float | None = None


def next_one(seen: ObservedTask, suggest: Suggest) -> NextExperiment | None:
    """The next configuration, each start point once before all others; None if nothing is left.

    Args:
        seen: the task, none of whose experiments is running.
        suggest: the search.
    """
    space, search = seen.space, seen.spec.search
    known = [one.configuration for one in seen.tried] + [seen.today]
    tried = {space.identity(one) for one in known if one is not None}
    for point in space.start_points:
        if space.identity(point) not in tried:
            return NextExperiment("Start", point)
    found = suggest(
        search.strategy,
        space,
        measurements.for_search(seen.measured),
        [],
        1,
        search.seed,
        maximise=[not scoring.minimised(objective.metric) for objective in seen.spec.objectives],
        starts=advised(space, engines.get(seen.engine), _goal(seen.spec)),
        beside=seen.beside_today,
    )
    return NextExperiment("Search", found.configurations[0], found.expected_gain) if found.configurations else None


def _goal(spec: TaskSpec) -> AdviceGoal:
    """The goal that the engine's advice depends on."""
    if spec.objectives[0].metric in LATENCY_METRICS:
        return "latency"
    return "slo" if any(slo.metric in LATENCY_METRICS for slo in spec.slos or ()) else "throughput"
