"""What to measure next: a pure function of the space, what has been measured, and a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Literal

from autotuner.search import bayesian, enumeration_orders
from autotuner.search.experiment_record import Record
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space

Strategy = Literal["Bayesian", "Random", "Grid"]

# What Bayesian search, which looks at a sample of a large space, does not find, is proposed in random order.
_ORDERS: Mapping[Strategy, Callable[[Space, int], Iterator[Configuration]]] = {
    "Bayesian": enumeration_orders.random_order,
    "Grid": enumeration_orders.grid_order,
    "Random": enumeration_orders.random_order,
}


def suggest(
    strategy: Strategy,
    space: Space,
    records: Sequence[Record],
    pending: Sequence[Configuration],
    count: int,
    seed: int,
    *,
    maximise: Sequence[bool] = (True,),
    starts: Sequence[Configuration] = (),
) -> list[Configuration]:
    """Propose the next configurations to measure.

    Proposals depend on nothing but the arguments, so a restarted operator goes on exactly where it was.

    Args:
        strategy: how configurations are chosen: Bayesian learns from the records; the others have a fixed order.
        space: what there is to choose from.
        records: experiments that have ended. Their configurations are taken however they ended: one that the
            environment spoiled is tried again by a retry, never by a new proposal.
        pending: configurations being measured; taken too.
        count: how many are wanted.
        seed: of the task.
        maximise: for each objective, whether more of it is better. Only for Bayesian, as:
        starts: configurations to begin with, the most promising first.

    Returns:
        At most `count` configurations, all different; fewer when the space is exhausted.
    """
    found: list[Configuration] = []
    if strategy == "Bayesian":
        while len(found) < count:
            proposal = bayesian.propose(space, records, [*pending, *found], seed, maximise, starts)
            if proposal is None:
                break
            found.append(proposal)
    return [*found, *_in_order(strategy, space, records, [*pending, *found], count - len(found), seed)]


def _in_order(
    strategy: Strategy,
    space: Space,
    records: Sequence[Record],
    pending: Sequence[Configuration],
    count: int,
    seed: int,
) -> list[Configuration]:
    """The first configurations of the strategy's order that are not taken."""
    if count <= 0:
        return []
    tried = [record.configuration for record in records if record.configuration is not None]
    taken = {space.identity(configuration) for configuration in [*tried, *pending]}
    free = (one for one in _ORDERS[strategy](space, seed) if space.identity(one) not in taken)
    return list(islice(free, count))
