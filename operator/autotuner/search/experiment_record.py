"""The record of an experiment that the search learns from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from autotuner.search.space.configuration import Configuration

RecordOutcome = Literal["value", "infeasible", "bound", "crash", "impossible", "environment", "unknown"]


@dataclass(frozen=True)
class LevelRecord:
    """What was measured under one load.

    Attributes:
        load: of the level: users, requests per second, or whatever else grows; equal loads are the same level.
        worths: of the objectives, in their order and any positive unit; None for one that is not judged at this level.
        distances: for each limit, the logarithm of how far beyond it the level is; at most 0 if the limit is kept.
    """

    load: float
    worths: tuple[float | None, ...]
    distances: tuple[float, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether all limits are kept."""
        return all(distance <= 0 for distance in self.distances)


@dataclass(frozen=True)
class BoundaryRecord:
    """The load at which the first limit breaks, where that is the objective.

    Attributes:
        value: estimated; positive.
        low: the largest load that is known to keep all limits; 0 if none does.
        high: the smallest that is known to break one; infinite if none does.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Record:
    """One experiment that has ended; a figure that is no finite number counts as not measured.

    Attributes:
        configuration: what was tried; None for a baseline that is no point of the space.
        outcome: value: measured; infeasible: measured, but no level keeps the limits; bound: stopped early, because it
            could not become better than `values`; crash: the engine cannot run like this; impossible: no node could
            ever hold it; environment: nothing was learned; unknown: measured, but without the figure that is wanted.
        values: what the experiment is worth, for each objective, in any positive unit; empty unless there are some.
        shortfall: how far from the limits, relative (0.1: ten per cent beyond one); 0 if they are kept.
        levels: that were measured, in any order; those that are missing are known to be no better.
        boundary: the load that the objective asks for, if it asks for one; then `levels` need no worths.
    """

    configuration: Configuration | None
    outcome: RecordOutcome
    values: tuple[float, ...] = ()
    shortfall: float = 0.0
    levels: tuple[LevelRecord, ...] = ()
    boundary: BoundaryRecord | None = None

    @property
    def runs_at_all(self) -> bool:
        """Whether the engine ran."""
        return self.outcome not in ("crash", "impossible")

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(map(_sound, self.levels)))
        if self.boundary is not None and not (math.isfinite(self.boundary.value) and self.boundary.value > 0):
            object.__setattr__(self, "boundary", None)
        if not _finite((*self.values, self.shortfall)):
            known = "unknown" if self.outcome in ("value", "bound", "infeasible") else self.outcome
            changes = {"outcome": known, "values": (), "shortfall": 0.0, "levels": (), "boundary": None}
            for name, value in changes.items():
                object.__setattr__(self, name, value)


def _sound(level: LevelRecord) -> LevelRecord:
    """The level without worths that are no finite positive numbers."""
    worths = tuple(one if one is not None and math.isfinite(one) and one > 0 else None for one in level.worths)
    return level if worths == level.worths else replace(level, worths=worths)


def _finite(figures: Iterable[float]) -> bool:
    return all(map(math.isfinite, figures))
