"""Configurations that are looked at for a proposal."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np

from autotuner.search.space import Space

Places = tuple[int, ...]

# A space of no more points is looked at whole.
_WHOLE = 2048
_RANDOM = 1000
_TRIES = 4 * _RANDOM
# Changes of two or three parameters, for each configuration around which is searched.
_JUMPS = 120


def around_and_anywhere(
    space: Space, centres: Sequence[Places], taken: Collection[Places], generator: np.random.Generator
) -> list[Places]:
    """Legal places, each once, none taken.

    Args:
        space: to choose from.
        centres: whose neighbourhoods are looked at closely.
        taken: what is measured already, or running.
        generator: of what is random.
    """
    if space.numbers <= _WHOLE:
        found = _legal(space.point(index) for index in range(space.numbers))
    else:
        found = _legal([*_anywhere(space, generator), *_neighbours(space, centres), *_jumps(space, centres, generator)])
    return [places for places in found if places not in taken]


def _legal(found: Iterable[Places | None]) -> Iterable[Places]:
    return dict.fromkeys(places for places in found if places is not None)


def _anywhere(space: Space, generator: np.random.Generator) -> Iterator[Places | None]:
    # numpy has no whole numbers above 2^63, and a space may have more points.
    draw = random.Random(int(generator.integers(2**63)))
    found = 0
    for _ in range(_TRIES):
        places = space.point(draw.randrange(space.numbers))
        found += places is not None
        yield places
        if found >= _RANDOM:
            return


def _neighbours(space: Space, centres: Iterable[Places]) -> Iterator[Places | None]:
    for centre in centres:
        for number, dimension in enumerate(space.dimensions):
            for place in range(len(dimension.values)):
                if place != centre[number]:
                    yield space.settle((*centre[:number], place, *centre[number + 1 :]))


def _jumps(space: Space, centres: Iterable[Places], generator: np.random.Generator) -> Iterator[Places | None]:
    count = len(space.dimensions)
    lengths = [len(dimension.values) for dimension in space.dimensions]
    for centre in centres:
        # Which dimensions change, the first two or three of a random order; and to what.
        order = generator.random((_JUMPS, count)).argsort(axis=1)[:, :3]
        places = generator.integers(lengths, size=(_JUMPS, count))
        three = generator.random(_JUMPS) < 0.5
        for chosen, drawn, more in zip(order.tolist(), places.tolist(), three.tolist(), strict=True):
            changed = list(centre)
            for number in chosen if more else chosen[:2]:
                changed[number] = drawn[number]
            yield space.settle(changed)
