"""What a task may cost: when its budget ends the search, or the confirmation, and what has run too long. Pure.

What an experiment takes is learned from those that were measured: seconds per level, and seconds around them (finding a
node, pulling, loading, releasing), of each the upper quartile. Until one was measured nothing is known, and the worst
case would refuse too much: then only what is used up already ends the search.

Kept back from the search is what all blocks of the confirmation may take, but at most half of the budget: what is spent
on proving is not spent on finding. It is at least two blocks, without which nothing is confirmed; and nothing while
there is nothing to confirm, or once even two blocks do not fit any more. The search ended when the next experiment did
not fit any more; repeats change nothing about that, so that it is judged by what was known before them. Raising the
budget lets it go on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from autotuner import clock
from autotuner.api.task import Budget
from autotuner.policy import confirming, estimates
from autotuner.policy.confirmation import Measure
from autotuner.policy.confirming import Key, Race
from autotuner.policy.observed_task import ObservedTask
from autotuner.policy.records import Measured

_HOUR = 3600.0
_LEAST = confirming.FEWEST_REPEATS
_QUANTILE = 0.75  # sums of many are to be safe, and one slow pull is not to count for all


@dataclass(frozen=True)
class Cost:
    """GPU-seconds, and seconds on the clock."""

    gpu_seconds: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.gpu_seconds + other.gpu_seconds, self.seconds + other.seconds)

    def times(self, count: int) -> Cost:
        """So often."""
        return Cost(self.gpu_seconds * count, self.seconds * count)


@dataclass(frozen=True)
class _Pace:
    """Seconds of one level, and around all levels: with the accelerators held, and on the clock."""

    level: float
    held: float
    elapsed: float

    def cost(self, levels: int, accelerators: int) -> Cost:
        measuring = levels * self.level
        return Cost((self.held + measuring) * accelerators, self.elapsed + measuring)


def ends_search(seen: ObservedTask, accelerators: int, now: datetime) -> str:
    """Why the experiment that would be next is not started any more; empty if it may be, or there is no budget.

    Args:
        seen: the task, none of whose experiments is running.
        accelerators: that the next one would occupy.
        now: the time.
    """
    budget = seen.spec.budget
    if budget is None:
        return ""
    searched = _before_repeats(seen.measured)
    pace = _pace(searched)
    coming = pace.cost(_levels(seen, seen.spec.benchmark.concurrency), accelerators) if pace else Cost()
    kept = _reserve(seen, searched, pace, accelerators, now) if pace else _NOTHING
    spent, in_all = (Cost(_used(some, now), _elapsed(seen, now)) for some in (searched, seen.measured))
    return _told(budget, spent, coming, "experiment", kept, in_all if seen.measured[-1].is_repeat else None)


def ends_confirmation(seen: ObservedTask, race: Race, step: Measure[Key], now: datetime) -> str:
    """Why the rest of a block is not measured any more; empty if it may be, or there is no budget."""
    budget = seen.spec.budget
    if budget is None:
        return ""
    pace, coming = _pace(seen.measured), Cost()
    if pace is not None:
        levels = _levels(seen, race.ladder)
        for key in step.keys:
            coming += pace.cost(levels, _accelerators(race.original(key)))
    return _told(budget, Cost(_used(seen.measured, now), _elapsed(seen, now)), coming, "block of repeats")


def deadline(seen: ObservedTask, now: datetime) -> datetime | None:
    """When the budget will be used up by what is running; None if that will not be."""
    budget = seen.spec.budget
    if budget is None:
        return None
    moments = []
    if budget.max_hours is not None:
        moments.append(now + timedelta(hours=budget.max_hours, seconds=-_elapsed(seen, now)))
    rate = sum(_accelerators(one) for one in seen.running if one.status.times and one.status.times.scheduled)
    if budget.max_gpu_hours is not None:
        left = budget.max_gpu_hours * _HOUR - _used(seen.measured, now)
        if rate or left <= 0:
            moments.append(now + timedelta(seconds=left / max(rate, 1)))
    return min(moments, default=None)


def used_up(seen: ObservedTask, now: datetime) -> str:
    """Of which part of the budget nothing is left at all; empty if something is left of everything.

    Without figures, which would change with the time: the status is told so for as long as something is released.
    """
    budget = seen.spec.budget
    spent = Cost(_used(seen.measured, now), _elapsed(seen, now))
    return "" if budget is None else next((one.words for one in _limits(budget, spent) if one.over()), "")


def remaining(seen: ObservedTask, gpu_hours: float) -> float | None:
    """GPU-hours that are left of the budget after so many; None if it has no such limit."""
    limit = seen.spec.budget.max_gpu_hours if seen.spec.budget else None
    return None if limit is None else max(0.0, round(limit - gpu_hours, 4))


def warnings(seen: ObservedTask) -> list[str]:
    """What may not be paid, before anything is measured: the worst case is no reason to refuse."""
    budget = seen.spec.budget
    if budget is None:
        return []
    gpu_hours, hours = estimates.least(seen.spec, seen.space, seen.engine)
    return [
        f"budget.{limit.name} {limit.most:g} may be too little for the baseline, one experiment and the confirmation,"
        f" which can take {_number(limit.gone)}: raise it, or lower benchmark.maxMinutesPerLevel or search.confirm"
        for limit in _limits(budget, Cost(gpu_hours * _HOUR, hours * _HOUR))
        if limit.over()
    ]


@dataclass(frozen=True)
class _Limit:
    """One of a budget, in hours, with what is gone of it."""

    name: str
    most: float
    gone: float

    def over(self, need: float = 0.0) -> bool:
        """Whether nothing is left, or not enough."""
        return self.gone >= self.most or self.gone + need > self.most

    @property
    def by_gpu(self) -> bool:
        """Whether it is of GPU-hours, not of the clock."""
        return self.name == "maxGPUHours"

    def hours(self, cost: Cost) -> float:
        """A cost as this limit counts it."""
        return (cost.gpu_seconds if self.by_gpu else cost.seconds) / _HOUR

    @property
    def words(self) -> str:
        """That nothing is left."""
        return f"budget.{self.name} {self.most:g} is used up"


@dataclass(frozen=True)
class _Reserve:
    """For the confirmation: the least that confirms anything, and what all its blocks may take."""

    least: Cost = Cost()
    most: Cost = Cost()

    def kept(self, limit: _Limit) -> float:
        """In hours, as this limit counts them; at most half of it, if that is enough."""
        return max(limit.hours(self.least), min(limit.hours(self.most), limit.most / 2))


_NOTHING = _Reserve()


def _limits(budget: Budget, spent: Cost) -> list[_Limit]:
    given = (("maxGPUHours", budget.max_gpu_hours, spent.gpu_seconds), ("maxHours", budget.max_hours, spent.seconds))
    return [_Limit(name, most, gone / _HOUR) for name, most, gone in given if most is not None]


def _told(
    budget: Budget, spent: Cost, coming: Cost, what: str, reserve: _Reserve = _NOTHING, in_all: Cost | None = None
) -> str:
    """Which limit does not allow what is coming, in words.

    Args:
        budget: of the task.
        spent: so far.
        coming: what it would take.
        what: it is.
        reserve: kept back.
        in_all: what is spent by now, if that was decided earlier: a reader finds it in the status.
    """
    for limit in _limits(budget, spent):
        need, kept = limit.hours(coming), reserve.kept(limit)
        if not limit.over(need + kept):
            continue
        verb = "used" if limit.by_gpu else "passed"
        if in_all is not None:
            gone = f"{_number(limit.hours(in_all))} {verb} in all"
            return f"budget.{limit.name} {limit.most:g} had no room for another {what} beside the confirmation: {gone}"
        gone = f"{_number(limit.gone)} {verb}"
        if limit.over():
            return f"{limit.words}: {gone}"
        words = f"budget.{limit.name} {limit.most:g} has no room for another {what}: {gone}"
        words += f", about {_number(need)} needed"
        return words + (f", {_number(kept)} kept for the confirmation" if kept else "")
    return ""


def _before_repeats(measured: Sequence[Measured]) -> list[Measured]:
    """What was known when the search measured for the last time."""
    count = len(measured)
    while count and measured[count - 1].is_repeat:
        count -= 1
    return list(measured[:count])


def _used(measured: Iterable[Measured], now: datetime) -> float:
    """GPU-seconds of the task's own experiments; one that is running holds its accelerators since it was scheduled."""
    total = 0.0
    for one in measured:
        scheduled = one.status.times.scheduled if one.status.times else None
        if one.reused:
            continue
        if one.finished:
            total += one.status.gpu_seconds or 0.0
        elif scheduled is not None:
            total += (clock.seconds_between(scheduled, clock.stamp(now)) or 0.0) * _accelerators(one)
    return total


