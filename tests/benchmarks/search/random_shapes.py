"""What parameters do to a figure: random functions on the rows of a grid, 0 to 1, of which less is better."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.benchmarks.search.random_spaces import Grid
from tests.benchmarks.search.surfaces import Floats

_CLIFF_FROM, _CLIFF_TO = np.log(1.5), np.log(4)


def bowl(generator: np.random.Generator, along: Floats) -> Floats:
    """Best somewhere inside."""
    centre = generator.random()
    return np.asarray((along - centre) ** 2 / max(centre, 1 - centre) ** 2)


def slope(generator: np.random.Generator, along: Floats) -> Floats:
    """Best at an end."""
    return along if generator.random() < 0.5 else 1 - along


def plateau(generator: np.random.Generator, along: Floats) -> Floats:
    """Better and better, then flat."""
    return 1 - np.minimum(slope(generator, along) / generator.uniform(0.2, 0.6), 1)


def coordinate(generator: np.random.Generator, grid: Grid, column: int) -> Floats:
    """A parameter as a number 0 to 1: a category's values get random ones. 0 where it is inactive."""
    if grid.ordered[column]:
        found = grid.positions[:, column]
    else:
        found = _table(generator, grid.sizes[column])[grid.places[:, column]]
    return np.asarray(np.where(grid.on[:, column], found, 0.0))


def cliff(generator: np.random.Generator, grid: Grid, columns: Sequence[int]) -> Floats:
    """1.5 to 4 times worse beyond a threshold of one or several parameters; logarithm."""
    weights = generator.uniform(0.5, 1, len(columns)) * generator.choice([-1, 1], len(columns))
    height = _mix(generator, grid, columns, weights)
    beyond = height > np.quantile(height, generator.uniform(0.3, 0.7))
    return np.asarray(generator.uniform(_CLIFF_FROM, _CLIFF_TO) * beyond)


def ridge(generator: np.random.Generator, grid: Grid, columns: Sequence[int]) -> Floats:
    """Best where the parameters are in balance: on a line or a plane across the space."""
    weights = generator.uniform(0.5, 1, len(columns)) * generator.choice([-1, 1], len(columns))
    height = _mix(generator, grid, columns, weights)
    low, high = float(height.min()), float(height.max())
    centre = generator.uniform(low + 0.25 * (high - low), high - 0.25 * (high - low))
    return scaled((height - centre) ** 2 if generator.random() < 0.7 else np.abs(height - centre))


def interplay(generator: np.random.Generator, grid: Grid, category: int, other: int) -> Floats:
    """What is the best value of one parameter depends on the value of a category."""
    kinds = grid.places[:, category]
    if grid.ordered[other]:
        centres = _table(generator, grid.sizes[category])
        found = (grid.positions[:, other] - centres[kinds]) ** 2
    else:
        table = generator.random((grid.sizes[category], grid.sizes[other]))
        found = table[kinds, grid.places[:, other]]
    return scaled(np.where(grid.on[:, category] & grid.on[:, other], found, 0.0))


def scaled(values: Floats) -> Floats:
    """From 0 to 1; all 0 if they are equal."""
    width = float(np.ptp(values))
    return np.asarray((values - values.min()) / width) if width else np.zeros_like(values)


def _mix(generator: np.random.Generator, grid: Grid, columns: Sequence[int], weights: Floats) -> Floats:
    parts = [weight * coordinate(generator, grid, column) for weight, column in zip(weights, columns, strict=True)]
    return np.asarray(np.sum(parts, axis=0))


def _table(generator: np.random.Generator, size: int) -> Floats:
    """Values 0 to 1 in random order, no two alike."""
    return np.asarray((generator.permutation(size) + generator.uniform(-0.3, 0.3, size)).clip(0) / size)
