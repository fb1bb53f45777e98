"""The best so far over experiments and accelerator-hours. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autotuner import scoring
from autotuner.html_report.report_data import ReportData
from autotuner.policy.evidence.measurements import Measured


@dataclass(frozen=True)
class Step:
    """What was known once an experiment of the search had ended.

    Attributes:
        run: the experiment.
        number: how many experiments of the search had ended by then, the baseline included.
        hours: accelerator-hours that all experiments had used by then.
        value: of the first objective; None where it gave none that keeps the hard SLOs.
        best: the value of the best so far; None before there was one.
    """

    run: Measured
    number: int
    hours: float
    value: float | None
    best: float | None


def steps(data: ReportData) -> list[Step]:
    """The steps in the order in which the experiments ended; repeats only cost, and answer in the verdict."""
    found: list[Step] = []
    if not data.objectives:
        return found
    metric = data.objectives[0].metric
    worth, best, hours, number = None, None, 0.0, 0
    for run in _in_order(data.runs):
        hours += (run.status.gpu_seconds or 0.0) / 3600
        if run.is_repeat or run.withdrawn or run.retry:
            continue
        number += 1
        value = run.score.value if run.score and run.score.feasible and not run.drift else None
        if value is not None and (worth is None or scoring.better(run.worth, worth, metric)):
            worth, best = run.worth, value
        found.append(Step(run, number, hours, value, best))
    return found


def interval(data: ReportData) -> tuple[float, float] | None:
    """Between which values the verdict says that the best truly is; None without an interval or a baseline's value."""
    best, baseline = data.status.best, data.status.baseline
    if best is None or baseline is None or baseline.value is None:
        return None
    low, high = best.confidence.low, best.confidence.high
    if low is None or high is None:
        return None
    sign = -1 if scoring.minimised(data.objectives[0].metric) else 1
    ends = [baseline.value * (1 + sign * percent / 100) for percent in (low, high)]
    return min(ends), max(ends)


def _in_order(runs: Sequence[Measured]) -> list[Measured]:
    return sorted(
        (run for run in runs if run.finished and not run.reused), key=lambda run: (run.ended or "", run.index)
    )
