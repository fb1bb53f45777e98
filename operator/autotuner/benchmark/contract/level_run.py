"""What a load client records of a level, and the file in which it hands that to the runner."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path

# Behind every user's first request, which is the ramp, there must be so much for a level to be of use: clients go on
# until there is, the runner accepts nothing less.
MIN_STEADY_REQUESTS = 5
MIN_STEADY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a load client's user; times in seconds of the client's monotonic clock."""

    user: int
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


@dataclass(frozen=True)
class LevelRun:
    """Everything that a load client recorded at one scenario and concurrency; `counted_*` are its own counts."""

    index: int
    scenario: str
    concurrency: int
    started: float
    stopped: float
    counted_completed: int = 0
    counted_errors: int = 0
    client_cpu_seconds: float = 0.0
    client_lag_seconds: float = 0.0
    """95th percentile of how late the client's event loop was."""
    client_capacity: float | None = None
    """Requests per second from which on the client's own delay shows in TTFT; None if it is not known."""
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
