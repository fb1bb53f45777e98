"""All experiments of a task as CSV: one row each, figures in SI units."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from autotuner.api.common import LATENCY_METRICS
from autotuner.api.experiment import Level
from autotuner.api.goals import Objective
from autotuner.policy.records import Measured
from autotuner.scoring.figures import DEFAULT_STATISTIC
from autotuner.search import Space

Row = dict[str, Any]

_FIGURES = (
    "requests",
    "errors",
    "durationSeconds",
    "outputTokensPerSecond",
    "totalTokensPerSecond",
    "requestsPerSecond",
)
_LATENCIES = ("ttftSeconds", "tpotSeconds", "e2eLatencySeconds")
_STATISTICS = ("mean", "p50", "p90", "p95", "p99")
_AT_LEVEL = (*_FIGURES, *(f"{latency}.{one}" for latency in _LATENCIES for one in _STATISTICS))


def column(objective: Objective) -> str:
    """The heading of an objective: `objective.OutputThroughput`, `objective.TTFT.P99@32`."""
    statistic = f".{objective.statistic or DEFAULT_STATISTIC}" if objective.metric in LATENCY_METRICS else ""
    at = f"@{objective.concurrency}" if objective.concurrency else ""
    return f"objective.{objective.metric}{statistic}{at}"


def columns(space: Space, objectives: Sequence[Objective]) -> list[str]:
    """The headings."""
    return [
        *("experiment", "purpose", "block", "reason", "outcome", "feasible"),
        *(f"parameters.{dimension.name}" for dimension in space.dimensions),
        *("args", "gpus"),
        *dict.fromkeys(map(column, objectives)),
        *("sloShortfall", "scenario", "concurrency"),
        *_AT_LEVEL,
        *("gpuSeconds", "message"),
    ]


def text(
    measured: Iterable[Measured],
    space: Space,
    objectives: Sequence[Objective],
    limit: int,
    first: Collection[str] = (),
) -> tuple[str, int]:
    """The table by index, and how many experiments did not fit.

    Args:
        measured: the experiments.
        space: whose parameters are columns.
        objectives: likewise.
        limit: the most bytes.
        first: names of those that are kept if not all fit; of the others, the earliest are.
    """
    names = columns(space, objectives)
    every = list(measured)
    used, kept = len(_written(names)), set[str]()
    rows = {one.name: _row(one, objectives) for one in every}
    written = {one: _written([row.get(name, "") for name in names]) for one, row in rows.items()}
    for one in sorted(every, key=lambda one: (one.name not in first, one.index)):
        used += len(written[one.name])
        if used > limit:
            break
        kept.add(one.name)
    lines = [_written(names), *(written[one.name] for one in every if one.name in kept)]
    return b"".join(lines).decode(), len(every) - len(kept)


def _written(cells: Sequence[Any]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(map(_short, cells))
    return line.getvalue().encode()


def _short(cell: Any) -> Any:
    """Nine digits are more than was measured, and shorter than a float's tail."""
    return float(f"{cell:.9g}") if isinstance(cell, float) else cell


def _row(one: Measured, objectives: Sequence[Objective]) -> Row:
    score, service = one.score, one.spec.service
    row: Row = {
        "experiment": one.name,
        "purpose": one.spec.purpose,
        "block": one.spec.block,
        "reason": one.status.reason or "",
        "outcome": one.outcome or "",
        "feasible": "true" if score is not None and score.feasible else "false",
        "args": shlex.join(service.args),
        "gpus": service.accelerator.count,
        "gpuSeconds": one.status.gpu_seconds if one.status.gpu_seconds is not None else "",
        "message": (score.explanation if score else "") or one.status.message or "",
    }
    row |= {f"parameters.{pair.name}": pair.value for pair in one.spec.parameters or ()}
    if score is None:
        return row
    if score.feasible:
        row |= {column(goal): value for goal, value in zip(objectives, score.values, strict=True)}
    row["sloShortfall"] = score.shortfall if score.outcome in ("value", "infeasible") else ""
    return row | (_at_level(score.metrics) if score.metrics else {})


def _at_level(level: Level) -> Row:
    """The level that the value was measured at, or that came nearest to the SLOs."""
    figures = level.dump()
    row: Row = {name: figures[name] for name in ("scenario", "concurrency", *_FIGURES) if name in figures}
    for latency in _LATENCIES:
        row |= {f"{latency}.{one}": value for one, value in (figures.get(latency) or {}).items()}
    return row
