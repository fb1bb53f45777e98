"""What to measure next: a pure function of the space, what has been measured, and a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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

# Configurations in a row that only repeat others, of some tens of microseconds each, before they are proposed.
_PATIENCE = 4096


@dataclass(frozen=True)
class Proposal:
    """What a search would measure next, and whether going on is worth it.

    Attributes:
        configurations: to measure, the most promising first; none where the space is exhausted.
        expected_gain: what ten more experiments are expected to gain over the best so far, as a share of its worth
            (0.008: 0.8 %); None where nothing can be said: until ten experiments after something is feasible, with
            fewer than two experiments for each parameter, with several objectives, and by strategies without a model.
    """

    configurations: list[Configuration]
    expected_gain: float | None


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
    beside: Sequence[Configuration] = (),
) -> Proposal:
    """Propose the next configurations to measure.

    Proposals depend on nothing but the arguments, so a restarted operator goes on exactly where it was.

    Args:
        strategy: how configurations are chosen: Bayesian learns from the records; the others have a fixed order.
        space: what there is to choose from.
        records: experiments that have ended, in the order in which they were proposed; only the expected gain depends
            on it. Their configurations are taken however they ended: one that the environment spoiled is tried again
            by a retry, never by a new proposal.
        pending: configurations being measured; taken too.
        count: how many are wanted.
        seed: of the task.
        maximise: for each objective, whether more of it is better. Only for Bayesian, as:
        starts: configurations to begin with, the most promising first.
        beside: configurations near which nothing needs to be learnt in the beginning: something like them is known.

    Returns:
        At most `count` configurations, all different; fewer when the space is exhausted. Those that differ from others
        only in flags without effect come last.
    """
    taken = _Taken(space, records, pending)
    found: list[Configuration] = []
    gain = None
    while strategy == "Bayesian" and len(found) < count:
        asked = bayesian.propose(space, records, [*pending, *found], seed, maximise, starts, beside)
        gain = gain if found else asked.expected_gain
        if asked.configuration is None:
            break
        taken.take(asked.configuration)
        found.append(asked.configuration)
    return Proposal([*found, *taken.first(_ORDERS[strategy](space, seed), count - len(found))], gain)


class _Taken:
    """What is not proposed any more."""

    def __init__(self, space: Space, records: Sequence[Record], pending: Sequence[Configuration]) -> None:
        tried = [record.configuration for record in records if record.configuration is not None]
        self._space = space
        self._identities = {space.identity(one) for one in [*tried, *pending]}
        self._effects = {space.effective_identity(one) for one in [*tried, *pending]}

    def take(self, one: Configuration) -> bool:
        """Take a configuration that is not taken yet; False if it can only repeat what another one does."""
        self._identities.add(self._space.identity(one))
        effect = self._space.effective_identity(one)
        new = effect not in self._effects
        self._effects.add(effect)
        return new

    def first(self, order: Iterator[Configuration], count: int) -> list[Configuration]:
        """The first configurations of an order that are not taken; those that only repeat others last.

        Where so many in a row only repeat others, hardly anything else is left: these are taken then.
        """
        found: list[Configuration] = []
        repeats: list[Configuration] = []
        vain = 0
        for one in order if count > 0 else ():
            if self._space.identity(one) in self._identities:
                continue
            new = self.take(one)
            (found if new else repeats).append(one)
            vain = 0 if new else vain + 1
            if len(found) == count or (vain >= _PATIENCE and len(found) + len(repeats) >= count):
                break
        return [*found, *repeats][: max(count, 0)]
