"""The soft SLOs that a configuration breaks, by all the runs that its value is of."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from autotuner.policy.evidence.measurements import Measured
from autotuner.scoring import Violation


def broken(runs: Iterable[Measured]) -> list[str] | None:
    """The broken soft SLOs, each by how much at worst, as `TTFT P99 500ms by 22%`; None if all are kept."""
    worst: dict[Hashable, Violation] = {}
    for found in (found for run in runs if run.score is not None for found in run.score.broken_soft):
        held = worst.get(found.promise)
        if held is None or found.relative > held.relative:
            worst[found.promise] = found
    return [found.brief for found in worst.values()] or None
