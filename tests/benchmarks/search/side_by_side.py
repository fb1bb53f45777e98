"""Which of the experiments that run side by side ends next.

An experiment lasts as long as its engine needs to start, and as the requests of its levels take: slow configurations
end late. One that crashes does so while it starts.
"""

from __future__ import annotations

import heapq

import numpy as np

from autotuner.policy.evidence.measurements import Measured
from tests.benchmarks.search.task import Task

_TIME_STREAM = 78
_START_SECONDS, _START_DEVIATION = 300.0, 0.3


class SideBySide:
    """A number of places for experiments of a task, and a clock."""

    def __init__(self, task: Task, places: int, seed: int, *, together: bool) -> None:
        """Begin with all places free.

        Args:
            task: whose experiments they are.
            places: how many experiments run at the same time.
            seed: of the task.
            together: whether all places are given anew at once, after the last experiment has ended, instead of each
                when its own has.
        """
        self._task, self._places, self._together = task, places, together
        self._generator = np.random.default_rng([seed, _TIME_STREAM])
        self._now = 0.0
        self._ends: list[tuple[float, int, Measured]] = []

    @property
    def free(self) -> int:
        """How many experiments may begin now."""
        return 0 if self._together and self._ends else self._places - len(self._ends)

    def begin(self, one: Measured) -> None:
        """Give a place to one that the task has begun."""
        heapq.heappush(self._ends, (self._now + self._seconds(one), one.index, one))

    def end_next(self) -> bool:
        """Wait until the next one has ended, and let the task know; False if none is running."""
        if not self._ends:
            return False
        self._now, _, one = heapq.heappop(self._ends)
        self._task.end(one)
        return True

    def _seconds(self, one: Measured) -> float:
        """How long an experiment takes; two numbers are drawn, whatever comes of it."""
        normal, share = self._generator.standard_normal(), self._generator.random()
        start = float(_START_SECONDS * np.exp(_START_DEVIATION * normal))
        if one.outcome == "crash":
            return start * float(share)
        # Of each level, one round of requests after the other.
        rounds = ((level.requests / level.concurrency, level.e2e_latency_seconds) for level in one.status.levels or ())
        return start + sum(count * latency.mean for count, latency in rounds if latency)
