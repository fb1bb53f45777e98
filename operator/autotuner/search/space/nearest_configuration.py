"""The configuration that comes nearest to a wish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from autotuner.search.space.dimensions import Dimension
from autotuner.search.space.split_components import Component

Column = npt.NDArray[np.int64]

# What is not wished for only decides between points that keep the same wishes; in each case a neighbouring value is
# better than a remote one.
_WISHED = 1.0
_USUAL = 1e-3
_REMOTE = 0.5


def nearest(
    components: Sequence[Component], dimensions: Sequence[Dimension], wishes: Mapping[int, int], usual: Sequence[int]
) -> list[int] | None:
    """Places that keep as many wishes as possible; None if some component has no point that is known.

    Args:
        components: of the space.
        dimensions: of the space.
        wishes: dimension -> the place that is wished for.
        usual: for each dimension, the place to take where nothing is wished.
    """
    target = [wishes.get(number, place) for number, place in enumerate(usual)]
    places = [0] * len(dimensions)
    for component in components:
        points = component.points(target)
        if not len(points):
            return None
        cost = np.zeros(len(points))
        for number, column in zip(component.part.dimensions, points.T, strict=True):
            cost += _cost(column, target[number], dimensions[number], number in wishes)
        for number, place in zip(component.part.dimensions, points[int(cost.argmin())].tolist(), strict=True):
            places[number] = place
    return places


def _cost(column: Column, place: int, dimension: Dimension, wished: bool) -> npt.NDArray[np.float64]:
    distance = np.abs(column - place) / len(dimension.values) if dimension.ordered else 0.0
    cost: npt.NDArray[np.float64] = (_WISHED if wished else _USUAL) * ((column != place) + _REMOTE * distance)
    return cost
