"""What people read of a task while its search runs: phase, message, the best in words."""

from __future__ import annotations

from collections.abc import Iterable

from autotuner import scoring
from autotuner.api.common import Condition
from autotuner.api.task import TaskSpec
from autotuner.api.task_status import (
    BaselineResult,
    Best,
    TaskPhase,
    TaskStatus,
)
from autotuner.policy import trouble
from autotuner.policy.conditions import find, is_true
from autotuner.policy.evidence.measurements import Measured
from autotuner.policy.experiment.release import PODS_GONE
from autotuner.policy.task.best_so_far import is_today
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
    value = scoring.format_value(found.value, spec.objectives[0].metric, spec.benchmark.concurrency)
    return f"{value} by {found.experiment}" + (words and f" ({words})")


def message(
    running: Measured, number: int, wanted: int, leader: Best | None, baseline: BaselineResult | None, spec: TaskSpec
) -> str:
    """`experiment 12 of 30 benchmarking; best 1893 tok/s/GPU by llama-chat-7 (+31.0% over the baseline)`."""
    step = (running.status.phase or "Pending").lower()
    what = "baseline" if running.is_baseline else f"experiment {number} of {wanted}"
    if running.spec.retry_of:
        what += f", {running.spec.retry_of} again,"
    text = f"{what} {step}"
    if running.status.message and running.status.phase not in ("Benchmarking", "Starting", "Releasing"):
        text += f" ({running.status.message})"
    if leader is None:
        return text
    lead = "the baseline is best: " if is_today(leader, baseline) else "best "
    return f"{text}; {lead}{best_in_words(leader, baseline, spec)}"


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
