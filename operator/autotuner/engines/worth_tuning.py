"""Flags that are worth a search where nobody says which: what to try of each, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autotuner.engines.arguments import Value

_LARGE_MIB = 70 * 1024  # where both engines begin to take larger batches by themselves


@dataclass(frozen=True)
class Workload:
    """What the values to try depend on.

    Attributes:
        users: the most that send requests at the same time.
        memory_mib: of one accelerator; None if unknown.
    """

    users: int
    memory_mib: float | None

    @property
    def large(self) -> bool:
        """Whether an accelerator has room for large batches; one of unknown memory counts as one of 80 GiB."""
        return self.memory_mib is None or self.memory_mib >= _LARGE_MIB


@dataclass(frozen=True)
class WorthTuning:
    """A flag that is worth a search.

    Attributes:
        flag: by its canonical name.
        values: to try, besides the one that runs today; all numbers, or all words.
        why: what it trades for what, as a sentence without its full stop.
    """

    flag: str
    values: Callable[[Workload], Sequence[Value]]
    why: str


def around_users(workload: Workload) -> list[Value]:
    """Limits of running requests: from a quarter of the users to twice as many, as powers of two, at least 8.

    Above that a limit is never met; what an engine reserves for it, it takes from the cache.
    """
    nearest = 2 ** max(3, (workload.users - 1).bit_length())
    return [limit for limit in (nearest // 4, nearest // 2, nearest, nearest * 2) if limit >= 8]


def tokens_of_a_step(workload: Workload) -> list[Value]:
    """Tokens that an engine works on at once: on small accelerators half of what large ones take."""
    return [2048, 4096, 8192, 16384] if workload.large else [1024, 2048, 4096, 8192]