def _elapsed(seen: ObservedTask, now: datetime) -> float:
    return clock.seconds_between(seen.status.start_time, clock.stamp(now)) or 0.0


def _pace(measured: Iterable[Measured]) -> _Pace | None:
    """None until something was measured."""
    found = [_seconds(one) for one in measured if not one.reused and one.finished and one.status.levels]
    if not found:
        return None
    level, held, elapsed = (_quantile(column) for column in zip(*found, strict=True))
    return _Pace(level, held, elapsed)


def _seconds(one: Measured) -> tuple[float, float, float]:
    """Of a level, and around all levels: held, and on the clock."""
    times, levels = one.status.times, len(one.status.levels or [])
    held = (one.status.gpu_seconds or 0.0) / _accelerators(one)
    whole = clock.seconds_between(times.created, times.released) if times else None
    measuring = clock.seconds_between(times.first_request, times.benchmark_finished) if times else None
    measuring = min(measuring or 0.0, held)
    return measuring / levels, held - measuring, max(held, whole or 0.0) - measuring


def _quantile(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[math.ceil(_QUANTILE * len(ordered)) - 1]


def _reserve(
    seen: ObservedTask, searched: Sequence[Measured], pace: _Pace, accelerators: int, now: datetime
) -> _Reserve:
    """What to keep back for the confirmation, if the next experiment becomes one of the leaders."""
    race = confirming.race(seen.spec, searched, seen.baseline) if seen.baseline else None
    if race is None or not race.leaders or seen.spec.budget is None:
        return _NOTHING
    top, blocks = min(seen.spec.search.confirm.top, seen.space.size), race.standing.most
    today = [_accelerators(race.baseline)] if race.standing.comparable else []
    field = [_accelerators(one) for one in race.leaders[:top]]
    levels = _levels(seen, race.ladder)
    block = sum((pace.cost(levels, each) for each in [*field, *today]), Cost())
    # Whether it fits is judged at its beginning: time that it takes itself must not wake the search up again.
    repeats = seen.measured[len(searched) :]
    begun = clock.parse(repeats[0].object["metadata"]["creationTimestamp"]) if repeats else now
    spent = Cost(_used(searched, begun), _elapsed(seen, begun))
    if any(limit.over(limit.hours(block.times(_LEAST))) for limit in _limits(seen.spec.budget, spent)):
        return _NOTHING
    field = sorted([*field, *[accelerators] * max(1, top - len(field))], reverse=True)[:top]
    block = sum((pace.cost(levels, each) for each in [*field, *today]), Cost())
    return _Reserve(block.times(_LEAST), block.times(blocks))


def _levels(seen: ObservedTask, concurrency: Sequence[int]) -> int:
    return len(seen.spec.benchmark.scenarios) * len(concurrency)


def _accelerators(one: Measured) -> int:
    return one.spec.service.accelerator.count


def _number(hours: float) -> str:
    return f"{round(hours, 2 if hours >= 1 else 3):g}"
