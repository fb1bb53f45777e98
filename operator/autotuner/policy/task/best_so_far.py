"""The best that a search has found so far, as the status shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autotuner import scoring
from autotuner.api.goals import Objective
from autotuner.api.task_status import (
    FRONT_MAX,
    BaselineResult,
    Best,
    BestLevel,
    Confidence,
    FrontPoint,
    ObjectiveValue,
    Verdict,
)
from autotuner.policy.evidence.measurements import Measured
from autotuner.policy.recommendation import broken_slos


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
        level=BestLevel(scenario=metrics.scenario, concurrency=metrics.concurrency, rate=metrics.rate),
        metrics=metrics,
        accelerator_sharing=run.status.accelerator_sharing,
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
    return [_front_point(*known[number], objectives) for number in kept]


def _front_point(one: Measured, score: scoring.Score, objectives: Sequence[Objective]) -> FrontPoint:
    open_loop = one.spec.benchmark.open_loop
    return FrontPoint(
        experiment=one.name,
        parameters=one.spec.parameters or None,
        args=list(one.spec.service.args),
        values=[
            ObjectiveValue(
                metric=objective.metric,
                statistic=objective.statistic,
                concurrency=None if open_loop else int(at),
                rate=at if open_loop else None,
                value=value,
            )
            for objective, value, at in zip(objectives, score.values, score.at, strict=True)
        ],
    )


def is_today(found: Best, baseline: BaselineResult | None) -> bool:
    """Whether the best is what runs today."""
    return baseline is not None and baseline.experiment == found.experiment
