"""What a task may cost: when its budget ends the search, or the confirmation, and what has run too long. Pure.

What an experiment takes is learned (`learned_cost`). Until one was measured nothing is known, and the worst case would
refuse too much: then only what is used up already ends the search.

Kept back from the search is what all blocks of the confirmation may take, but at most half of the budget: what is spent
on proving is not spent on finding. It is at least two blocks, without which nothing is confirmed, with fewer leaders
where two of all do not fit any more; and nothing while there is nothing to confirm, or once not even one leader fits.
The search ended when the next experiment did not fit any more; repeats change nothing about that, so that it is judged
by what was known before them. Raising the budget lets it go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from autotuner import clock
from autotuner.api.task import Budget
from autotuner.policy import cost_estimate
from autotuner.policy.budget.learned_cost import Cost, Pace, learned
from autotuner.policy.confirmation import finalists
from autotuner.policy.confirmation.finalists import Race
from autotuner.policy.confirmation.rule import Measure
from autotuner.policy.evidence.measurements import Measured
from autotuner.policy.evidence.observed import ObservedTask

_HOUR = 3600.0
_LEAST = finalists.FEWEST_REPEATS


def ends_search(seen: ObservedTask, accelerators: int, now: datetime, beside: Sequence[int] = ()) -> str:
    """Why the experiment that would be next is not started any more; empty if it may be, or there is no budget.

    What is running, and what starts with it, is taken to cost what experiments cost: all of them at once.

    Args:
        seen: the task.
        accelerators: that the next one would occupy.
        now: the time.
        beside: accelerators of each of those that start with it.
    """
    budget = seen.spec.budget
    if budget is None:
        return ""
    if failures := failed_too_often(seen):
        return failures
    searched = _before_repeats(seen.measured)
    pace = learned(searched)
    coming = _side_by_side(seen, pace, (accelerators, *beside), now) if pace else Cost()
    kept = _reserve(seen, searched, pace, accelerators, now) if pace else _NOTHING
    spent, in_all = (Cost(_used(some, now), _elapsed(seen, now)) for some in (searched, seen.measured))
    return _limit_reached(budget, spent, coming, "experiment", kept, in_all if seen.measured[-1].is_repeat else None)


def is_foreseeable(seen: ObservedTask) -> bool:
    """Whether it is known how many GPU-hours an experiment takes, or does not matter: nothing limits them."""
    limited = seen.spec.budget is not None and seen.spec.budget.max_gpu_hours is not None
    return not limited or learned(_before_repeats(seen.measured)) is not None


def race(seen: ObservedTask, now: datetime) -> Race | None:
    """The race after the search, of as many leaders as can be paid twice beside the baseline, at least of one.

    Args:
        seen: the task.
        now: the time; does not matter any more once anything is measured again.

    Returns:
        None where nothing is to be confirmed.
    """
    if seen.baseline is None:
        return None
    searched = _before_repeats(seen.measured)
    top = max(1, _paid(seen, searched, learned(searched), now))
    return finalists.race(seen.spec, seen.measured, seen.baseline, top)


def ends_confirmation(seen: ObservedTask, race: Race, step: Measure, now: datetime) -> str:
    """Why the rest of a block is not measured any more; empty if it may be, or there is no budget."""
    budget = seen.spec.budget
    if budget is None:
        return ""
    pace, coming = learned(seen.measured), Cost()
    if pace is not None:
        levels = _levels(seen, len(race.ladder))
        for key in step.keys:
            coming += pace.cost(levels, race.original(key).held)
    return _limit_reached(budget, Cost(_used(seen.measured, now), _elapsed(seen, now)), coming, "block of repeats")


def deadline(seen: ObservedTask, now: datetime) -> datetime | None:
    """When the budget will be used up by what is running; None if that will not be."""
    budget = seen.spec.budget
    if budget is None:
        return None
    moments = []
    if budget.max_hours is not None:
        moments.append(now + timedelta(hours=budget.max_hours, seconds=-_elapsed(seen, now)))
    rate = sum(one.held for one in seen.running if _holds(one))
    if budget.max_gpu_hours is not None:
        left = budget.max_gpu_hours * _HOUR - _used(seen.measured, now)
        if rate or left <= 0:
            moments.append(now + timedelta(seconds=left / max(rate, 1)))
    return min(moments, default=None)


def used_up(seen: ObservedTask, now: datetime) -> str:
    """The part of the budget of which nothing is left; empty if something is left of everything.

    Without figures, which would change with the time: the status is told so for as long as something is released.
    """
    budget = seen.spec.budget
    spent = Cost(_used(seen.measured, now), _elapsed(seen, now))
    return "" if budget is None else next((one.words for one in _limits(budget, spent) if one.over()), "")


def failed_too_often(seen: ObservedTask) -> str:
    """The limit on failed experiments in words, if it is reached; retries count, what somebody cancelled does not."""
    most = seen.spec.budget.max_failed_experiments if seen.spec.budget else None
    failed = [one for one in seen.measured if one.failed and not one.is_repeat]
    if most is None or len(failed) < most:
        return ""
    last = failed[-1]
    words = f"{len(failed)} failed, last {last.name}: {last.status.reason}"
    return f"budget.maxFailedExperiments {most} is used up: {words}"


def remaining(seen: ObservedTask, gpu_hours: float) -> float | None:
    """GPU-hours that are left of the budget after so many; None if it has no such limit."""
    limit = seen.spec.budget.max_gpu_hours if seen.spec.budget else None
    return None if limit is None else max(0.0, round(limit - gpu_hours, 4))


def gpu_hours(seen: ObservedTask, experiments: int, accelerators: int) -> float | None:
    """GPU-hours that more experiments of the search are expected to take; None until one was measured.

    Args:
        seen: the task; its repeats change nothing.
        experiments: how many.
        accelerators: that each would occupy.
    """
    pace = learned(_before_repeats(seen.measured))
    if pace is None:
        return None
    one = pace.cost(_levels(seen, seen.spec.benchmark.most_levels), accelerators)
    return one.times(experiments).gpu_seconds / _HOUR


def warnings(seen: ObservedTask) -> list[str]:
    """What may not be paid, before anything is measured: the worst case is no reason to refuse."""
    budget = seen.spec.budget
    if budget is None:
        return []
    gpu_hours, hours = cost_estimate.least(seen.spec, seen.space, seen.engine)
    return [
        f"budget.{limit.name} {limit.most:g} may be too little for the baseline, one experiment and the confirmation,"
        f" which can take {_number(limit.gone)}: raise it, or lower benchmark.maxMinutesPerLevel or search.confirm"
        for limit in _limits(budget, Cost(gpu_hours * _HOUR, hours * _HOUR))
        if limit.over()
    ]


@dataclass(frozen=True)
class _Limit:
    """One limit of a budget in hours, with what is used of it."""

    name: str
    most: float
    gone: float

    def over(self, need: float = 0.0) -> bool:
        """Whether nothing is left, or too little for the next cost."""
        return self.gone >= self.most or self.gone + need > self.most

    @property
    def by_gpu(self) -> bool:
        """Whether the limit is of GPU-hours, not of the clock."""
        return self.name == "maxGPUHours"

    def hours(self, cost: Cost) -> float:
        """A cost as this limit counts it."""
        return (cost.gpu_seconds if self.by_gpu else cost.seconds) / _HOUR

    @property
    def words(self) -> str:
        """The sentence that says that nothing is left."""
        return f"budget.{self.name} {self.most:g} is used up"


@dataclass(frozen=True)
class _Reserve:
    """What is kept back for the confirmation: the least that confirms anything, and what all its blocks may take."""

    least: Cost
    most: Cost

    def kept(self, limit: _Limit) -> float:
        """The reserve in hours of a limit; at most half of the limit, if that is enough."""
        return max(limit.hours(self.least), min(limit.hours(self.most), limit.most / 2))


_NOTHING = _Reserve(Cost(), Cost())


def _limits(budget: Budget, spent: Cost) -> list[_Limit]:
    given = (("maxGPUHours", budget.max_gpu_hours, spent.gpu_seconds), ("maxHours", budget.max_hours, spent.seconds))
    return [_Limit(name, most, gone / _HOUR) for name, most, gone in given if most is not None]


def _limit_reached(
    budget: Budget, spent: Cost, coming: Cost, what: str, reserve: _Reserve = _NOTHING, in_all: Cost | None = None
) -> str:
    """The limit that does not allow the next cost, in words.

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
    """The experiments that were known when the search measured for the last time."""
    count = len(measured)
    while count and measured[count - 1].is_repeat:
        count -= 1
    return list(measured[:count])


