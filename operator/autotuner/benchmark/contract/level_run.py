"""What a load client records of a level, and the file in which it hands that to the runner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path

# Behind the ramp, which is every user's first request or the first answers of an open loop, there must be so much for a
# level to be of use: clients go on until there is, the runner accepts nothing less.
MIN_STEADY_REQUESTS = 5
MIN_STEADY_SECONDS = 0.5
RAMP_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a load client; times in seconds of the client's monotonic clock."""

    user: int
    """The number of the user; in an open loop, where nobody waits for an answer, that of the request."""
    start: float
    first: float
    """When the first token arrived; the end if none did."""
    end: float
    """When the request was answered, had failed, or was cut off by the end of the level."""
    input_tokens: int = 0
    output_tokens: int = 0
    asked: int = 0
    """Output tokens asked for; 0 if the engine was to decide."""
    usage: bool = False
    """The engine itself counted the tokens."""
    error: str = ""
    cut: bool = False
    late: float = 0.0
    """Seconds from when the request was due to when it was sent; only an open loop has such a time."""

    @property
    def ok(self) -> bool:
        """Whether the request was answered."""
        return not self.cut and not self.error

    @property
    def failed(self) -> bool:
        """Whether the request ended in an error."""
        return not self.cut and bool(self.error)

    @property
    def seconds_per_token(self) -> float | None:
        """Mean time per output token after the first; None where there is none, or it came in one piece."""
        if self.output_tokens < 2 or self.end - self.first < 0.001:
            return None
        return (self.end - self.first) / (self.output_tokens - 1)


def ramp_seconds(answers: Sequence[float]) -> float:
    """How long the first requests of an open loop find an engine that is emptier than later: 90 % of answers end in it.

    Args:
        answers: the durations of requests, in ascending order.
    """
    return answers[int(RAMP_SHARE * (len(answers) - 1))] if answers else 0.0


@dataclass(frozen=True)
class LevelRun:
    """Everything that a load client recorded at one level; `counted_*` are its own counts."""

    index: int
    scenario: str
    concurrency: int
    """Users of a closed loop; 0 in an open one."""
    started: float
    stopped: float
    rate: float = 0.0
    """Requests per second that were asked for in an open loop; 0 in a closed one."""
    counted_completed: int = 0
    counted_errors: int = 0
    client_cpu_seconds: float = 0.0
    """Of the process that used most."""
    client_lag_seconds: float = 0.0
    """95th percentile of how late the client's event loop was; an open loop's requests say it themselves."""
    client_capacity: float | None = None
    """Requests per second from which on the client's own delay shows in TTFT; None if it is not known."""
    saturated: str = ""
    """What showed that the engine does not keep up with the rate, for which the level ended early; else empty."""
    outage: str = ""
    """What happened, if in the end the engine did not answer any more."""
    requests: list[Request] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write this run to a file, so that a reader sees all or nothing."""
        body = asdict(self) | {"requests": [astuple(r) for r in self.requests]}
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(body))
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> LevelRun:
        """The run in a file that `write` wrote."""
        body = json.loads(path.read_text())
        known = {f.name for f in fields(cls)}
        return cls(
            **{k: v for k, v in body.items() if k in known} | {"requests": [Request(*r) for r in body["requests"]]}
        )
