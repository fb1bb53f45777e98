"""Orders that visit every configuration once: as a person would write them down, or by the seed alone.

The random order is a keyed permutation of the configurations' numbers, so there is nothing to remember between
proposals and nothing to list: a Feistel network over the next even number of bits, walked until it falls into the space
again (cycle walking; Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).

Where the rules leave next to nothing of an enormous space, numbers are not the way to it: see `allowed`.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator
from itertools import islice

from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space

Places = tuple[int, ...]

# Four are enough for a good mix of wide halves; halves of one or two bits need some more.
_ROUNDS = 8
# Forbidden numbers in a row, of about ten microseconds each, before points are drawn instead; how many draws in a row
# may give nothing new; and how many numbers are tried in the end.
_PATIENCE, _VAIN, _LAST = 1 << 13, 256, 1 << 16


def grid_order(space: Space, seed: int) -> Iterator[Configuration]:
    """Lexicographic order: the last parameter changes fastest, values in the user's order."""
    return allowed(space, range(space.numbers), seed)


def random_order(space: Space, seed: int) -> Iterator[Configuration]:
    """All configurations in a random order; equal for equal spaces and seeds."""
    return allowed(space, (permuted(index, space.numbers, seed) for index in range(space.numbers)), seed)


def allowed(space: Space, numbers: Iterable[int], seed: int) -> Iterator[Configuration]:
    """The configurations of some numbers; from where on nearly all of these are forbidden, drawn ones.

    It ends when neither draws nor numbers give any more: of an enormous space, some may be left that nobody can find.

    Args:
        space: to choose from.
        numbers: of all configurations, each once.
        seed: of the task.
    """
    known: set[Places] = set()
    walk = (space.point(number) for number in numbers)
    for points, patience in ((walk, _PATIENCE), (_drawn(space, seed), _VAIN), (islice(walk, _LAST), _LAST)):
        for point in _new(points, known, patience):
            found = space.build(point)
            if found is not None:
                yield found


def _new(points: Iterable[Places | None], known: set[Places], patience: int) -> Iterator[Places]:
    """Points that are not known yet, until so many in a row are not; they are from then on."""
    vain = 0
    for point in points:
        if point is None or point in known:
            vain += 1
            if vain == patience:
                return
        else:
            vain = 0
            known.add(point)
            yield point


def _drawn(space: Space, seed: int) -> Iterator[Places | None]:
    generator = random.Random(seed)
    while True:
        yield space.draw(generator)


def permuted(index: int, size: int, seed: int) -> int:
    """The image of an index under the seed's permutation of 0 .. size - 1."""
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    index = _feistel(index, half, seed)
    while index >= size:
        index = _feistel(index, half, seed)
    return index


def _feistel(block: int, half: int, seed: int) -> int:
    mask = (1 << half) - 1
    left, right = block >> half, block & mask
    for number in range(_ROUNDS):
        left, right = right, left ^ (_digest(seed, number, right) & mask)
    return left << half | right


def _digest(seed: int, number: int, value: int) -> int:
    # A half has at most 32 x 6 / 2 = 96 bits: 32 parameters of 64 values.
    return int.from_bytes(hashlib.blake2b(f"{seed}/{number}/{value}".encode(), digest_size=16).digest(), "big")