def _used(measured: Iterable[Measured], now: datetime) -> float:
    """GPU-seconds of the task's own experiments; one that is not over holds accelerators until its pods are gone."""
    total = 0.0
    for one in measured:
        times = one.status.times
        if one.reused:
            continue
        if one.finished:
            total += one.status.gpu_seconds or 0.0
        elif times is not None:
            held = clock.seconds_between(times.scheduled, times.pods_gone or clock.stamp(now))
            total += (held or 0.0) * one.held
    return total


def _side_by_side(seen: ObservedTask, pace: Pace, starting: Sequence[int], now: datetime) -> Cost:
    """The cost of what starts now beside what is still to come of what is running: the clock runs for all at once."""
    whole = [pace.cost(_levels(seen, seen.spec.benchmark.most_levels), each) for each in starting]
    for one in seen.running:
        cost = pace.cost(_levels(seen, one.spec.benchmark.most_levels), one.held)
        gone = clock.seconds_between(one.begun, clock.stamp(now)) or 0.0
        whole.append(Cost(max(0.0, cost.gpu_seconds - _used([one], now)), max(0.0, cost.seconds - gone)))
    return Cost(sum(cost.gpu_seconds for cost in whole), max(cost.seconds for cost in whole))


def _holds(one: Measured) -> bool:
    """Whether an experiment that is not over holds its accelerators now."""
    times = one.status.times
    return times is not None and times.scheduled is not None and times.pods_gone is None


