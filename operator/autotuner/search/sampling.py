"""Random search: every configuration once, in an order that the seed alone decides.

The order is a keyed permutation of the configurations' numbers, so there is nothing to remember between proposals and
nothing to list: a Feistel network over the next even number of bits, walked until it falls into the space again
(cycle walking; Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from autotuner.search.space import Space

# Four are enough for a good mix of wide halves; halves of one or two bits need some more.
_ROUNDS = 8


def order(space: Space, seed: int) -> Iterator[int]:
    """Numbers in random order, each exactly once."""
    return (permuted(index, space.numbers, seed) for index in range(space.numbers))


def permuted(index: int, size: int, seed: int) -> int:
    """Where the seed's permutation of 0 .. size - 1 takes an index."""
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
