"""What people read of a task while its search runs: phase, message, the best in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autotuner import scoring
from autotuner.api.common import Condition
from autotuner.api.goals import Objective
from autotuner.api.task import TaskSpec
from autotuner.api.task_status import (
    BaselineResult,
    Best,
    Columns,
    TaskPhase,
    TaskStatus,
)
from autotuner.policy import trouble
from autotuner.policy.conditions import find, is_true
from autotuner.policy.evidence.measurements import Measured
from autotuner.policy.experiment.release import PODS_GONE
from autotuner.policy.recommendation import shared_accelerators
from autotuner.policy.task.best_so_far import is_today
from autotuner.scoring.figures import figure_name
from autotuner.search.space.space import Space


def phase(status: TaskStatus, suspended: bool) -> TaskPhase:
    """One word for people: a projection of the conditions, never read by a decision."""
    finished = is_true(status.conditions, "Finished")
    if suspended and not finished:
        return "Suspended"
    if not finished and status.start_time is None:
        return "Pending"
    succeeded = find(status.conditions, "Succeeded")
    if succeeded is None:
        return "Running"
    if succeeded.status == "Unknown":
        return "Confirming" if succeeded.reason == "Confirming" else "Running"
    return "Succeeded" if succeeded.status == "True" else "Failed"


def choice_in_words(space: Space) -> str:
    """The number of configurations there are to choose from, for people."""
    return f"{space.amount} configuration{'s' if space.size != 1 else ''}"


def best_in_words(found: Best, baseline: BaselineResult | None, spec: TaskSpec) -> str:
    """The best in words; with the broken soft SLOs because of which a gain is not that of the values.

    `1893 tok/s/GPU by llama-chat-7 (+31.0% over the baseline)`
    """
    words = ours = f"it breaks {' and '.join(found.breaks)}" if found.breaks else ""
    theirs = f"the baseline breaks {' and '.join(baseline.breaks)}" if baseline and baseline.breaks else ""
    if found.gain_percent is not None and not is_today(found, baseline):
        counted = ", ".join(filter(None, (ours, theirs)))
        words = scoring.over(found.gain_percent, "the baseline") + (counted and f", soft SLOs counted: {counted}")
    shared = shared_accelerators.words(found.accelerator_sharing)
    value = f"{best_value(found, spec)} by {found.experiment}"
    return " ".join(filter(None, (value, words and f"({words})", shared)))


def best_value(found: Best, spec: TaskSpec) -> str:
    """The value of the best with its unit: `1893 tok/s/GPU`."""
    return scoring.format_value(found.value, spec.objectives[0].metric, spec.benchmark.ladder)


def _offered(objective: Objective) -> str:
    """Where an objective is judged: `8`, `4 req/s`."""
    return f"{objective.rate:g} req/s" if objective.rate is not None else f"{objective.concurrency}"


def columns(status: TaskStatus, spec: TaskSpec) -> Columns:
    """The texts for `kubectl get`."""
    names = [
        figure_name(one.metric, one.statistic) + (f" at {_offered(one)}" if one.offered else "")
        for one in spec.objectives
    ]
    best = best_value(status.best, spec) if status.best else None
    if status.front:
        best = f"{len(status.front)} on the front"
    return Columns(objectives=", ".join(names), best=best)


def listed(words: Sequence[str]) -> str:
    """`12, 13 and 14`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def message(
    running: Sequence[tuple[int, Measured]],
    wanted: int,
    leader: Best | None,
    baseline: BaselineResult | None,
    spec: TaskSpec,
) -> str:
    """`experiments 12 and 13 of 30 benchmarking, 14 starting; best 1893 tok/s/GPU by llama-chat-7 (+31.0% over ...)`.

    Args:
        running: experiments, each with its number in the search.
        wanted: how many the search will make.
        leader: the best so far.
        baseline: its result.
        spec: of the task.
    """
    groups: dict[str, list[tuple[int, Measured]]] = {}
    for number, one in running:
        groups.setdefault(_step(one), []).append((number, one))
    parts = [f"{_who(group, wanted, first=not place)} {step}" for place, (step, group) in enumerate(groups.items())]
    text = ", ".join(parts)
    if leader is None:
        return text
    lead = "the baseline is best: " if is_today(leader, baseline) else "best "
    return f"{text}; {lead}{best_in_words(leader, baseline, spec)}"


def _step(one: Measured) -> str:
    """What an experiment is doing, with what it waits for."""
    step = (one.status.phase or "Pending").lower()
    if one.status.message and one.status.phase not in ("Benchmarking", "Starting", "Releasing"):
        step += f" ({one.status.message})"
    return step


def _who(group: Sequence[tuple[int, Measured]], wanted: int, *, first: bool) -> str:
    """The experiments that do the same; the first group of a message says of how many they are."""
    alone = len(group) == 1
    numbers = [f"{number}{_again(one) if not alone else ''}" for number, one in group if not one.is_baseline]
    who = ["baseline"] if len(numbers) < len(group) else []
    if numbers:
        many = "s" if len(numbers) > 1 else ""
        who.append(f"experiment{many} {listed(numbers)} of {wanted}" if first else listed(numbers))
    repeated = f", {group[0][1].spec.retry_of} again," if alone and group[0][1].spec.retry_of else ""
    return listed(who) + repeated


def _again(one: Measured) -> str:
    return f" ({one.spec.retry_of} again)" if one.spec.retry_of else ""


def _in_the_way(condition: Condition) -> bool:
    """Whether an experiment gets nowhere because of what this condition of it tells."""
    return condition.reason in ("NotCreated", "TeardownStuck") or condition.message.startswith(PODS_GONE)


def obstacles(running: Iterable[Measured]) -> str:
    """What keeps running experiments from going on or from being released; empty while there is nothing."""
    found = []
    for one in running:
        told = (find(one.status.conditions, kind) for kind in ("Scheduled", "Benchmarked", "Released"))
        found += [item.message for item in told if item is not None and _in_the_way(item)]
        found.append(trouble.words(one.status.conditions))
    return "; ".join(filter(None, found))


def nearest(measured: Iterable[Measured]) -> str:
    """The experiment that came nearest to the SLOs, and what it misses; or why nothing was measured at all."""
    every = list(measured)
    missed = [(one.score.shortfall, one) for one in every if one.score is not None and one.outcome == "infeasible"]
    if missed:
        _, one = min(missed, key=lambda pair: pair[0])
        assert one.score is not None
        return f"no configuration keeps the SLOs; nearest is {one.name}: {one.score.explanation}"
    if not every:
        return "nothing was measured"
    idle = [one for one in every if one.score is not None and one.score.feasible]
    if idle:
        return f"no configuration gave any output; last, {idle[-1].name}: check what its engine answers"
    unknown = [one for one in every if one.score is not None and one.score.outcome == "unknown"]
    if unknown and unknown[-1].score is not None:
        return f"no configuration can be compared; last, {unknown[-1].name}: {unknown[-1].score.explanation}"
    return f"no configuration could be measured; last, {every[-1].name}: {every[-1].status.message}"
