"""What to measure next: a pure function of the space, what has been measured, and a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Literal

from autotuner.search import grid, sampling
from autotuner.search.record import Outcome, Record
from autotuner.search.space import Configuration, Dimension, Facts, Rendered, Space

__all__ = [
    "Configuration",
    "Dimension",
    "Facts",
    "Outcome",
    "Record",
    "Rendered",
    "Space",
    "Strategy",
    "suggest",
]

Strategy = Literal["Random", "Grid"]

_ORDERS: Mapping[Strategy, Callable[[Space, int], Iterator[int]]] = {"Grid": grid.order, "Random": sampling.order}


def suggest(
    strategy: Strategy,
    space: Space,
    records: Sequence[Record],
    pending: Sequence[Configuration],
    count: int,
    seed: int,
) -> list[Configuration]:
    """The next configurations to measure: the first of the strategy's order that are not taken.

    Proposals depend on nothing but the arguments, so a restarted operator goes on exactly where it was.

    Args:
        strategy: how configurations are chosen.
        space: what there is to choose from.
        records: experiments that have ended. Their configurations are taken however they ended: one that the
            environment spoiled is tried again by a retry, never by a new proposal.
        pending: configurations being measured; taken too.
        count: how many are wanted.
        seed: of the task.

    Returns:
        At most `count` configurations, all different; fewer when the space is exhausted.
    """
    tried = [record.configuration for record in records if record.configuration is not None]
    taken = {space.identity(configuration) for configuration in [*tried, *pending]}
    found = (space.at(index) for index in _ORDERS[strategy](space, seed))
    free = (one for one in found if one is not None and space.identity(one) not in taken)
    return list(islice(free, max(0, count)))
