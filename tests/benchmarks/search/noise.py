"""How measurements of the same configuration differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.benchmarks.search.surfaces import Floats

_FAR_FROM, _FAR_TO = 0.10, 0.25
_FAR_SLOWER = 0.8
_DRIFT_OVER = 40


@dataclass(frozen=True)
class Noise:
    """The noise of an experiment.

    Attributes:
        deviation: of the logarithm of each figure, independent of the others.
        far: the share of runs in which all figures are off by 10 to 25 %, four times out of five slower: a neighbour
            on the node, a throttled accelerator.
        drift: how much slower everything is after 40 experiments.
    """

    deviation: float
    far: float = 0.0
    drift: float = 0.0

    def draw(self, generator: np.random.Generator, figures: int, number: int) -> Floats:
        """How much slower an experiment's figures seem than they are.

        Args:
            generator: of the task's noise; always asked the same number of times.
            figures: how many there are.
            number: how many experiments of the task came before.

        Returns:
            (figures,) logarithms. A throughput falls by them, a latency rises.
        """
        own = self.deviation * generator.standard_normal(figures)
        happens, side, size = generator.random(3)
        common = self.drift * number / _DRIFT_OVER
        if happens < self.far:
            common += (_FAR_FROM + (_FAR_TO - _FAR_FROM) * size) * (1 if side < _FAR_SLOWER else -1)
        return np.asarray(own + common)


# That of the tabulated grids.
CALM = Noise(0.03)
