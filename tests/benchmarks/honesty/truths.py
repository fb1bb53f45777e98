"""What a configuration is truly worth: the mean of very many runs, for nobody will ever see more of it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from autotuner.api.experiment import Level
from autotuner.scoring import Goal, together
from tests.benchmarks.honesty.noise import Noise

_RUNS = 100
_PLAIN = Noise("runs", 0)


@dataclass(frozen=True)
class Truth:
    """Of one configuration on some levels.

    Attributes:
        worth: geometric mean over the runs that keep the SLOs, all at the level that is best for all of them; None if
            none does.
        kept: share of those runs.
    """

    worth: float | None
    kept: float

    @property
    def value(self) -> float | None:
        """The worth of what keeps the SLOs more often than not; None otherwise."""
        return self.worth if self.kept > 0.5 else None


def of(levels: Sequence[Level], goal: Goal, gpus: int, args: Sequence[str], noise: Noise = _PLAIN) -> Truth:
    """The truth about a configuration under a task's noise; equal configurations have equal truths."""
    generator = random.Random(1)
    runs = together([noise.run(levels, args, generator) for _ in range(_RUNS)], goal, gpus)
    worths = [one.worth for one in runs if one.worth is not None]
    mean = math.exp(sum(map(math.log, worths)) / len(worths)) if worths else None
    return Truth(mean, len(worths) / _RUNS)
