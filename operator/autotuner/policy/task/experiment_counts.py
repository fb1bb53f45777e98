"""The figures of a task's experiments for its status."""

from __future__ import annotations

from collections import Counter
from typing import Any

from autotuner.api.task_status import ExperimentCounts, ReasonCount, Usage
from autotuner.policy.budget import limits
from autotuner.policy.evidence.observed import ObservedTask

_MEASURED = ("value", "infeasible", "bound", "unknown")


def wanted(seen: ObservedTask) -> int:
    """The number of configurations that will be measured, at least those that were.

    The limit may have been lowered since. A space of which only an estimate is known shortens nothing.
    """
    return max(len(seen.search), min(seen.spec.search.max_experiments, seen.space.most - _known(seen)))


def _known(seen: ObservedTask) -> int:
    """How many configurations are not measured because others have measured them, or the baseline has."""
    identity, today = seen.space.identity, seen.today
    of_others = [one.configuration for one in seen.measured if one.reused and one.configuration is not None]
    its_own = today is not None and identity(today) not in map(identity, of_others)
    return seen.reused + its_own


def counts(seen: ObservedTask) -> dict[str, Any]:
    """The parts of the status about experiments of the search, and what all of them cost."""
    over = [one for one in seen.tried if one.finished and not one.reused]
    outcomes = Counter(one.outcome for one in over)
    reasons = Counter(
        "RuntimeChanged" if one.drift else one.status.reason or ""
        for one in seen.measured
        if one.finished and not (one.reused or one.withdrawn) and one.outcome not in _MEASURED
    )
    counting = sum(one.finished for one in seen.search)
    measured = outcomes["value"] + outcomes["bound"] + outcomes["unknown"]
    known = seen.status.experiments.next_index if seen.status.experiments else 0
    used = max((one.index + 1 for one in seen.measured), default=0)
    experiments = ExperimentCounts(
        summary=f"{counting}/{wanted(seen)}",
        next_index=max(known, used),
        running=len(seen.running),
        succeeded=measured,
        infeasible=outcomes["infeasible"],
        failed=len(over) - measured - outcomes["infeasible"],
        reused=seen.reused if seen.spec.search.reuse else None,
        passed_over=seen.status.experiments.passed_over if seen.status.experiments else None,
        reasons=[ReasonCount(reason=reason, count=count) for reason, count in sorted(reasons.items())] or None,
    )
    return {"experiments": experiments, "usage": _usage(seen)}


def _usage(seen: ObservedTask) -> Usage | None:
    """What the task has used; None where its engines have no accelerators."""
    if not seen.spec.placement.accelerator_resource:
        return None
    hours = round(sum(one.status.gpu_seconds or 0.0 for one in seen.measured if not one.reused) / 3600, 4)
    return Usage(gpu_hours=hours, remaining_gpu_hours=limits.remaining(seen, hours))
