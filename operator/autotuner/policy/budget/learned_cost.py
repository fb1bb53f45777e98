"""What experiments take, learned from those that were measured. Pure.

Seconds per level, and seconds around them (finding a node, pulling, loading, releasing), of each the upper quartile.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from autotuner import clock
from autotuner.policy.evidence.measurements import Measured

_QUANTILE = 0.75  # sums of many are to be safe, and one slow pull is not to count for all


@dataclass(frozen=True)
class Cost:
    """GPU-seconds, and seconds on the clock."""

    gpu_seconds: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.gpu_seconds + other.gpu_seconds, self.seconds + other.seconds)

    def times(self, count: int) -> Cost:
        """The cost of so many repetitions."""
        return Cost(self.gpu_seconds * count, self.seconds * count)


@dataclass(frozen=True)
class Pace:
    """Seconds of one level, and around all levels: with the accelerators held, and on the clock."""

    level: float
    held: float
    elapsed: float

    def cost(self, levels: int, accelerators: int) -> Cost:
        """The cost of an experiment with so many levels and accelerators."""
        measuring = levels * self.level
        return Cost((self.held + measuring) * accelerators, self.elapsed + measuring)


def learned(measured: Iterable[Measured]) -> Pace | None:
    """The pace of what the task measured itself; None until something was measured."""
    found = [_seconds(one) for one in measured if not one.reused and one.finished and one.status.levels]
    if not found:
        return None
    level, held, elapsed = (_quantile(column) for column in zip(*found, strict=True))
    return Pace(level, held, elapsed)


def _seconds(one: Measured) -> tuple[float, float, float]:
    """Seconds of a level, and around all levels: holding accelerators, and on the clock."""
    times, levels = one.status.times, len(one.status.levels or [])
    if one.held:
        held = (one.status.gpu_seconds or 0.0) / one.held
    else:
        held = (clock.seconds_between(times.scheduled, times.pods_gone) if times else None) or 0.0
    whole = clock.seconds_between(times.created, times.released) if times else None
    measuring = clock.seconds_between(times.first_request, times.benchmark_finished) if times else None
    measuring = min(measuring or 0.0, held)
    return measuring / levels, held - measuring, max(held, whole or 0.0) - measuring


def _quantile(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[math.ceil(_QUANTILE * len(ordered)) - 1]
