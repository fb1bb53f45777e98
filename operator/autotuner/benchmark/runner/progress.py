"""What a benchmark has found so far."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from autotuner.api.experiment import Ladder, Level, TraceSummary
from autotuner.benchmark.contract.result import Failure, Result


@dataclass
class Progress:
    """What a benchmark has found so far; `result` makes a result of it at any time.

    Attributes:
        levels: the accepted ones, in the order measured.
        ladder: how it ended; None as long as it has not.
        note: for people: why it ended early.
        warnings: about levels that are valid.
        traces: what was read of each.
        engine_version: what the engine says of itself; empty if it says nothing.
        engine_ready, first_request, finished: Unix times in seconds.
        warmup_seconds, levels_seconds: spent on warm-up, and on all levels with their ramps.
    """

    levels: list[Level] = field(default_factory=list)
    ladder: Ladder | None = None
    note: str = ""
    warnings: list[str] = field(default_factory=list)
    traces: list[TraceSummary] = field(default_factory=list)
    engine_version: str = ""
    engine_ready: float | None = None
    first_request: float | None = None
    finished: float | None = None
    warmup_seconds: float = 0.0
    levels_seconds: float = 0.0

    def result(self, failure: Failure | None = None, message: str = "") -> Result:
        """The benchmark's result as of now: accepted, or failed if a kind of failure is given."""
        finished = self.finished or time.time()
        overhead = None
        if self.first_request is not None:
            overhead = max(0.0, finished - self.first_request - self.warmup_seconds - self.levels_seconds)
        broken = failure is not None and self.first_request is not None
        return Result(
            levels=tuple(self.levels),
            ladder="Broken" if broken else self.ladder,
            failure=failure,
            message=message or self.note,
            warnings=tuple(dict.fromkeys(self.warnings)),
            traces=tuple(self.traces),
            engine_version=self.engine_version,
            engine_ready=_rfc3339(self.engine_ready),
            first_request=_rfc3339(self.first_request),
            benchmark_finished=_rfc3339(finished),
            warmup_seconds=self.warmup_seconds,
            levels_seconds=self.levels_seconds,
            overhead_seconds=overhead,
        )


def _rfc3339(unix: float | None) -> str | None:
    if unix is None:
        return None
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
