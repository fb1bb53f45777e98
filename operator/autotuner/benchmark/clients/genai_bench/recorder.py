"""Records the single requests of a level, for the runner to judge."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

from autotuner.benchmark.clients.outage import OutageWatch
from autotuner.benchmark.contract.level_run import MIN_STEADY_REQUESTS, MIN_STEADY_SECONDS, LevelRun, Request

# Measured with one process of genai-bench 0.0.5: from about here on its own delay shows in TTFT.
CLIENT_CAPACITY = 150.0


class Recorder:
    """The single requests of the level that is running."""

    def __init__(self, max_requests: int) -> None:
        self._max_requests = max_requests
        self.begin(-1, "", 1)

    def begin(self, index: int, scenario: str, concurrency: int) -> None:
        """Start recording a level."""
        self._index, self._scenario, self._concurrency = index, scenario, concurrency
        self._requests: list[Request] = []
        self._users = itertools.count()
        self._last_end: dict[int, float] = {}
        self._finished = self._steady = 0
        self._steady_user_seconds = 0.0
        self._watch = OutageWatch(concurrency)
        self._lateness: list[float] = []
        self._started, self._cpu = time.monotonic(), time.process_time()

    def next_user(self) -> int:
        """The number of a user that joins."""
        return next(self._users)

    def add(self, request: Request) -> None:
        """Record a request that was answered, failed or was cut off."""
        self._requests.append(request)
        if request.cut:
            return
        self._finished += 1
        self._watch.add(request)
        if request.user in self._last_end:
            self._steady += request.ok
            self._steady_user_seconds += request.end - self._last_end[request.user]
        self._last_end[request.user] = request.end

    def late_by(self, seconds: float) -> None:
        """Record that the event loop came back so many seconds later than asked."""
        self._lateness.append(seconds)

    @property
    def outage(self) -> str | None:
        """What is wrong, if for a while there was nothing but errors, or nothing at all; else None."""
        return self._watch.outage

    @property
    def enough(self) -> bool:
        """Whether the limit of requests is reached, with a round of them behind the ramp: else the level is no use."""
        return (
            self._finished >= self._max_requests
            and self._steady >= max(MIN_STEADY_REQUESTS, self._concurrency)
            and self._steady_user_seconds >= MIN_STEADY_SECONDS * self._concurrency
        )

    def finish(self, folder: Path, completed: int, errors: int, clipped: int = 0, repeated: int = 0) -> Path:
        """Write the level to a file in the folder and return its path; the counts are genai-bench's own."""
        stopped = min((r.end for r in self._requests if r.cut), default=time.monotonic())
        lateness = sorted(self._lateness)
        run = LevelRun(
            index=self._index,
            scenario=self._scenario,
            concurrency=self._concurrency,
            started=self._started,
            stopped=stopped,
            counted_completed=completed,
            counted_errors=errors,
            client_cpu_seconds=time.process_time() - self._cpu,
            client_lag_seconds=lateness[int(0.95 * (len(lateness) - 1))] if lateness else 0.0,
            client_capacity=CLIENT_CAPACITY,
            clipped=clipped,
            repeated=repeated,
            outage=self.outage or "",
            requests=self._requests,
        )
        path = folder / f"level-{self._index}.json"
        run.write(path)
        return path
