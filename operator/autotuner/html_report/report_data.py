"""What a report tells of a task: read from the task and its experiments alone. Pure.

Data flows one way: objects, `ReportData`, page. The verdict, the best, its gain and interval, what parameters matter
and do are those of the task's status, so that the page can say nothing else; experiments are scored as the operator
scores them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from autotuner import scoring
from autotuner.api import quantity
from autotuner.api.common import LATENCY_METRICS, Statistic
from autotuner.api.experiment import ExperimentSpec, ExperimentStatus, Level
from autotuner.api.goals import Objective, Slo
from autotuner.api.task import TaskSpec
from autotuner.api.task_defaults import TaskDefaults
from autotuner.api.task_status import TaskStatus
from autotuner.html_report import stages
from autotuner.html_report.stages import Span
from autotuner.kubernetes_object import Object
from autotuner.policy import spec_completion
from autotuner.policy.conditions import is_true
from autotuner.policy.evidence import measurements, retries
from autotuner.policy.evidence.measurements import Measured
from autotuner.scoring import slos
from autotuner.scoring.figures import DEFAULT_STATISTIC, figure_name

_LATENCIES_MAX = 3
_THROUGHPUTS = ("OutputThroughput", "OutputThroughputPerGPU", "TotalThroughput", "RequestThroughput", "Goodput")
_SHARES = ("ErrorRate", "Attainment")
_FILES_LEFT_OUT = ("report.md", "experiments.csv")


@dataclass(frozen=True)
class Figure:
    """A figure of a level: a metric, and the statistic of a latency."""

    metric: str
    statistic: Statistic | None = None

    @property
    def name(self) -> str:
        """The name for people: `TTFT P99`."""
        return figure_name(self.metric, self.statistic)

    @property
    def axis(self) -> str:
        """The name with the unit, unless ticks tell that: a latency's are in ms or s."""
        if self.metric in LATENCY_METRICS:
            return self.name
        unit = "%" if self.metric in _SHARES else self.told(100.0).removeprefix("100").strip()
        return f"{self.name} ({unit})"

    def told(self, value: float) -> str:
        """A value of it with its unit."""
        return scoring.format_value(value, self.metric)

    def tick(self, value: float) -> str:
        """A value of it at an axis: only latencies with their unit."""
        if value == 0:
            return "0"
        share = self.metric in _SHARES
        return self.told(value) if self.metric in LATENCY_METRICS else f"{value * 100 if share else value:.6g}"


