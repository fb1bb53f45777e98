"""What a task measures next: the user's start points first, then what the search wants to know.

All of a batch is asked for at once: the search takes each into account for the ones after it, as it does what is
running.
"""

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


def batch(seen: ObservedTask, suggest: Suggest, count: int) -> list[NextExperiment]:
    """The next configurations, each start point once before all others; fewer if not so many are left.

    Args:
        seen: the task; what is running, or will be measured again, is taken.
        suggest: the search.
        count: how many are wanted, at least 1.
    """
    space, search = seen.space, seen.spec.search
    known = [one.configuration for one in seen.tried] + [seen.today]
    tried = {space.identity(one) for one in known if one is not None}
    points = [point for point in space.start_points if space.identity(point) not in tried][:count]
    found = [NextExperiment("Start", point) for point in points]
    if len(found) == count:
        return found
    waiting = [one.configuration for one in seen.tried if not one.finished or one.retry == "owed"]
    records = measurements.for_search(seen.measured)
    pending = [*(one for one in waiting if one is not None), *points]
    wanted = count - len(found)
    proposal = seen.readings.answer(
        "search",
        (records, pending, wanted),
        lambda: suggest(
            search.strategy,
            space,
            records,
            pending,
            wanted,
            search.seed,
            maximise=[not scoring.minimised(objective.metric) for objective in seen.spec.objectives],
            starts=advised(space, engines.get(seen.engine), _goal(seen.spec)),
            beside=seen.beside_today,
        ),
    )
    return [*found, *(NextExperiment("Search", one, proposal.expected_gain) for one in proposal.configurations)]


def _goal(spec: TaskSpec) -> AdviceGoal:
    """The goal that the engine's advice depends on."""
    if spec.objectives[0].metric in LATENCY_METRICS:
        return "latency"
    return "slo" if any(slo.metric in LATENCY_METRICS for slo in spec.slos or ()) else "throughput"
