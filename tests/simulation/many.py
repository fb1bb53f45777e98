"""Plays many histories in several processes, and adds up what came of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context

from tests.simulation.plays import Outcome, play


@dataclass(frozen=True)
class Until:
    """When there were enough; None where that does not matter.

    Attributes:
        histories: that were played.
        passes: reconciles that wrote.
        minutes: that passed.
    """

    histories: int | None = None
    passes: int | None = None
    minutes: float | None = None


@dataclass
class Total:
    """What came of many histories."""

    histories: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count a history."""
        self.histories += 1
        self.cpu += outcome.cpu
        self.counts += outcome.counts
        self.happened += outcome.happened
        self.reasons += outcome.reasons
        if outcome.broken:
            line = f"seed {outcome.seed}: {outcome.broken[0]}"
            self.broken.append(line)
            print(f"{line}\n  again: python -m tests.simulation --seed {outcome.seed} --trace", flush=True)

    def enough(self, until: Until, begun: float) -> bool:
        """Whether there were enough."""
        return (
            (until.histories is not None and self.histories >= until.histories)
            or (until.passes is not None and self.counts["acting"] >= until.passes)
            or (until.minutes is not None and time.monotonic() - begun >= until.minutes * 60)
        )

    def table(self) -> str:
        """What people read at the end."""
        acting, wall = self.counts["acting"], max(self.seconds, 1e-9)
        return "\n".join(
            [
                _line("what went wrong", self.happened),
                _line("how it ended", self.reasons),
                f"{self.histories} histories, {self.counts['reconciles']} reconciles, {self.counts['crashes']} crashes"
                f" of the operator",
                f"{acting} reconciles wrote in {wall:.0f} s: {acting / wall:.0f} a second"
                f" ({acting / max(self.cpu, 1e-9):.0f} a second of CPU)",
                f"{len(self.broken)} histories broke an invariant",
            ]
        )


def _line(what: str, counts: Counter[str]) -> str:
    return f"{what}: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def run(seeds: Iterable[int], until: Until, jobs: int) -> Total:
    """Play the histories of these seeds, in their order, until there were enough."""
    total, begun = Total(), time.monotonic()
    with get_context("fork").Pool(jobs) as pool:
        numbers = seeds if until.histories is None else islice(seeds, until.histories)
        for outcome in pool.imap_unordered(play, _bounded(numbers, total, jobs)):
            total.add(outcome)
            if total.enough(until, begun):
                break
    total.seconds = time.monotonic() - begun
    return total


def _bounded(seeds: Iterable[int], total: Total, jobs: int) -> Iterable[int]:
    """The seeds, no further ahead of what is done than the processes need: an endless row must not fill the memory."""
    for given, seed in enumerate(seeds):
        while given - total.histories > 8 * jobs:
            time.sleep(0.01)
        yield seed
