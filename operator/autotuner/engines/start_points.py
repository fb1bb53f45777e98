"""Where to begin: values that are good for a goal more often than not, from among those that a task offers.

They are at most two or three of the first points, so wrong advice costs little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from autotuner.engines.arguments import Value

AdviceGoal = Literal["throughput", "latency", "slo"]
Offered = Mapping[str, Sequence[Value | None]]  # dimension -> its values; None is unset
StartPointValues = dict[str, Value | None]
# A number: the nearest one offered. Words: the first one offered.
Wanted = Mapping[str, float | tuple[Value, ...]]

# Advice for words that mean the same on every engine.
FP8_WORDS: Wanted = {
    "quantization.weights": ("fp8",),
    "quantization.kvCache": ("fp8_e5m2", "fp8", "fp8_e4m3"),
}


@dataclass(frozen=True)
class Advice:
    """What is good for an engine more often than not.

    Attributes:
        wanted: goal -> dimension -> what to choose of it. slo: throughput under promises about latency.
        tensor: names under which a task may offer tensor degrees besides `parallelism.tensor`.
        at_least: flag -> another advised flag whose number it should reach, as far as that is offered.
    """

    wanted: Mapping[AdviceGoal, Wanted]
    tensor: tuple[str, ...]
    at_least: Mapping[str, str]

    def points(self, goal: AdviceGoal, offered: Offered) -> list[StartPointValues]:
        """Points to begin with, the most promising first; they say nothing of dimensions without advice.

        Throughput begins at the smallest tensor degree, latency at the largest. Which of them the rules and the memory
        allow is for the caller to see: of those that are allowed, the first two are the advice.

        Args:
            goal: slo: throughput under promises about latency.
            offered: what may be chosen.
        """
        point: StartPointValues = {}
        for name, wanted in self.wanted[goal].items():
            if name in offered and (found := _nearest(wanted, offered[name])) is not None:
                point[name] = found
        for name, other in self.at_least.items():
            if (reaching := _at_least(point.get(other), offered.get(name, ()))) is not None:
                point[name] = reaching
        tensor = next((name for name in ("parallelism.tensor", *self.tensor) if name in offered), "")
        degrees = sorted(value for value in offered.get(tensor, ()) if isinstance(value, int | float))
        if goal == "latency":
            degrees.reverse()
        return [{**point, tensor: degree} for degree in degrees] or ([point] if point else [])


def _at_least(wanted: Value | None, offered: Sequence[Value | None]) -> float | None:
    """The smallest number offered that reaches the wanted one, else the largest; None without numbers."""
    sizes = sorted(value for value in offered if isinstance(value, int | float) and not isinstance(value, bool))
    if not sizes or not isinstance(wanted, int | float):
        return None
    return next((size for size in sizes if size >= wanted), sizes[-1])


def _nearest(wanted: float | tuple[Value, ...], values: Sequence[Value | None]) -> Value | None:
    if isinstance(wanted, tuple):
        return next((value for value in wanted if value in values), None)
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    positive = [value for value in numbers if value > 0]
    return min(positive, key=lambda value: abs(math.log(value / wanted)), default=None)
