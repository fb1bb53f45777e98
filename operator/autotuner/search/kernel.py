"""How alike two configurations are, parameter by parameter."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from autotuner.search.space.dimensions import Dimension

Floats = npt.NDArray[np.float64]
Points = npt.NDArray[np.intp]  # one row for each configuration: its places, INACTIVE (-1) included

# The square of the distance from the middle at which both ends, half a list away from there, are 1 away.
_BESIDE = 0.75


class Metric:
    """Distances between the places of each dimension, in tables that are looked up.

    Numbers are as far apart as their places on the list, brought to [0, 1]: whoever writes 1024, 2048, 4096 says what
    is a step. Texts are equal (0) or not (1). What is unset or inactive lies beside the middle of the numbers, as far
    from both ends as these are from each other: were it as far from all of them, there would be no such place, and the
    correlations of long length scales no covariance.
    """

    def __init__(self, dimensions: Sequence[Dimension]) -> None:
        """Write the tables, all as wide as the longest list and one more: INACTIVE, -1, is looked up as the last."""
        self.width = max((len(dimension.values) for dimension in dimensions), default=0) + 1
        self.distances = np.ones((len(dimensions), self.width, self.width))
        for table, dimension in zip(self.distances, dimensions, strict=True):
            count = len(dimension.values)
            table[:count, :count] = 1.0
            if dimension.ordered:
                _spread(table, [place for place, value in enumerate(dimension.values) if value is not None])
            np.fill_diagonal(table, 0.0)

    def apart(self, points: Points, one: Sequence[int]) -> Floats:
        """In how many dimensions (m, dimensions) points differ from one, neighbouring numbers less than wholly: (m,).

        Numbers half of the list apart count as much as its ends do: else the ends would always be the most unlike, and
        it is there that engines run out of memory.
        """
        distances = self.distances[np.arange(points.shape[1]), points, np.array(one)]
        return np.asarray(np.minimum(2 * distances, 1.0).sum(axis=1))

    def correlations(self, lengths: Floats) -> tuple[Floats, Floats]:
        """Matern-5/2 of every distance in the tables.

        Args:
            lengths: natural logarithm of the length scales, (settings, dimensions).

        Returns:
            Correlations, and the derivatives of their logarithms by those of the lengths, which stay numbers where
            correlations vanish: (dimensions, settings, width, width) each.
        """
        ratio = math.sqrt(5) * self.distances[:, None] * np.exp(-lengths.T)[:, :, None, None]
        third = ratio * ratio / 3
        together = 1 + ratio + third
        return together * np.exp(-ratio), third * (1 + ratio) / together


def _spread(table: Floats, numbers: Sequence[int]) -> None:
    """Write the distances of numbers, which lie on a line, from each other and from everything else."""
    at = np.linspace(0.0, 1.0, len(numbers))
    table[numbers, :] = np.sqrt(_BESIDE + (at - 0.5) ** 2)[:, None]
    table[:, numbers] = table[numbers, :].T
    table[np.ix_(numbers, numbers)] = np.abs(at[:, None] - at[None, :])
