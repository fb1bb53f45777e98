"""The part of a level that counts: without its ramp, and with what its end cut off. Pure.

A closed loop: each of C users sends its next request as soon as the last one is answered. Per user, the time from one
answer to the next is a cycle; throughput is C times the mean tokens of a cycle over its mean length (renewal reward).
Every user's first request is the ramp.

An open loop: requests come by a schedule. The first ones find an engine that is emptier than later, for as long as an
answer takes (`ramp_seconds`). Latencies are those of requests sent behind this ramp; throughput is what ended behind
it, over the time since.

What was cut off at the end enters as in `censored_estimates`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from autotuner.benchmark.contract.level_run import LevelRun, Request, ramp_seconds
from autotuner.benchmark.runner.censored_estimates import survival_weights

# An engine keeps up unless its queue grew by so much of what was sent, and by more than it varies.
_GROWTH = 0.1
_DEVIATIONS = 3.0


@dataclass(frozen=True)
class SteadyPart:
    """What counts of a level.

    Attributes:
        requests: of which latencies are told: answered or failed.
        weights: theirs, in sum 1.
        ended: the answered and failed requests that throughput is told of, with their weights.
        per_second: what turns a sum over `ended` into a rate.
        seconds: how long this part is.
        sent_per_second: in an open loop; None in a closed one, where answers decide it.
        grown: by how many requests the queue grew, if the engine did not keep up with an open loop; else 0.
    """

    requests: list[Request]
    weights: list[float]
    ended: list[tuple[Request, float]]
    per_second: float
    seconds: float
    sent_per_second: float | None = None
    grown: int = 0

    @property
    def lost(self) -> list[float]:
        """The weights of the requests that failed."""
        return [w for r, w in zip(self.requests, self.weights, strict=True) if r.failed]

    @property
    def answered(self) -> list[tuple[Request, float]]:
        """The requests that were answered, with their weights."""
        return [(r, w) for r, w in zip(self.requests, self.weights, strict=True) if r.ok]


def of(run: LevelRun) -> SteadyPart:
    """The part of a level that counts."""
    return _open(run) if run.open_loop else _closed(run)


def _closed(run: LevelRun) -> SteadyPart:
    ended: dict[int, float] = {}
    cycles, requests, cut = [], [], []
    for request in sorted(run.requests, key=lambda r: r.end):
        if request.user in ended:
            cycle = request.end - ended[request.user]
            if request.cut:
                cut.append(cycle)
            else:
                cycles.append(cycle)
                requests.append(request)
        if not request.cut:
            ended[request.user] = request.end
    weights = survival_weights(cycles, cut)
    length = sum(w * c for w, c in zip(weights, cycles, strict=True))
    per_second = run.concurrency / length if length else 0.0
    pairs = list(zip(requests, weights, strict=True))
    return SteadyPart(requests, weights, pairs, per_second, sum(cycles) / run.concurrency)


def _open(run: LevelRun) -> SteadyPart:
    answers = sorted(r.end - r.start for r in run.requests if not r.cut)
    ramp = ramp_seconds(answers, run.turns, run.think_seconds)
    begins = run.started + min(ramp, (run.stopped - run.started) / 2)
    sent = [r for r in run.requests if r.start >= begins]
    counted = [r for r in sent if not r.cut]
    weights = survival_weights([r.end - r.start for r in counted], [r.end - r.start for r in sent if r.cut])
    ended = [(r, 1.0) for r in run.requests if not r.cut and begins <= r.end <= run.stopped]
    seconds = run.stopped - begins
    per_second = 1 / seconds if seconds > 0 else 0.0
    return SteadyPart(
        counted, weights, ended, per_second, seconds, len(sent) * per_second, _growth(run, begins, len(sent))
    )


def _growth(run: LevelRun, begins: float, sent: int) -> int:
    """By how many requests more were waiting at the end than behind the ramp, if that is no chance; else 0."""
    before = sum(r.start < begins < r.end for r in run.requests)
    after = sum(r.start <= run.stopped and (r.cut or r.end > run.stopped) for r in run.requests)
    grown = after - before
    return grown if grown > max(_GROWTH * sent, _DEVIATIONS * math.sqrt(before + after)) else 0
