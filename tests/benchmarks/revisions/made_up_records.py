"""Records of a made-up task under limits, as numbers: every revision makes its own objects of them.

Nothing here may import the product: other revisions read this file too.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import NamedTuple

LOADS = (8, 32, 128, 256)
SIZES = ((10, 40), (30, 200))  # parameters and records
_NUMBERS, _WORDS = 6, 3
_SPEEDS, _SLOWER = (1.0, 2.5, 4.0, 5.0), (1.0, 1.5, 2.5, 4.0)
_LIMITS = (1.8, 2.2)
_CRASHES, _NOISE = 0.1, 0.03


class MadeUpRecord(NamedTuple):
    """One experiment.

    Attributes:
        places: of the chosen value of each parameter.
        worths: of each load; empty if it crashed.
        beyond: for each load, how many times each limit's value it has; above 1 it is broken.
    """

    places: tuple[int, ...]
    worths: tuple[float, ...]
    beyond: tuple[tuple[float, ...], ...]


def lengths(parameters: int) -> list[int]:
    """How many values each parameter has: every third one is of words."""
    return [_NUMBERS if number % 3 else _WORDS for number in range(parameters)]


def records(parameters: int, count: int) -> Iterator[MadeUpRecord]:
    """As many records, all of different configurations: five parameters matter."""
    generator = random.Random(1)
    counts = lengths(parameters)
    seen = set()
    while len(seen) < count:
        places = tuple(generator.randrange(number) for number in counts)
        if places in seen:
            continue
        seen.add(places)
        if generator.random() < _CRASHES:
            yield MadeUpRecord(places, (), ())
            continue
        speed = 1000 * math.exp(0.1 * places[1] - 0.05 * (places[2] - 2) ** 2 + 0.2 * (places[0] == 1))
        delay = math.exp(0.1 * places[1] - 0.1 * places[4] + 0.05 * places[5])
        yield MadeUpRecord(
            places,
            tuple(speed * factor * math.exp(_NOISE * generator.gauss(0, 1)) for factor in _SPEEDS),
            tuple(
                tuple(delay * factor * math.exp(_NOISE * generator.gauss(0, 1)) / limit for limit in _LIMITS)
                for factor in _SLOWER
            ),
        )
