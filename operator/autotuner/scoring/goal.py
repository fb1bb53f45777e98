"""What a task wants of its traffic: the part of its spec that a score depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from autotuner.api.benchmark import Scenario
from autotuner.api.goals import Objective, Slo
from autotuner.api.task import TaskSpec
from autotuner.scoring import slos


@dataclass(frozen=True)
class Goal:
    """What is judged, where, and by what objectives and SLOs.

    Attributes:
        scenarios: all that count, with their weights.
        ladder: the levels that count: users of a closed loop, or requests per second of an open one.
        objectives: one, or up to three for a Pareto front.
        slos: hard and soft promises; each scenario must keep all hard ones at a level for it to count.
        gpu_hour_price: of one accelerator, for CostPerMillionTokens.
        open_loop: the ladder is one of rates.
        searches: the boundary is searched for, so that few levels of the ladder are measured, and all of them count.
    """

    scenarios: Sequence[Scenario]
    ladder: Sequence[float]
    objectives: Sequence[Objective]
    slos: Sequence[Slo] = ()
    gpu_hour_price: float | None = None
    open_loop: bool = False
    searches: bool = False

    @classmethod
    def of(cls, spec: TaskSpec) -> Self:
        """The goal of a task."""
        return cls(
            scenarios=spec.benchmark.scenarios,
            ladder=spec.benchmark.ladder,
            objectives=spec.objectives,
            slos=slos.counted(spec.slos or ()),
            gpu_hour_price=float(spec.gpu_hour_price) if spec.gpu_hour_price else None,
            open_loop=spec.benchmark.open_loop,
            searches=spec.benchmark.search is not None,
        )

    def on(self, ladder: Sequence[float]) -> Goal:
        """Copy the goal for another ladder: repeats are measured at one level."""
        return replace(self, ladder=tuple(ladder))

    def judged_at(self, objective: Objective) -> float:
        """The users or the rate at which a latency or Attainment is judged; 0 if there is none."""
        return objective.offered or max(self.ladder, default=0)
