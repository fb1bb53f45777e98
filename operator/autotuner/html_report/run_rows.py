"""The rows of the table of all experiments, and how those ended that gave no result. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autotuner import clock
from autotuner.html_report.report_data import Figure, ReportData
from autotuner.policy.conditions import shorten
from autotuner.policy.evidence.measurements import Measured
from autotuner.policy.experiment.reasons import ExperimentOutcome
from autotuner.scoring.figures import place_of

_WORDS_MAX = 200
_REASONS_MAX = 12
# Outcome -> what the filter calls it.
_KINDS: Mapping[ExperimentOutcome | None, str] = {
    "value": "keeps the SLOs",
    "infeasible": "breaks SLOs",
    "bound": "stopped early",
    "unknown": "not comparable",
    "crash": "failed",
    "impossible": "failed",
    "stop": "failed",
    "environment": "spoiled by the surroundings",
    "nothing": "cancelled",
    None: "not finished",
}


@dataclass(frozen=True)
class RunRow:
    """One experiment as a row; texts, and the value as a number to sort by."""

    name: str
    kind: str
    mark: str
    purpose: str
    ending: str
    value: str
    value_key: float | None
    level: str
    parameters: str
    gpus: str
    minutes: str
    hours: str
    words: str


@dataclass(frozen=True)
class Failure:
    """The experiments that ended with one reason, with the last of them as example."""

    reason: str
    count: int
    example: str
    message: str
    log: str


def rows(data: ReportData) -> list[RunRow]:
    """All experiments by index."""
    winners = {run.name for run in data.winners}
    today = data.baseline.name if data.baseline else ""
    return [
        _row(data, run, "best" if run.name in winners else "baseline" if run.name == today else "") for run in data.runs
    ]


def kinds(found: Sequence[RunRow]) -> list[str]:
    """What the filter offers, in a fixed order."""
    there = {row.kind for row in found}
    return [kind for kind in dict.fromkeys(_KINDS.values()) if kind in there]


def failures(data: ReportData) -> list[Failure]:
    """Of each reason the last experiment that gave no result, the most frequent reasons first."""
    failed = [run for run in data.runs if run.failed and run.status.reason]
    counted = Counter(run.status.reason or "" for run in failed)
    last = {run.status.reason or "": run for run in failed}
    return [
        Failure(
            reason,
            count,
            last[reason].name,
            last[reason].status.message or "",
            (evidence.log_tail if (evidence := last[reason].status.evidence) else ""),
        )
        for reason, count in counted.most_common(_REASONS_MAX)
    ]


def _row(data: ReportData, run: Measured, mark: str) -> RunRow:
    status, score = run.status, run.score
    value = score.value if score is not None and score.feasible else None
    wanted = Figure(data.objectives[0].metric, data.objectives[0].statistic)
    spec = run.spec
    purpose = "Reused" if run.reused else f"{spec.purpose} {spec.block}" if run.is_repeat else spec.purpose
    purpose += f", retry of {spec.retry_of}" if spec.retry_of else ""
    begun, ended = run.begun, run.ended
    seconds = clock.seconds_between(begun, ended)
    told = run.drift or (score.explanation if score else "") or status.message or ""
    return RunRow(
        name=run.name,
        kind=_KINDS[run.outcome],
        mark=mark,
        purpose=purpose,
        ending=(status.reason or "") if run.finished else (status.phase or "Pending"),
        value="" if value is None else wanted.told(value),
        value_key=None if value is None else float(f"{value:.6g}"),
        level=place_of(*score.level, spec.benchmark.rates is not None) if score and score.level else "",
        parameters=" ".join(f"{one.name}={one.value}" for one in spec.parameters or ()),
        gpus=str(run.held),
        minutes="" if seconds is None else f"{seconds / 60:.1f}",
        hours="" if status.gpu_seconds is None else f"{status.gpu_seconds / 3600:.3f}",
        words=shorten(" ".join(told.split()), _WORDS_MAX),
    )
