"""What people read about a running search: phase, message, the best so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autotuner import scoring
from autotuner.api.goals import Objective
from autotuner.api.task import TaskSpec
from autotuner.api.task_status import (
    FRONT_MAX,
    BaselineResult,
    Best,
    BestLevel,
    Confidence,
    FrontPoint,
    ObjectiveValue,
    TaskPhase,
    TaskStatus,
    Verdict,
)
from autotuner.policy.conditions import find, is_true
from autotuner.policy.evidence.measurements import Measured
from autotuner.policy.recommendation import broken_slos
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


def leader(measured: Iterable[Measured], objective: Objective) -> Measured | None:
    """The best experiment of the search so far; of equal ones the baseline, else the cheapest."""
    kept = [one for one in measured if one.keeps and not one.is_repeat]
    sign = 1 if scoring.minimised(objective.metric) else -1
    return min(kept, key=lambda one: (sign * one.worth, not one.is_baseline, one.accelerators), default=None)


def best(measured: Iterable[Measured], baseline: Measured | None, objective: Objective) -> Best | None:
    """The best so far for the status: nobody is advised to run something worse than the baseline."""
    found = leader(measured, objective)
    if found is None:
        return None
    today = baseline.score.worth if baseline and baseline.score else None
    percent = scoring.gain_percent(found.worth, today, objective.metric)
    return best_for_status(found, [found], found.value, percent, Confidence(verdict=_verdict(baseline)))


def best_for_status(
    one: Measured, runs: Sequence[Measured], value: float, percent: float | None, confidence: Confidence
) -> Best:
    """The best as the status has it.

    Args:
        one: the experiment that is named.
        runs: that the value is of, which keep the hard SLOs; the metrics of the most typical one are shown.
        value: of the objective.
        percent: the gain, if there is one.
        confidence: in it.
    """
    run = min(runs, key=lambda each: abs(each.value - value))
    assert run.score is not None, "it keeps the hard SLOs"
    assert run.score.metrics is not None, "it keeps the hard SLOs"
    metrics = run.score.metrics
    return Best(
        experiment=one.name,
        parameters=one.spec.parameters or None,
        args=list(one.spec.service.args),
        value=value,
        gain=scoring.format_gain(percent) if percent is not None else None,
        gain_percent=round(percent, 2) if percent is not None else None,
        breaks=broken_slos.broken(runs),
        confidence=confidence,
        level=BestLevel(scenario=metrics.scenario, concurrency=metrics.concurrency),
        metrics=metrics,
    )


def _verdict(baseline: Measured | None) -> Verdict:
    return scoring.verdict(baseline.score if baseline else None)


def front(measured: Iterable[Measured], objectives: Sequence[Objective]) -> list[FrontPoint] | None:
    """The feasible experiments that no other one beats in every objective, the baseline included."""
    known = [(one, one.score) for one in measured if one.score is not None and one.score.feasible]
    minimise = [scoring.minimised(objective.metric) for objective in objectives]
    on_front = scoring.front([score.worths for _, score in known], minimise)
    if not on_front:
        return None
    kept = [on_front[place] for place in scoring.spread([known[number][1].worths for number in on_front], FRONT_MAX)]
    return [_front_point(known[number][0], known[number][1].values, objectives) for number in kept]


def _front_point(one: Measured, values: Sequence[float], objectives: Sequence[Objective]) -> FrontPoint:
    return FrontPoint(
        experiment=one.name,
        parameters=one.spec.parameters or None,
        args=list(one.spec.service.args),
        values=[
            ObjectiveValue(
                metric=objective.metric, statistic=objective.statistic, concurrency=objective.concurrency, value=value
            )
            for objective, value in zip(objectives, values, strict=True)
        ],
    )


def is_today(found: Best, baseline: BaselineResult | None) -> bool:
    """Whether the best is what runs today."""
    return baseline is not None and baseline.experiment == found.experiment


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
    text = f"{what} {step}"
    if running.status.message and running.status.phase not in ("Benchmarking", "Starting", "Releasing"):
        text += f" ({running.status.message})"
    if leader is None:
        return text
    lead = "the baseline is best: " if is_today(leader, baseline) else "best "
    return f"{text}; {lead}{best_in_words(leader, baseline, spec)}"


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
