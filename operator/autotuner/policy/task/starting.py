"""Which experiments of the search start now, beside those that are running; and when none will any more.

What is measured again goes first, then what the user and the search want. All that start count at once against
`search.parallelExperiments`, `search.maxGPUs` and the budget, as does what is running. One alone is tried next where
what ended last looks like a cause that all have in common, and while nobody knows what an experiment takes of a budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from autotuner.policy.budget import limits
from autotuner.policy.evidence import experiment_spec, retries
from autotuner.policy.evidence.experiment_spec import Ingredients
from autotuner.policy.evidence.measurements import Measured
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.task import common_cause, expected_gain, experiment_counts, next_experiment
from autotuner.policy.task.conclude import SearchEnd
from autotuner.policy.task.next_experiment import NextExperiment
from autotuner.policy.task.packing import Room, pack
from autotuner.policy.task.plan import PlanBuilder

# How many more the search is asked for where those that it wants first do not fill the accelerators that are free.
_LOOK_AHEAD = 2


@dataclass(frozen=True)
class Candidate:
    """An experiment that is to start: another one again, or a new one.

    Attributes:
        accelerators: that its engine would hold.
        wanted: what is measured again, or what the search wants.
    """

    accelerators: int
    wanted: Measured | NextExperiment


@dataclass(frozen=True)
class Choice:
    """What starts now.

    Attributes:
        start: the experiments.
        end: why the search is over if nothing starts although nothing is running.
        waits: why nothing starts although something is to; empty if that is not so.
        passed_over: see `packing.Packing`.
    """

    start: tuple[Candidate, ...] = ()
    end: SearchEnd = field(default_factory=lambda: SearchEnd("Completed"))
    waits: str = ""
    passed_over: int = 0


def width(seen: ObservedTask) -> int:
    """How many experiments may run at the same time: what the task allows, and the claim of its weights."""
    wanted = seen.spec.search.parallel_experiments
    pinned = "kubernetes.io/hostname" in (seen.spec.placement.node_selector or {})
    if seen.storage is not None and (seen.storage.one_pod or (seen.storage.one_node and not pinned)):
        return 1
    if common_cause.suspected(seen.measured) or not limits.is_foreseeable(seen):
        return 1
    return wanted


def choose(builder: PlanBuilder) -> Choice:
    """What of the search starts now; the baseline is known, and no repeat is running."""
    seen, search = builder.seen, builder.seen.spec.search
    known = seen.status.experiments
    passed_over = (known.passed_over if known else None) or 0
    room = Room(width(seen) - len(seen.running), search.max_gpus, tuple(one.held for one in seen.running))
    if room.slots <= 0 or room.free == 0:
        return Choice(passed_over=passed_over)
    owed = [Candidate(one.held, one) for one in retries.owed(seen.measured) if not one.is_repeat]
    owed = [one for one in owed if not limits.ends_search(seen, one.accelerators, builder.now)]
    fitting = [one for one in owed if room.most is None or one.accelerators <= room.most]
    left = search.max_experiments - len(seen.search) - _searched(owed)
    if seen.turn and (fitting or _goes_on(builder)):
        return Choice(waits=seen.turn, passed_over=passed_over)  # the search is asked when it is the task's turn
    ask = min(left, room.slots - len(fitting))
    queue, end = _queue(builder, fitting, ask)
    packing = pack([one.accelerators for one in queue], room, passed_over, search.parallel_experiments)
    if room.free is not None and ask < left and len(fitting) < len(queue) != len(packing.start):
        queue, end = _queue(builder, fitting, min(left, ask + _LOOK_AHEAD))
        packing = pack([one.accelerators for one in queue], room, passed_over, search.parallel_experiments)
    if not queue and owed:
        return Choice(waits=_too_large(owed[0], room.most), passed_over=passed_over)
    return _affordable(builder, [queue[place] for place in packing.start], end, packing.passed_over)


def _goes_on(builder: PlanBuilder) -> bool:
    """Whether the search wants more, as far as that can be told without asking it."""
    left = experiment_counts.wanted(builder.seen) - len(builder.seen.search)
    return left > 0 and not limits.ends_search(builder.seen, 1, builder.now)


def _searched(candidates: Sequence[Candidate]) -> int:
    """How many of them count as experiments of the search."""
    return sum(not (isinstance(one.wanted, Measured) and one.wanted.is_baseline) for one in candidates)


def _queue(builder: PlanBuilder, again: Sequence[Candidate], ask: int) -> tuple[list[Candidate], SearchEnd]:
    """What is to start, in the order in which it is wanted, and why it is not more.

    Args:
        builder: of the reconcile.
        again: what is measured again.
        ask: how many configurations the search is asked for.
    """
    if ask <= 0:
        return list(again), SearchEnd("Completed")
    seen = builder.seen
    found = next_experiment.batch(seen, builder.suggest, ask)
    new = [Candidate(experiment_spec.held(ingredients(seen), one.configuration), one) for one in found]
    searched = next((place for place, one in enumerate(found) if one.purpose == "Search"), None)
    if searched is None:
        return [*again, *new], SearchEnd("Completed" if new else "SpaceExhausted")
    coming = found[searched]
    builder.changes["search"] = expected_gain.for_status(seen, coming, new[searched].accelerators)
    if idle := expected_gain.ends_search(seen, coming):
        return [*again, *new[:searched]], SearchEnd("Completed", idle=idle)
    return [*again, *new], SearchEnd("Completed")


def _affordable(builder: PlanBuilder, chosen: Sequence[Candidate], end: SearchEnd, passed_over: int) -> Choice:
    """What of the choice the budget pays, all of it running at once."""
    start: list[Candidate] = []
    for one in chosen:
        beside = [other.accelerators for other in start]
        if limit := limits.ends_search(builder.seen, one.accelerators, builder.now, beside):
            return Choice(tuple(start), SearchEnd("BudgetExhausted", limit), passed_over=passed_over)
        start.append(one)
    return Choice(tuple(start), end, passed_over=passed_over)


def ingredients(seen: ObservedTask) -> Ingredients:
    """What the experiments have in common."""
    return seen.ingredients(seen.model or {}, seen.runtime or {})


def _too_large(one: Candidate, most: int | None) -> str:
    assert isinstance(one.wanted, Measured)
    return (
        f"{one.wanted.name} is to be measured again and needs {one.accelerators} GPUs, but search.maxGPUs is {most}:"
        " raise it"
    )
