"""Grid search: every configuration once, in the order a person would write them down."""

from __future__ import annotations

from collections.abc import Iterator

from autotuner.search.space import Space


def order(space: Space, seed: int) -> Iterator[int]:  # noqa: ARG001 - all strategies are called alike
    """Numbers in lexicographic order: the last parameter changes fastest, values in the user's order."""
    return iter(range(space.numbers))
