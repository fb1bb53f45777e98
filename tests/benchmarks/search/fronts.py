"""Two goals at once: throughput against P99 TTFT, both at the highest concurrency."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from autotuner.search.experiment_record import Record
from autotuner.search.space.configuration import Configuration
from tests.benchmarks.search.goals import NOISE
from tests.benchmarks.search.surfaces import Floats, Surface


class Trade:
    """The trade-off on one surface.

    Attributes:
        name: pareto.
        maximise: whether more is better: of throughput, of TTFT.
    """

    name = "pareto"
    maximise = (True, False)

    def __init__(self, surface: Surface) -> None:
        """Work out what is true."""
        self.surface = surface
        top = surface.levels[-1]
        columns = surface.columns
        self._losses = np.log(np.array([1 / columns[f"thr_c{top}"], columns[f"ttft99_c{top}"]])).T
        reachable = self._losses[surface.reachable]
        self._worst = reachable.max(axis=0)
        self._whole = volume(reachable, self._worst)

    def measure(self, configuration: Configuration, generator: np.random.Generator) -> Record:
        """What the search is told about an experiment."""
        row = self.surface.row(configuration)
        if self.surface.failed[row]:
            return Record(configuration, "crash")
        throughput, latency = self._losses[row] + NOISE * generator.standard_normal(2)
        return Record(configuration, "value", (float(np.exp(-throughput)), float(np.exp(latency))))

    def share(self, configurations: Iterable[Configuration]) -> float:
        """How much of the true front's hypervolume their true figures have; logarithms, from the worst that runs."""
        rows = [self.surface.row(one) for one in configurations]
        return volume(self._losses[[row for row in rows if not self.surface.failed[row]]], self._worst) / self._whole


def volume(losses: Floats, worst: Floats) -> float:
    """The area that points dominate, up to the worst one.

    Args:
        losses: (n, 2), less is better, none beyond the worst.
        worst: (2,)
    """
    area, reached = 0.0, float(worst[1])
    for first, second in sorted(map(tuple, losses.tolist())):
        if second < reached:
            area += (float(worst[0]) - first) * (reached - second)
            reached = second
    return area
