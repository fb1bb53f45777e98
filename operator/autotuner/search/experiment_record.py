"""The record of an experiment that the search learns from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from autotuner.search.space.configuration import Configuration

RecordOutcome = Literal["value", "infeasible", "bound", "crash", "impossible", "environment", "unknown"]


@dataclass(frozen=True)
class Record:
    """One experiment that has ended; a figure that is no finite number counts as not measured.

    Attributes:
        configuration: what was tried; None for a baseline that is no point of the space.
        outcome: value: measured; infeasible: measured, but no level keeps the SLOs; bound: stopped early, because it
            could not become better than `values`; crash: the engine cannot run like this; impossible: no node could
            ever hold it; environment: nothing was learned; unknown: measured, but without the figure that is wanted.
        values: of the objectives, in their order and any positive unit; empty unless there are some.
        softened: what `values` would be if violations could be paid for: what a model learns from, where values jump.
        shortfall: how far from the SLOs, relative (0.1: ten per cent beyond a limit); 0 if they are kept.
    """

    configuration: Configuration | None
    outcome: RecordOutcome
    values: tuple[float, ...] = ()
    shortfall: float = 0.0
    softened: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not _finite(self.softened):
            object.__setattr__(self, "softened", ())
        if not _finite((*self.values, self.shortfall)):
            known = "unknown" if self.outcome in ("value", "bound", "infeasible") else self.outcome
            changes = {"outcome": known, "values": (), "shortfall": 0.0, "softened": ()}
            for name, value in changes.items():
                object.__setattr__(self, name, value)


def _finite(figures: Iterable[float]) -> bool:
    return all(map(math.isfinite, figures))
