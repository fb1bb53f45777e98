"""Which of the experiments that wait start now: few accelerators stay idle, and none waits for ever. Pure.

All that wait are wanted anyway, so those start that use the most of what is free; of equal choices the one with the
experiments that are wanted first. While the first of them does not fit, others pass it over, but only a few: then room
is kept for it. It is promised what is free and what the oldest running experiments hold, and others may take only what
it does not need of that. Younger ones never join those it waits for, so it starts once the oldest have ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Room:
    """What is there for experiments of a task.

    Attributes:
        slots: how many more may run.
        most: accelerators that all may hold together; None for any number.
        held: accelerators of each that is running, the oldest first.
    """

    slots: int
    most: int | None = None
    held: tuple[int, ...] = ()

    @property
    def free(self) -> int | None:
        """Accelerators that nobody holds, none where more are held than allowed by now; None for any number."""
        return None if self.most is None else max(0, self.most - sum(self.held))


@dataclass(frozen=True)
class Packing:
    """Who starts now.

    Attributes:
        start: places in the queue, in its order.
        passed_over: how many others have started since the first of the queue began to wait for accelerators.
    """

    start: tuple[int, ...]
    passed_over: int = 0


def pack(queue: Sequence[int], room: Room, passed_over: int, patience: int) -> Packing:
    """Say who starts now.

    Args:
        queue: accelerators that each experiment needs, the one that is wanted first at the front.
        room: that there is.
        passed_over: what the last packing said.
        patience: how many others may start before the first; then room is kept for it.
    """
    if not queue or room.slots <= 0:
        return Packing((), passed_over)
    free = room.free
    if free is None:
        return Packing(tuple(range(min(len(queue), room.slots))))
    if passed_over < patience:
        start = _fullest(queue, room.slots, free)
        return Packing(start, _counted(start, passed_over))
    if queue[0] <= free:
        others = _fullest(queue[1:], room.slots - 1, free - queue[0])
        return Packing((0, *(place + 1 for place in others)))
    spare = min(free, _unneeded(queue[0], free, room.held))
    start = tuple(place + 1 for place in _fullest(queue[1:], room.slots, spare))
    return Packing(start, passed_over)


def _counted(start: tuple[int, ...], passed_over: int) -> int:
    return 0 if 0 in start else passed_over + len(start)


def _unneeded(wanted: int, free: int, held: Sequence[int]) -> int:
    """Accelerators that are left beside what is wanted, once as few of the oldest as necessary have ended."""
    for count in held:
        if free >= wanted:
            break
        free += count
    return max(0, free - wanted)


def _fullest(queue: Sequence[int], slots: int, free: int) -> tuple[int, ...]:
    """The places of those that use the most of what is free, in at most so many slots; of equal choices the first."""

    @cache
    def used(place: int, slots: int, free: int) -> int:
        if place == len(queue) or slots == 0 or free == 0:
            return 0
        without = used(place + 1, slots, free)
        if queue[place] > free:
            return without
        return max(queue[place] + used(place + 1, slots - 1, free - queue[place]), without)

    chosen = []
    for place, wanted in enumerate(queue):
        if slots and wanted <= free and wanted + used(place + 1, slots - 1, free - wanted) == used(place, slots, free):
            chosen.append(place)
            slots, free = slots - 1, free - wanted
    return tuple(chosen)
