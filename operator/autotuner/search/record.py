"""What the search is told about an experiment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autotuner.search.space import Configuration

Outcome = Literal["value", "infeasible", "crash", "environment", "impossible"]


@dataclass(frozen=True)
class Record:
    """One experiment that has ended.

    Attributes:
        configuration: what was tried; None for the baseline, which is no point of the space.
        outcome: value: measured; infeasible: measured, but no level keeps the SLOs; crash: the engine cannot run
            like this; environment: nothing was learned; impossible: no node could ever hold it.
        value: of the objective in SI units, if there is one.
        shortfall: how far from the SLOs, relative; 0 if they are kept.
    """

    configuration: Configuration | None
    outcome: Outcome
    value: float | None = None
    shortfall: float = 0.0