@dataclass(frozen=True)
class ReportData:
    """Everything that a report tells.

    Attributes:
        object: the task.
        spec: of it, with the operator's defaults that it took; None where this version cannot read it.
        status: of it.
        runs: its experiments by index, and those of others that its best or front names.
        files: of the recommendation, by name: what to apply.
        now: when the report was made.
        unreadable: why the spec could not be read; empty if it could.
        unread: names of experiments that this version cannot read.
    """

    object: Object
    spec: TaskSpec | None
    status: TaskStatus
    runs: Sequence[Measured]
    files: Mapping[str, str]
    now: datetime
    unreadable: str = ""
    unread: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The task's name."""
        return str(self.object["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The task's namespace."""
        return str(self.object["metadata"].get("namespace", ""))

    @property
    def finished(self) -> bool:
        """Whether the task is over."""
        return is_true(self.status.conditions, "Finished")

    @property
    def objectives(self) -> Sequence[Objective]:
        """What the task optimises; empty where its spec cannot be read."""
        return self.spec.objectives if self.spec else ()

    @property
    def promises(self) -> Sequence[Slo]:
        """The SLOs that levels keep or break."""
        return slos.counted(self.spec.slos or ()) if self.spec else ()

    @property
    def open_loop(self) -> bool:
        """Whether levels are requests per second instead of users."""
        return any(level.rate is not None for run in self.runs for level in run.status.levels or ())

    @cached_property
    def by_name(self) -> Mapping[str, Measured]:
        """Experiment by name."""
        return {run.name: run for run in self.runs}

    @property
    def baseline(self) -> Measured | None:
        """The baseline's experiment that counts."""
        return self.by_name.get(self.status.baseline.experiment) if self.status.baseline else None

    @property
    def winners(self) -> list[Measured]:
        """The experiment of the best, or those of the front."""
        names = [self.status.best.experiment] if self.status.best else [p.experiment for p in self.status.front or ()]
        return [self.by_name[name] for name in names if name in self.by_name]

    @property
    def winner(self) -> Measured | None:
        """The experiment of the best, where there is one objective."""
        return self.by_name.get(self.status.best.experiment) if self.status.best else None

    def repeats(self, run: Measured) -> list[Measured]:
        """The measured repeats of an experiment's configuration."""
        service = run.spec.service
        return [
            one
            for one in self.runs
            if one.is_repeat
            and one.status.levels
            and (one.spec.service.args, one.spec.service.env) == (service.args, service.env)
        ]

    @cached_property
    def throughput(self) -> Figure:
        """The throughput that plots show: that of the first objective that is one."""
        wanted = [one.metric for one in self.objectives if one.metric in _THROUGHPUTS]
        limits = [one.metric for one in self.promises if one.metric in _THROUGHPUTS]
        return Figure(next(iter([*wanted, *limits]), "OutputThroughput"))

    @cached_property
    def latencies(self) -> list[Figure]:
        """The latencies that plots show: those of SLOs and objectives, at most three."""
        asked: list[tuple[str, Statistic | None]] = [(one.metric, one.statistic) for one in self.promises]
        asked += [(one.metric, one.statistic) for one in self.objectives]
        named = {
            Figure(metric, statistic or DEFAULT_STATISTIC): None
            for metric, statistic in asked
            if metric in LATENCY_METRICS
        }
        return list(named or {Figure("TTFT", DEFAULT_STATISTIC): None, Figure("TPOT", DEFAULT_STATISTIC): None})[
            :_LATENCIES_MAX
        ]

    def figure(self, run: Measured, level: Level, wanted: Figure) -> float | None:
        """A figure of a level of an experiment, in SI units; None if it was not measured."""
        price = float(self.spec.gpu_hour_price) if self.spec and self.spec.gpu_hour_price else None
        return scoring.figure(level, wanted.metric, wanted.statistic, run.accelerators, price)

    def kept(self, run: Measured, level: Level) -> bool:
        """Whether a level is known to break no hard SLO."""
        return not slos.violations(level, slos.hard(self.promises), run.accelerators)

    def limits(self, wanted: Figure) -> list[tuple[float, str]]:
        """The SLOs on a figure: the limit in SI units, and its words."""
        found = []
        for slo in self.promises:
            same = slo.metric == wanted.metric and (
                slo.metric not in LATENCY_METRICS or (slo.statistic or DEFAULT_STATISTIC) == wanted.statistic
            )
            written = slo.max if slo.max is not None else slo.min
            if same and written is not None:
                side = "at most" if slo.max is not None else "at least"
                found.append((quantity.parse(written), f"{slo.enforcement} SLO: {side} {written}"))
        return found

    @cached_property
    def spans(self) -> list[tuple[Measured, list[Span]]]:
        """The stages of each of the task's own experiments whose times are known."""
        read = [(run, stages.spans(run, self.now)) for run in self.runs if not run.reused]
        return [(run, found) for run, found in read if found]


def read(
    task: Mapping[str, Any],
    experiments: Sequence[Mapping[str, Any]],
    now: datetime,
    *,
    others: Sequence[Mapping[str, Any]] = (),
    recommendation: Mapping[str, Any] | None = None,
) -> ReportData:
    """What a report tells of a task.

    Args:
        task: as the API server has it.
        experiments: its own.
        now: when the report is made.
        others: experiments of other tasks; those count that its best or front names.
        recommendation: its ConfigMap.
    """
    body = dict(task)
    status = TaskStatus.model_validate(task.get("status") or {})
    files = {
        name: text for name, text in ((recommendation or {}).get("data") or {}).items() if name not in _FILES_LEFT_OUT
    }
    try:
        spec = TaskSpec.model_validate(task.get("spec") or {})
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        why = f"spec.{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        return ReportData(body, None, status, [], files, now, why)
    spec = spec_completion.completed(spec, TaskDefaults.model_validate(status.defaults or {})).spec
    known, unread = _readable(experiments)
    named = _named(status)
    theirs, _ = _readable([one for one in others if one["metadata"]["name"] in named])
    own = retries.judged(measurements.unplaced(known, spec))
    reused = [replace(one, reused=True) for one in measurements.unplaced(theirs, spec)]
    return ReportData(body, spec, status, [*reused, *own], files, now, unread=unread)


def _named(status: TaskStatus) -> list[str]:
    """The experiments that a status names, of which some may be another task's."""
    best = [status.best.experiment] if status.best else []
    return [*best, *(point.experiment for point in status.front or ())]


def _readable(experiments: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], tuple[str, ...]]:
    """The experiments that this version can read, and the names of the others."""
    known, unread = [], []
    for one in experiments:
        try:
            ExperimentSpec.model_validate(one["spec"])
            ExperimentStatus.model_validate(one.get("status") or {})
            known.append(one)
        except (ValidationError, KeyError):
            unread.append(str(one["metadata"]["name"]))
    return known, tuple(unread)