def _elapsed(seen: ObservedTask, now: datetime) -> float:
    return clock.seconds_between(seen.status.start_time, clock.stamp(now)) or 0.0


def _reserve(
    seen: ObservedTask, searched: Sequence[Measured], pace: Pace, accelerators: int, now: datetime
) -> _Reserve:
    """What to keep back for the confirmation, if the next experiment becomes one of the leaders."""
    top = _paid(seen, searched, pace, now)
    race = finalists.race(seen.spec, searched, seen.baseline, top) if seen.baseline and top else None
    if race is None or not race.leaders:
        return _NOTHING
    top = min(top, seen.space.size)
    field = [one.held for one in race.leaders[:top]]
    field = sorted([*field, *[accelerators] * max(1, top - len(field))], reverse=True)[:top]
    block = _block(seen, race, pace, field)
    return _Reserve(block.times(_LEAST), block.times(race.standing.most))


def _paid(seen: ObservedTask, searched: Sequence[Measured], pace: Pace | None, now: datetime) -> int:
    """The number of leaders for which the least that confirms anything can be paid, when the search is over.

    Judged at the beginning of the confirmation: what it takes itself must neither wake the search up again nor change
    who is measured again.
    """
    budget, top = seen.spec.budget, seen.spec.search.confirm.top
    if budget is None or pace is None or seen.baseline is None:
        return top
    repeats = seen.measured[len(searched) :]
    begun = clock.parse(repeats[0].object["metadata"]["creationTimestamp"]) if repeats else now
    limits = _limits(budget, Cost(_used(searched, begun), _elapsed(seen, begun)))
    for count in range(top, 0, -1):
        race = finalists.race(seen.spec, searched, seen.baseline, count)
        if race is None:
            return top
        least = _block(seen, race, pace, [one.held for one in race.leaders[:count]]).times(_LEAST)
        if not any(limit.over(limit.hours(least)) for limit in limits):
            return count
    return 0


def _block(seen: ObservedTask, race: Race, pace: Pace, leaders: Iterable[int]) -> Cost:
    """The cost of a block: a run of each leader, by their accelerators, and of a baseline to compare with."""
    today = [race.baseline.held] if race.standing.comparable else []
    levels = _levels(seen, len(race.ladder))
    return sum((pace.cost(levels, each) for each in (*leaders, *today)), Cost())


def _levels(seen: ObservedTask, of_each: int) -> int:
    return len(seen.spec.benchmark.scenarios) * of_each


def _number(hours: float) -> str:
    return f"{round(hours, 2 if hours >= 1 else 3):g}"
