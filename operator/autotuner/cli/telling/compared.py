"""Tasks or experiments side by side: what they have in common, and what each measured. Pure functions of objects."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autotuner import scoring
from autotuner.api.common import Statistic
from autotuner.api.experiment import ExperimentStatus, Level, TuningExperiment
from autotuner.api.task import TaskSpec
from autotuner.api.task_status import TaskStatus
from autotuner.cli.shared import printing
from autotuner.cli.shared.records import ComparedLevel, Comparison
from autotuner.kubernetes_object import Object
from autotuner.scoring.figures import place

# Of a table that people read: the field of a record, the metric that formats it.
_FIGURES = (
    ("output_tokens_per_second", "OutputThroughput", "throughput"),
    ("ttft_p99_seconds", "TTFT", "TTFT P99"),
    ("tpot_p99_seconds", "TPOT", "TPOT P99"),
    ("error_rate", "ErrorRate", "errors"),
)


@dataclass(frozen=True)
class Side:
    """One of the things that are compared.

    Attributes:
        name: of the task or experiment.
        state: its phase, or the reason of its end.
        args: the engine's.
        levels: what was measured.
        traffic: what was asked for; figures of different traffic say nothing about each other.
        accelerator: the model of the engine's accelerators; empty if unknown.
        gpus: the engine's accelerators; None if unknown.
        gpu_hours: that it used; None for an engine without accelerators.
        value: of the objective, with its unit; None for an experiment.
        gain: over the task's baseline; None for an experiment.
        price: of a GPU-hour; None if the task names none.
    """

    name: str
    state: str
    args: Sequence[str]
    levels: Sequence[Level]
    traffic: object
    accelerator: str = ""
    gpus: int | None = None
    gpu_hours: float | None = None
    value: str | None = None
    gain: str | None = None
    price: float | None = None


def best_of(task: Object) -> str:
    """The name of the experiment that found a task's best; empty if it has none."""
    return str(((task.get("status") or {}).get("best") or {}).get("experiment", ""))


def of_experiment(body: Object) -> Side:
    """An experiment to compare."""
    found = TuningExperiment.model_validate({"spec": body["spec"], "status": body.get("status") or {}})
    status = found.status or ExperimentStatus()
    hours = None if status.gpu_seconds is None else status.gpu_seconds / 3600
    return Side(
        name=body["metadata"]["name"],
        state=status.reason or status.phase or "Pending",
        args=found.spec.service.args or [],
        levels=status.levels or [],
        traffic=[one.dump() for one in found.spec.benchmark.scenarios],
        accelerator=status.accelerator_product or "",
        gpus=status.accelerators,
        gpu_hours=hours,
    )


def of_task(task: Object, winner: Object | None) -> Side:
    """A task to compare, by its best.

    Args:
        task: that has one.
        winner: the experiment that found it; None if it was deleted, and only the level of the value is known.
    """
    spec, status = TaskSpec.model_validate(task["spec"]), TaskStatus.model_validate(task["status"])
    best, found = status.best, of_experiment(winner) if winner else None
    assert best is not None, "asked before"
    return Side(
        name=task["metadata"]["name"],
        state=best.confidence.verdict,
        args=best.args,
        levels=found.levels if found else [best.metrics],
        traffic=[one.dump() for one in spec.benchmark.scenarios],
        accelerator=found.accelerator if found else "",
        gpus=found.gpus if found else None,
        gpu_hours=status.usage.gpu_hours if status.usage else None,
        value=scoring.format_value(best.value, spec.objectives[0].metric, spec.benchmark.ladder),
        gain=best.gain,
        price=float(spec.gpu_hour_price) if spec.gpu_hour_price else None,
    )


def compare(sides: Sequence[Side]) -> Comparison:
    """All of them beside each other."""
    common = [one for one in sides[0].args if all(one in side.args for side in sides)]
    places = dict.fromkeys(place(level) for side in sides for level in side.levels)
    return Comparison(
        names=[one.name for one in sides],
        states=[one.state for one in sides],
        values=[one.value for one in sides],
        gains=[one.gain for one in sides],
        gpus=[one.gpus for one in sides],
        gpu_hours=[one.gpu_hours for one in sides],
        costs=[_cost(one) for one in sides],
        common_args=common,
        own_args=[[arg for arg in one.args if arg not in common] for one in sides],
        levels=[_level(where, sides) for where in places],
        notes=list(_notes(sides)),
    )


def _cost(side: Side) -> float | None:
    return None if side.price is None or side.gpu_hours is None else side.price * side.gpu_hours


def _level(where: str, sides: Sequence[Side]) -> ComparedLevel:
    found = [next((level for level in side.levels if place(level) == where), None) for side in sides]

    def figures(metric: str) -> list[float | None]:
        return [None if level is None else scoring.figure(level, metric, _statistic(metric), 1) for level in found]

    return ComparedLevel(place=where, **{field: figures(metric) for field, metric, _ in _FIGURES})


def _statistic(metric: str) -> Statistic | None:
    return "P99" if metric in ("TTFT", "TPOT") else None


def _notes(sides: Sequence[Side]) -> Iterator[str]:
    if any(one.traffic != sides[0].traffic for one in sides):
        yield "their traffic differs (benchmark.scenarios): the figures cannot be compared"
    products = {one.accelerator for one in sides if one.accelerator}
    if len(products) > 1:
        yield f"they ran on different accelerators: {', '.join(sorted(products))}"


def text(answer: Comparison, wide: int) -> str:
    """The comparison for people."""
    rows = [
        ["state", *answer.states],
        *([["value", *_cells(answer.values)]] if any(answer.values) else []),
        *([["gain", *_cells(answer.gains)]] if any(answer.gains) else []),
        ["GPUs", *_cells(answer.gpus)],
        ["GPU-hours", *("" if one is None else f"{one:.2f}" for one in answer.gpu_hours)],
        *([["cost", *("" if one is None else f"{one:.2f}" for one in answer.costs)]] if any(answer.costs) else []),
    ]
    for level in answer.levels:
        for field, metric, name in _FIGURES:
            values = getattr(level, field)
            if any(values):
                told = ("" if value is None else scoring.format_value(value, metric) for value in values)
                rows.append([f"{level.place} {name}", *told])
    lines = [printing.table(["", *answer.names], rows, wide=wide)]
    for name, args in zip(answer.names, answer.own_args, strict=True):
        lines.append(f"only {name}: {shlex.join(args) or 'no other arguments'}\n")
    if answer.common_args:
        lines.append(f"all: {shlex.join(answer.common_args)}\n")
    return "".join([*lines, *(f"note: {note}\n" for note in answer.notes)])


def _cells(values: Sequence[object]) -> list[str]:
    return ["" if value is None else str(value) for value in values]
