"""The beginning of the page: the headline, the verdict in words, and the figures of the status. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from autotuner import scoring
from autotuner.api.task_status import Best
from autotuner.html_report.report_data import Figure, ReportData
from autotuner.policy.conditions import find
from autotuner.policy.recommendation import summary
from autotuner.scoring.figures import told


@dataclass(frozen=True)
class Fact:
    """One figure of the status.

    Attributes:
        term: what it is.
        words: the figure with its unit.
        figure: its field in the status, for programs; empty for none.
    """

    term: str
    words: str
    figure: str = ""


@dataclass(frozen=True)
class FrontRow:
    """A configuration of the front."""

    name: str
    cells: list[str]
    args: str


def headline(data: ReportData) -> str:
    """One line that says how it stands."""
    status, best = data.status, data.status.best
    if best is not None:
        value = _value(data, best)
        if _stays(data):
            return f"The baseline stays: {value}"
        gain = f", {scoring.over(best.gain_percent, 'the baseline')}" if best.gain_percent is not None else ""
        return f"{'' if data.finished else 'So far: '}{value}{gain}"
    if status.front:
        count = len(status.front)
        return f"{count} configurations to choose from" if count > 1 else "One configuration"
    ended = find(status.conditions, "Succeeded")
    if data.unreadable or ((valid := find(status.conditions, "Valid")) is not None and valid.status == "False"):
        return "The task is invalid: nothing was measured"
    if data.finished:
        return f"No result: {ended.reason if ended else 'unknown'}"
    return f"{status.phase or 'Not looked at yet'}: nothing measured yet that counts"


def subtitle(data: ReportData) -> str:
    """Model, runtime and accelerator of the task, and how far it is."""
    found, spec = data.status.resolved, data.spec
    parts = [f"phase {data.status.phase or 'unknown'}"]
    if spec is not None and spec.target is not None:
        parts.append(f"{spec.target.kind} {spec.target.name}")
    if found is not None:
        parts += [f"model {found.model}", f"runtime {found.runtime}", f"engine {found.engine}"]
        parts += [found.accelerator] if found.accelerator else []
    return ", ".join(parts)


def verdict(data: ReportData) -> str:
    """What the verdict means; empty before there is one."""
    best = data.status.best
    if best is None:
        return ""
    words = summary.verdict_words(best.confidence.verdict, _stays(data))
    return words if data.finished else f"Not final: the task goes on. {words}"


def warnings(data: ReportData) -> Iterator[str]:
    """What must be known before the result is used."""
    status, best = data.status, data.status.best
    if data.unreadable:
        yield f"This version cannot read the task: {data.unreadable}"
    if (valid := find(status.conditions, "Valid")) is not None and valid.status == "False":
        yield f"{valid.reason}: {valid.message}"
    if not data.finished and status.phase is not None:
        yield "The task is not finished: this is what was known when the report was made."
    if best is not None and best.numerics_changed:
        flags = ", ".join(best.numerics_changed)
        yield f"Quality not measured: {flags} change what the model answers. Evaluate its answers before you use this."
    if best is not None and best.accelerator_sharing:
        yield f"Shared accelerators ({best.accelerator_sharing}): the figures depend on what other pods did."
    if best is not None and best.breaks:
        yield f"Breaks soft SLOs: {'; '.join(best.breaks)}. The gain counts what that costs, the value does not."
    if data.unread:
        yield f"{len(data.unread)} experiments are of another version and are left out: {', '.join(data.unread[:5])}"


def facts(data: ReportData) -> Iterator[Fact]:
    """The figures of the status, each as it is there."""
    status, best = data.status, data.status.best
    if best is not None and data.objectives:
        yield Fact(f"Best {_objective(data).name}", _value(data, best), "best.value")
        if best.gain is not None:
            yield Fact("Gain over the baseline", best.gain, "best.gain")
        low, high = best.confidence.low, best.confidence.high
        if low is not None and high is not None:
            words = f"{scoring.format_gain(low)} to {scoring.format_gain(high)}"
            yield Fact("95% interval of the gain", words, "best.confidence")
        if best.confidence.repeats is not None:
            yield Fact("Repeats", str(best.confidence.repeats), "best.confidence.repeats")
        where = told(best.level.offered, best.level.rate is not None)
        yield Fact("Measured at", f"{best.level.scenario}, {where}", "best.level")
        yield Fact("Found by", best.experiment, "best.experiment")
    if status.baseline is not None and status.baseline.value is not None and data.objectives:
        yield Fact("Baseline", _objective(data).told(status.baseline.value), "baseline.value")
    if status.experiments is not None:
        yield Fact("Experiments", status.experiments.summary, "experiments.summary")
    if status.usage is not None:
        yield Fact("GPU-hours", f"{status.usage.gpu_hours:g}", "usage.gpuHours")
        if status.usage.remaining_gpu_hours is not None:
            yield Fact("GPU-hours left", f"{status.usage.remaining_gpu_hours:g}", "usage.remainingGPUHours")
    if status.search is not None:
        yield Fact("Ten more would gain", status.search.expected_gain, "search.expectedGain")


def front(data: ReportData) -> list[FrontRow]:
    """The rows of the front, best first as in the status."""
    return [
        FrontRow(
            point.experiment,
            [f"{scoring.format_value(one.value, one.metric)} at {one.offered:g}" for one in point.values],
            " ".join(point.args),
        )
        for point in data.status.front or ()
    ]


def _stays(data: ReportData) -> bool:
    best, baseline = data.status.best, data.status.baseline
    return best is not None and baseline is not None and best.experiment == baseline.experiment and data.finished


def _value(data: ReportData, best: Best) -> str:
    ladder = data.spec.benchmark.ladder if data.spec else ()
    return scoring.format_value(best.value, _objective(data).metric, ladder)


def _objective(data: ReportData) -> Figure:
    first = data.objectives[0]
    return Figure(first.metric, first.statistic)
