"""Grid search: every configuration once, in the order a person would write them down."""

from __future__ import annotations

from collections.abc import Iterator

from autotuner.search.sampling import allowed
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space


def order(space: Space, seed: int) -> Iterator[Configuration]:
    """Lexicographic order: the last parameter changes fastest, values in the user's order."""
    return allowed(space, range(space.numbers), seed)
