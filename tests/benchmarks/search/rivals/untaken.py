"""What is measured instead of a configuration that is forbidden, not listed, or was measured already."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from autotuner.search.kernel import Metric
from autotuner.search.space.space import Space

Points = npt.NDArray[np.intp]
Places = tuple[int, ...]

_NEIGHBOURS, _DRAWS = 64, 256


class Untaken:
    """The configurations of a space that nobody has proposed yet."""

    def __init__(self, space: Space, points: Points | None, seed: int) -> None:
        """Begin a task.

        Args:
            space: to search.
            points: (n, dimensions) places of all its configurations; None where there are too many to be listed.
            seed: of what is drawn.
        """
        self._space = space
        self._taken: set[Places] = set()
        self._generator = random.Random(seed)
        self._listed = None if points is None else _Listed(space, points, seed)

    def take(self, places: Places) -> None:
        self._taken.add(places)
        if self._listed:
            self._listed.take(places)

    def holds(self, wanted: Sequence[int]) -> bool:
        """Whether it is a configuration that can still be proposed."""
        return self._free(wanted) is not None

    def instead_of(self, wanted: Sequence[int]) -> Places | None:
        """The same, if it can be had, else a similar one; None if there seems to be none left.

        Where all are listed, it is the most similar one. Else it differs in one parameter, or is drawn.
        """
        if (found := self._free(wanted)) is not None:
            return found
        if self._listed:
            return self._listed.nearest(wanted)
        for _ in range(_NEIGHBOURS):
            if (found := self._free(self._neighbour(wanted))) is not None:
                return found
        for _ in range(_DRAWS):
            drawn = self._space.draw(self._generator)
            if drawn is not None and drawn not in self._taken:
                return drawn
        return None

    def _free(self, wanted: Sequence[int]) -> Places | None:
        settled = self._space.settle(wanted)
        return None if settled in self._taken else settled

    def _neighbour(self, wanted: Sequence[int]) -> list[int]:
        number = self._generator.randrange(len(wanted))
        dimension, found = self._space.dimensions[number], list(wanted)
        others = [place for place in range(len(dimension.values)) if place != wanted[number]]
        if dimension.ordered and wanted[number] >= 0:
            others = [place for place in others if abs(place - wanted[number]) == 1]
        if others:
            found[number] = self._generator.choice(others)
        return found


class _Listed:
    """All configurations of a small space, and which ones are free."""

    def __init__(self, space: Space, points: Points, seed: int) -> None:
        self._points = points
        self._number = {tuple(one): number for number, one in enumerate(points.tolist())}
        self._distances = Metric(space.dimensions).distances
        self._free = np.ones(len(points), dtype=np.bool_)
        self._generator = np.random.default_rng(seed)

    def take(self, places: Places) -> None:
        if places in self._number:
            self._free[self._number[places]] = False

    def nearest(self, wanted: Sequence[int]) -> Places | None:
        if not self._free.any():
            return None
        apart = self._distances[np.arange(len(wanted)), self._points, np.array(wanted)].sum(axis=1)
        apart += 1e-9 * self._generator.random(len(apart))
        return tuple(self._points[int(np.argmin(np.where(self._free, apart, np.inf)))].tolist())
