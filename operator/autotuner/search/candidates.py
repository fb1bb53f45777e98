"""Candidates for a proposal: configurations from anywhere, and the neighbourhood of the good ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import numpy as np

from autotuner.search.kernel import Floats, Points
from autotuner.search.space.space import Space

Places = tuple[int, ...]
Worth = Callable[[Points], Floats]

# A space of no more points is looked at whole.
WHOLE = 2048
_ANYWHERE = 500
_TRIES = 4 * _ANYWHERE
# Where nearly all numbers are forbidden: each takes about a millisecond.
_DRAWN = 100
# Changes of two or three parameters, for each configuration around which is searched.
_JUMPS = 40
# Rounds in which the neighbours of the best so far are looked at too, and of how many of them.
_ROUNDS = 5
_FOLLOWED = 2


def ranked(
    space: Space, worth: Worth, centres: Sequence[Places], taken: Collection[Places], generator: np.random.Generator
) -> list[Places]:
    """Legal places, each once, none taken, the most worth first.

    Args:
        space: to choose from.
        worth: (m, dimensions) places -> (m,), more is better.
        centres: whose neighbourhoods are looked at closely.
        taken: what is measured already, or running.
        generator: of what is random.
    """
    if space.numbers <= WHOLE:
        found = _new((space.point(index) for index in range(space.numbers)), taken)
        worths = worth(_points(found, space))
    else:
        near = [*_neighbours(space, centres), *_jumps(space, centres, generator)]
        found = _new([*_anywhere(space, generator), *near], taken)
        found, worths = _climbed(space, worth, found, taken)
    return [found[number] for number in np.argsort(-worths, kind="stable")]


def _climbed(space: Space, worth: Worth, found: list[Places], taken: Collection[Places]) -> tuple[list[Places], Floats]:
    """The best candidates, replaced by their neighbours for as long as that makes them better."""
    worths = worth(_points(found, space))
    for _ in range(_ROUNDS):
        best = [found[number] for number in np.argsort(-worths, kind="stable")[:_FOLLOWED]]
        more = _new(_neighbours(space, best), {*taken, *found})
        if not more:
            break
        gained = worth(_points(more, space))
        better = gained.max() > worths.max(initial=-np.inf)
        found, worths = [*found, *more], np.concatenate([worths, gained])
        if not better:
            break
    return found, worths


def _points(found: Sequence[Places], space: Space) -> Points:
    return np.array(found, dtype=np.intp).reshape(len(found), len(space.dimensions))


def _new(found: Iterable[Places | None], taken: Collection[Places]) -> list[Places]:
    return [places for places in dict.fromkeys(found) if places is not None and places not in taken]


def _anywhere(space: Space, generator: np.random.Generator) -> Iterator[Places | None]:
    # numpy has no whole numbers above 2^63, and a space may have more points.
    draw = random.Random(int(generator.integers(2**63)))
    found = 0
    for _ in range(_TRIES):
        places = space.point(draw.randrange(space.numbers))
        found += places is not None
        yield places
        if found >= _ANYWHERE:
            return
    for _ in range(_DRAWN if found < _DRAWN else 0):
        yield space.draw(draw)


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
