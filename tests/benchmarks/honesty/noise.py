"""How far two runs of the same configuration differ: by 1 to 3 per cent, and now and then by 10 to 25.

That is what repeated real measurements look like; it is open whether the far ones are runs or configurations, so that
each kind of task believes one of the two.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from autotuner.api.experiment import Distribution, Level

Kind = Literal["runs", "configurations"]
KINDS: tuple[Kind, ...] = ("runs", "configurations")
_CALM = (0.01, 0.03)
_FAR = (0.1, 0.25)
_RARE = 0.1
_SLOW = 0.8  # of the far runs; something else ran on the machine
_OWN = 0.01  # of latencies beside the run's speed


@dataclass(frozen=True)
class Noise:
    """Of one task.

    Attributes:
        kind: whether one run in ten is far off, or one configuration in ten varies that much.
        seed: of the task.
    """

    kind: Kind
    seed: int

    def run(self, levels: Sequence[Level], args: Sequence[str], generator: random.Random) -> list[Level]:
        """One run of a configuration that truly does `levels`."""
        speed = math.exp(self._offset(args, generator))
        return [_changed(level, speed, generator) for level in levels]

    def _offset(self, args: Sequence[str], generator: random.Random) -> float:
        task = random.Random(self.seed)
        calm = task.uniform(*_CALM)
        if self.kind == "runs":
            if generator.random() >= _RARE:
                return generator.gauss(0, calm)
            return generator.uniform(*_FAR) * (-1 if generator.random() < _SLOW else 1)
        own = random.Random(f"{self.seed}{args}")
        return generator.gauss(0, own.uniform(*_FAR) if own.random() < _RARE else own.uniform(*_CALM))


def _changed(level: Level, speed: float, generator: random.Random) -> Level:
    def slower(distribution: Distribution | None) -> Distribution | None:
        if distribution is None:
            return None
        factor = math.exp(generator.gauss(0, _OWN)) / speed
        return Distribution.model_construct(**{key: value * factor for key, value in distribution})

    return level.model_copy(
        update={
            "output_tokens_per_second": level.output_tokens_per_second * speed,
            "total_tokens_per_second": level.total_tokens_per_second * speed,
            "requests_per_second": level.requests_per_second * speed,
            "ttft_seconds": slower(level.ttft_seconds),
            "tpot_seconds": slower(level.tpot_seconds),
            "e2e_latency_seconds": slower(level.e2e_latency_seconds),
        }
    )
