"""Whose turn it is where the experiments of all tasks may hold only so much together. Pure.

The namespace that holds the smallest share goes first, by the larger of its shares of accelerators and of experiments
(dominant resource fairness, Ghodsi et al. 2011); in it, who has waited longest. Room is kept for who is first: nobody
passes it over, so that nobody waits for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class OverallLimits:
    """What the experiments of all tasks may hold together; None for any number.

    Attributes:
        accelerators: the setting `limits.maxGPUs`.
        experiments: the setting `limits.maxExperiments`.
    """

    accelerators: int | None = None
    experiments: int | None = None

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return self.accelerators is not None or self.experiments is not None

    def allow(self, held: Held, accelerators: int) -> bool:
        """Whether one more experiment may hold so many accelerators beside what is held."""
        within = self.accelerators is None or held.accelerators + accelerators <= self.accelerators
        return within and (self.experiments is None or held.experiments < self.experiments)

    def share(self, held: Held) -> float:
        """The larger of the shares that are held."""
        shares = ((held.accelerators, self.accelerators), (held.experiments, self.experiments))
        return max((count / most for count, most in shares if most is not None), default=0.0)


@dataclass(frozen=True)
class Held:
    """What experiments hold together."""

    accelerators: int = 0
    experiments: int = 0

    def and_one(self, accelerators: int) -> Held:
        """This and an experiment with so many accelerators."""
        return Held(self.accelerators + accelerators, self.experiments + 1)


@dataclass(frozen=True)
class Holder:
    """An experiment that holds accelerators, or soon will."""

    namespace: str
    accelerators: int


@dataclass(frozen=True)
class Waiter:
    """A task, or an experiment without one, that wants to start an experiment.

    Attributes:
        name: that tells it from all others.
        namespace: of it.
        accelerators: of the experiment.
        since: when it began to wait, as a timestamp.
    """

    name: str
    namespace: str
    accelerators: int
    since: str


def in_turn(limits: OverallLimits, holders: Iterable[Holder], waiters: Iterable[Waiter]) -> list[Waiter]:
    """Those that may start now, in the order in which it is their turn.

    Args:
        limits: of all.
        holders: everybody who holds something.
        waiters: everybody who waits; who needs more than there can ever be is left out.
    """
    holders = list(holders)
    held, found = _sum(holders), []
    for one in _ordered(limits, holders, [one for one in waiters if limits.allow(Held(), one.accelerators)]):
        if not limits.allow(held, one.accelerators):
            break
        held = held.and_one(one.accelerators)
        found.append(one)
    return found


def explanation(limits: OverallLimits, holders: Iterable[Holder], waiters: Iterable[Waiter], own: Waiter) -> str:
    """Why it is not the turn of one of the waiters, for people.

    `waits for its turn: 16 of 16 GPUs of limits.maxGPUs are in use by 5 experiments; 3 wait before it`
    """
    holders, waiters = list(holders), list(waiters)
    if not limits.allow(Held(), own.accelerators):
        return (
            f"needs {own.accelerators} GPUs, and limits.maxGPUs of the operator lets all experiments hold"
            f" {limits.accelerators} together: ask for more"
        )
    held = _sum(holders)
    who = f"{held.experiments} experiment{'s' if held.experiments != 1 else ''}"
    parts = []
    if limits.experiments is not None and held.experiments >= limits.experiments:
        parts.append(f"{held.experiments} of {limits.experiments} experiments of limits.maxExperiments are running")
    elif limits.accelerators is not None:
        more = f", and it needs {own.accelerators}" if held.accelerators < limits.accelerators else ""
        parts.append(f"{held.accelerators} of {limits.accelerators} GPUs of limits.maxGPUs are in use by {who}{more}")
    else:
        parts.append(f"{who} running")
    before = next((place for place, one in enumerate(_ordered(limits, holders, waiters)) if one == own), 0)
    if before:
        parts.append(f"{before} wait{'s' if before == 1 else ''} before it")
    return f"waits for its turn: {'; '.join(parts)}"


def _sum(holders: Iterable[Holder]) -> Held:
    held = Held()
    for one in holders:
        held = held.and_one(one.accelerators)
    return held


def _ordered(limits: OverallLimits, holders: Iterable[Holder], waiters: Sequence[Waiter]) -> Iterator[Waiter]:
    """The waiters in the order of their turns; whose turn it was holds something from then on."""
    queues: dict[str, list[Waiter]] = {}
    for one in sorted(waiters, key=lambda one: (one.since, one.name), reverse=True):
        queues.setdefault(one.namespace, []).append(one)
    held = dict.fromkeys(queues, Held())
    for holder in holders:
        if holder.namespace in held:
            held[holder.namespace] = held[holder.namespace].and_one(holder.accelerators)
    while queues:
        namespace = min(queues, key=lambda name: (limits.share(held[name]), queues[name][-1].since, name))
        one = queues[namespace].pop()
        held[namespace] = held[namespace].and_one(one.accelerators)
        if not queues[namespace]:
            del queues[namespace]
        yield one
