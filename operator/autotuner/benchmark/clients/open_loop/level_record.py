"""Records the single requests of a level of an open loop, and says when there are enough."""

from __future__ import annotations

import time
from bisect import bisect_left, insort
from dataclasses import replace
from pathlib import Path

from autotuner.api.traffic_scenarios import Turns
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
        turns: of its sessions, if it has such.
    """

    def __init__(
        self, index: int, scenario: str, rate: float, max_requests: int, started: float, turns: Turns | None = None
    ) -> None:
        self._turns = (turns.count, turns.think_seconds) if turns else (1, 0.0)
        self._index, self._scenario, self._rate, self._started = index, scenario, rate, started
        self._max_requests = max_requests
        self._requests: list[Request] = []
        self._answers: list[float] = []
        self._sent: list[float] = []
        self._watch = OutageWatch(1)

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

    @property
    def outage(self) -> str | None:
        """What is wrong, if for a while there was nothing but errors, or nothing at all; else None."""
        return self._watch.outage

    @property
    def enough(self) -> bool:
        """Whether the limit of requests is reached, with as many behind the ramp as in it: else the level is no use."""
        if len(self._answers) < self._max_requests:
            return False
        ramp_ended = self._started + ramp_seconds(self._answers, *self._turns)
        in_ramp = bisect_left(self._sent, ramp_ended)
        steady = len(self._sent) - in_ramp
        return steady >= max(MIN_STEADY_REQUESTS, in_ramp) and time.monotonic() - ramp_ended >= MIN_STEADY_SECONDS

    def write(
        self, folder: Path, cpu_seconds: float, clipped: int = 0, repeated: int = 0, stopped: float | None = None
    ) -> Path:
        """Write the level to a file in the folder and return its path.

        Args:
            folder: of the file.
            cpu_seconds: of the busiest process.
            clipped: how many requests were shortened.
            repeated: how many recorded ones were sent again.
            stopped: when the last request was due, where all were answered; None: when the level was cut off.
        """
        cut = min((request.end for request in self._requests if request.cut), default=time.monotonic())
        stopped = cut if stopped is None else min(stopped, cut)
        late = sorted(request.late for request in self._requests)
        run = LevelRun(
            index=self._index,
            scenario=self._scenario,
            concurrency=0,
            rate=self._rate,
            turns=self._turns[0],
            think_seconds=self._turns[1],
            clipped=clipped,
            repeated=repeated,
            started=self._started,
            stopped=stopped,
            counted_completed=sum(request.ok for request in self._requests),
            counted_errors=sum(request.failed for request in self._requests),
            client_cpu_seconds=cpu_seconds,
            client_lag_seconds=late[int(0.95 * (len(late) - 1))] if late else 0.0,
            outage=self.outage or "",
            requests=self._requests,
        )
        path = folder / f"level-{self._index}.json"
        run.write(path)
        return path
