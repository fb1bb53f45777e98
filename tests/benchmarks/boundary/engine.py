"""Levels of the simulated engine in virtual time: its own model, the product's own figures, no clock."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from heapq import heappop, heappush

from autotuner.api.experiment import Level
from autotuner.benchmark.clients.open_loop import saturation
from autotuner.benchmark.clients.open_loop.arrivals import due_times
from autotuner.benchmark.contract.level_run import LevelRun, Request, ramp_seconds
from autotuner.benchmark.contract.spec import RunnerArrivals
from autotuner.benchmark.runner.level_figures import LevelLimits, judge
from autotuner.simulator.config import EngineConfig
from autotuner.simulator.scheduler import Sequence, SimulatedEngine, Step
from autotuner.simulator.virtual_time import Workload

_LOOK_SECONDS = 2.0


@dataclass(frozen=True)
class Measured:
    """A level, and how long it took in virtual seconds."""

    level: Level
    seconds: float


class _Run:
    """One level: what was sent, what is over, and the engine's next step."""

    def __init__(self, config: EngineConfig, workload: Workload, seed: str, prompts: str) -> None:
        self.engine = SimulatedEngine(config, seed)
        self.step: tuple[float, Step] | None = None
        self.waiting: list[tuple[float, int, int]] = []
        self.sent: dict[Sequence, tuple[int, float]] = {}
        self.over: list[Request] = []
        self.number = 0
        self._first: dict[Sequence, float] = {}
        self._workload = workload
        self._draw = random.Random(prompts)

    def arrive(self, user: int, now: float) -> None:
        """A request reaches the engine; an idle one starts at once."""
        prompt, output = self._workload.sample(self._draw)
        sequence = Sequence(prompt, output)
        self.sent[sequence] = (user, now)
        self.engine.submit(sequence)
        if self.step is None:
            self._plan(now)

    def advance(self) -> Iterator[tuple[int, float]]:
        """Finish the step; the users whose answers are over, and when."""
        assert self.step is not None, "it is planned"
        now, step = self.step
        for sequence in step.completing:
            self._first.setdefault(sequence, now)
        for sequence in self.engine.finish(step):
            user, start = self.sent.pop(sequence)
            counts = (sequence.prompt, sequence.output, sequence.output, True)
            self.over.append(Request(user, start, self._first.pop(sequence), now, *counts))
            yield user, now
        self._plan(now)

    def cut(self, now: float) -> list[Request]:
        """All requests; those under way are cut off."""
        return [*self.over, *(Request(user, start, now, now, cut=True) for user, start in self.sent.values())]

    def _plan(self, now: float) -> None:
        step = self.engine.begin()
        self.step = None if step is None else (now + step.duration, step)


@dataclass(frozen=True)
class Load:
    """What every level of a benchmark has in common.

    Attributes:
        workload: the shapes of requests.
        requests: after which a level ends.
        minutes: after which it ends, too.
    """

    workload: Workload
    requests: int = 400
    minutes: int = 2


def users(config: EngineConfig, load: Load, count: int, seed: str, prompts: str) -> Measured:
    """A level of a closed loop."""
    run = _Run(config, load.workload, seed, f"{prompts}/{count}")
    for user in range(count):
        run.arrive(user, 0.0)
    now = 0.0
    while now < 60 * load.minutes and len(run.over) < max(load.requests, 3 * count):
        for user, now in list(run.advance()):
            run.arrive(user, now)
        now = run.step[0] if run.step else now
    return _judged(run, now, load, LevelRun(0, "chat", count, 0.0, now))


def rate(config: EngineConfig, load: Load, per_second: float, seed: str, prompts: str) -> Measured:
    """A level of an open loop; it ends early where the engine does not keep up."""
    run = _Run(config, load.workload, seed, f"{prompts}/{per_second}")
    times = due_times(RunnerArrivals(), per_second, (prompts, per_second))
    heappush(run.waiting, (next(times), 0, 0))
    now, looked, words, enough = 0.0, 0.0, "", 0
    due: list[float] = []
    while now < 60 * load.minutes:
        if now - looked >= max(_LOOK_SECONDS, now / 20):
            looked = now
            if words := saturation.evidence(due, [(one.start, one.end) for one in run.over], now):
                break
        # As the load client does: a level goes on until as many requests are behind its ramp as in it.
        if len(run.over) >= max(load.requests, enough) and (enough := _wanted(run)) <= len(run.over):
            break
        if run.step is None or run.waiting[0][0] < run.step[0]:
            now, number, _ = heappop(run.waiting)
            due.append(now)
            run.arrive(number, now)
            heappush(run.waiting, (next(times), number + 1, 0))
        else:
            now = run.step[0]
            list(run.advance())
    return _judged(run, now, load, LevelRun(0, "chat", 0, 0.0, now, rate=per_second, saturated=words))


def _wanted(run: _Run) -> int:
    """The answers that a level of an open loop needs: twice those to requests of its ramp."""
    ramp = ramp_seconds(sorted(one.end - one.start for one in run.over))
    return 2 * sum(one.start < ramp for one in run.over) + 1


def _judged(run: _Run, now: float, load: Load, blank: LevelRun) -> Measured:
    whole = replace(blank, requests=run.cut(now), counted_completed=len(run.over))
    found = judge(whole, LevelLimits(load.minutes, holds_length=True))
    assert found.level is not None, found.problem
    return Measured(found.level, now)
