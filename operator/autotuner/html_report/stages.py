"""Where the time of an experiment went: waiting, pulling, starting, measuring, releasing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from autotuner import clock
from autotuner.policy.evidence.measurements import Measured

# Name -> what it means; in the order in which an experiment goes through them.
STAGES: Mapping[str, str] = {
    "queue": "waits for a node; holds no accelerator",
    "pull": "from the node to the start of the container: volumes and the image",
    "start": "the engine starts and loads its weights",
    "benchmark": "measuring, from the engine's first answer on",
    "release": "everything is deleted; ends when no pod is left",
}


@dataclass(frozen=True)
class Span:
    """One stage of one experiment.

    Attributes:
        stage: its name.
        start: of it.
        end: of it; for what still runs, the time of the report.
    """

    stage: str
    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.end - self.start).total_seconds()


def spans(run: Measured, now: datetime) -> list[Span]:
    """The stages that an experiment went through, without gaps; none where nothing is known of its times.

    What an experiment was in when it failed lasts until its pods are gone: nothing tells when the release began.

    Args:
        run: the experiment.
        now: until when what still runs has lasted.
    """
    times = run.status.times
    if run.begun is None or times is None:
        return []
    reached = (
        ("queue", run.begun),
        ("pull", times.scheduled),
        ("start", times.container_started),
        ("benchmark", times.engine_ready),
        ("release", times.benchmark_finished),
    )
    begun = [(stage, clock.parse(at)) for stage, at in reached if at is not None]
    over = times.pods_gone or times.released or run.ended
    end = clock.parse(over) if over else now
    found, last = [], begun[0][1]
    for number, (stage, at) in enumerate(begun):
        start = max(at, last)
        until = max(start, begun[number + 1][1]) if number + 1 < len(begun) else max(start, end)
        if until > start:
            found.append(Span(stage, start, until))
        last = until
    return found


def accelerator_seconds(runs: Iterable[tuple[Measured, list[Span]]]) -> dict[str, float]:
    """Accelerator-seconds of each stage over all experiments; the queue holds none."""
    total = dict.fromkeys(STAGES, 0.0)
    for run, found in runs:
        for span in found:
            total[span.stage] += 0.0 if span.stage == "queue" else span.seconds * run.held
    return total
