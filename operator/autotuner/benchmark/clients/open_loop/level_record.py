"""Records the single requests of a level of an open loop, and says when there are enough."""

from __future__ import annotations

import time
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from autotuner.benchmark.clients.open_loop import saturation
from autotuner.benchmark.clients.outage import OutageWatch
from autotuner.benchmark.contract.level_run import (
    MIN_STEADY_REQUESTS,
    MIN_STEADY_SECONDS,
    LevelRun,
    Request,
    ramp_seconds,
)


class LevelRecord:
    """The single requests of a level.

    Args:
        index: of the level.
        scenario: its name.
        rate: requests per second that are asked for.
        max_requests: after which the level ends.
        started: when it did, by the monotonic clock.
    """

    def __init__(self, index: int, scenario: str, rate: float, max_requests: int, started: float) -> None:
        self._index, self._scenario, self._rate, self._started = index, scenario, rate, started
        self._max_requests = max_requests
        self._requests: list[Request] = []
        self._answers: list[float] = []
        self._sent: list[float] = []
        self._over: list[tuple[float, float]] = []
        self._watch = OutageWatch(1)
        self._saturated = ""

    def add(self, request: Request) -> None:
        """Record a request that was answered, failed or was cut off; one that hung until then has failed."""
        if request.cut and self._watch.hangs(request.end - request.start):
            request = replace(request, cut=False, error=f"no answer within {request.end - request.start:.0f} s")
        self._requests.append(request)
        if request.cut:
            return
        self._watch.add(request)
        insort(self._answers, request.end - request.start)
        insort(self._sent, request.start)
        self._over.append((request.start - self._started, request.end - self._started))

    @property
    def outage(self) -> str | None:
        """What is wrong, if for a while there was nothing but errors, or nothing at all; else None."""
        return self._watch.outage

    def saturates(self, due: Sequence[float], now: float) -> bool:
        """Whether the engine does not keep up with the rate; the record then says what showed it.

        Args:
            due: when the requests sent so far were due, in seconds from the start of the level.
            now: by the monotonic clock.
        """
        self._saturated = saturation.evidence(due, self._over, now - self._started)
        return bool(self._saturated)

    @property
    def enough(self) -> bool:
        """Whether the limit of requests is reached, with as many behind the ramp as in it: else the level is no use."""
        if len(self._answers) < self._max_requests:
            return False
        ramp_ended = self._started + ramp_seconds(self._answers)
        in_ramp = bisect_left(self._sent, ramp_ended)
        steady = len(self._sent) - in_ramp
        return steady >= max(MIN_STEADY_REQUESTS, in_ramp) and time.monotonic() - ramp_ended >= MIN_STEADY_SECONDS

    def write(self, folder: Path, cpu_seconds: float) -> Path:
        """Write the level to a file in the folder and return its path; the CPU time is that of the busiest process."""
        stopped = min((request.end for request in self._requests if request.cut), default=time.monotonic())
        late = sorted(request.late for request in self._requests)
        run = LevelRun(
            index=self._index,
            scenario=self._scenario,
            concurrency=0,
            rate=self._rate,
            started=self._started,
            stopped=stopped,
            counted_completed=sum(request.ok for request in self._requests),
            counted_errors=sum(request.failed for request in self._requests),
            client_cpu_seconds=cpu_seconds,
            client_lag_seconds=late[int(0.95 * (len(late) - 1))] if late else 0.0,
            saturated=self._saturated,
            outage=self.outage or "",
            requests=self._requests,
        )
        path = folder / f"level-{self._index}.json"
        run.write(path)
        return path
