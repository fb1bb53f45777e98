"""All experiments of a task as CSV: one row each, figures in SI units."""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from autotuner.api.common import LATENCY_METRICS
from autotuner.api.experiment import Level
from autotuner.api.goals import Objective
from autotuner.api.task import TaskSpec
from autotuner.policy.evidence.measurements import Measured
from autotuner.scoring import Score
from autotuner.scoring.figures import DEFAULT_STATISTIC
from autotuner.scoring.slos import of_requests, soft
from autotuner.search.space.space import Space

Row = dict[str, Any]

_FIGURES = (
    "requests",
    "errors",
    "durationSeconds",
    "outputTokensPerSecond",
    "totalTokensPerSecond",
    "requestsPerSecond",
)
_OPEN_LOOP = ("sentPerSecond", "latenessP99Seconds")
_OF_REQUESTS = ("goodRequestsPerSecond", "attainment.share", "attainment.low", "attainment.high")
_LATENCIES = ("ttftSeconds", "tpotSeconds", "e2eLatencySeconds")
_STATISTICS = ("mean", "p50", "p90", "p95", "p99")
# What makes a spreadsheet take a text for a formula; a number may begin so.
_FORMULA = ("=", "+", "-", "@", "\t", "\n")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_DISTRIBUTIONS = tuple(f"{latency}.{one}" for latency in _LATENCIES for one in _STATISTICS)


def column(objective: Objective, prefix: str = "objective") -> str:
    """The heading of an objective: `objective.OutputThroughput`, `objective.TTFT.P99@32`."""
    statistic = f".{objective.statistic or DEFAULT_STATISTIC}" if objective.metric in LATENCY_METRICS else ""
    at = f"@{objective.offered:g}" if objective.offered else ""
    return f"{prefix}.{objective.metric}{statistic}{at}"


def _of_soft(spec: TaskSpec) -> list[str]:
    """The headings of what soft SLOs cost; none if the task has none."""
    if not soft(spec.slos or ()):
        return []
    return [*dict.fromkeys(column(objective, "worth") for objective in spec.objectives), "brokenSoftSLOs"]


def columns(space: Space, spec: TaskSpec) -> list[str]:
    """The headings of the table."""
    return [
        *("experiment", "purpose", "retryOf", "reused", "block", "reason", "outcome", "feasible"),
        *(f"parameters.{dimension.name}" for dimension in space.dimensions),
        *("args", "gpus"),
        *dict.fromkeys(map(column, spec.objectives)),
        *_of_soft(spec),
        *("sloShortfall", "scenario", _offered(spec)),
        *(f"{_prefix(scenario.name, spec)}{one}" for scenario in spec.benchmark.scenarios for one in _at_levels(spec)),
        *("gpuSeconds", "message"),
    ]


def text(
    measured: Iterable[Measured],
    space: Space,
    spec: TaskSpec,
    limit: int,
    first: Collection[str] = (),
) -> tuple[str, int]:
    """The table, ordered by index, and the number of experiments that did not fit.

    Args:
        measured: the experiments.
        space: whose parameters are columns.
        spec: of the task; objectives and scenarios are columns too.
        limit: the most bytes.
        first: names of those that are kept if not all fit; of the others, the earliest are.
    """
    names = columns(space, spec)
    every = list(measured)
    used, kept = len(_written(names)), set[str]()
    rows = {one.name: _row(one, spec) for one in every}
    written = {one: _written([row.get(name, "") for name in names]) for one, row in rows.items()}
    for one in sorted(every, key=lambda one: (one.name not in first, one.index)):
        used += len(written[one.name])
        if used > limit:
            break
        kept.add(one.name)
    lines = [_written(names), *(written[one.name] for one in every if one.name in kept)]
    return b"".join(lines).decode(), len(every) - len(kept)


def _offered(spec: TaskSpec) -> str:
    """The heading of what is offered at a level."""
    return "rate" if spec.benchmark.open_loop else "concurrency"


def _at_levels(spec: TaskSpec) -> tuple[str, ...]:
    """The headings of a level's figures, without those that none of the task's levels has."""
    open_loop = _OPEN_LOOP if spec.benchmark.open_loop else ()
    return (*_FIGURES, *open_loop, *(_OF_REQUESTS if of_requests(spec.slos or ()) else ()), *_DISTRIBUTIONS)


def _written(cells: Sequence[Any]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(map(_cell, cells))
    return line.getvalue().encode()


def _cell(cell: Any) -> Any:
    """A value as a cell, numbers with nine digits: more than was measured, and shorter than a float's tail."""
    if isinstance(cell, float):
        return float(f"{cell:.9g}")
    return _guarded(cell) if isinstance(cell, str) else cell


def _guarded(text: str) -> str:
    """A text that becomes no formula and ends no row, for a lone carriage return would not be quoted."""
    text = text.replace("\r", "\n")
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def _row(one: Measured, spec: TaskSpec) -> Row:
    score, service = one.score, one.spec.service
    row: Row = {
        "experiment": one.name,
        "purpose": one.spec.purpose,
        "retryOf": one.spec.retry_of or "",
        "reused": "false",
        "block": one.spec.block,
        "reason": one.status.reason or "",
        "outcome": one.outcome or "",
        "feasible": _feasible(one),
        "args": shlex.join(service.args),
        "gpus": service.accelerator.held,
        "gpuSeconds": one.status.gpu_seconds if one.status.gpu_seconds is not None else "",
        "message": (score.explanation if score else "") or one.status.message or "",
    }
    row |= {f"parameters.{pair.name}": pair.value for pair in one.spec.parameters or ()}
    if one.reused:
        row |= _reused(one)
    if score is None:
        return row
    if score.feasible:
        row |= {column(goal): value for goal, value in zip(spec.objectives, score.values, strict=True)}
        row |= {column(goal, "worth"): worth for goal, worth in zip(spec.objectives, score.worths, strict=True)}
        row["brokenSoftSLOs"] = "; ".join(broken.text for broken in score.broken_soft)
    row["sloShortfall"] = score.shortfall if score.outcome in ("value", "infeasible") else ""
    return row | _at_level(one, score, spec)


def _feasible(one: Measured) -> str:
    """Whether an experiment is feasible, as a cell; empty where that is not known: spoiled, or ended early."""
    if one.score is not None and one.score.feasible:
        return "true"
    return "false" if one.outcome in ("infeasible", "crash", "impossible") else ""


def _reused(one: Measured) -> Row:
    """The cells of a reused experiment, without costs and judgements of the task that paid for it."""
    row: Row = {"purpose": "Reused", "reused": "true", "block": "", "gpuSeconds": ""}
    if one.score is not None:
        reason = "SLOViolated" if one.outcome == "infeasible" else "Completed"
        row |= {"reason": reason, "message": one.score.explanation}
    return row


def _at_level(one: Measured, score: Score, spec: TaskSpec) -> Row:
    """The users or the rate of the value, or nearest to the SLOs; of a ladder that ended early, the highest."""
    levels = one.status.levels or []
    at = score.level[1] if score.level else max((level.offered for level in levels), default=0)
    counted = [level for level in levels if level.offered == at]
    row: Row = {_offered(spec): at or ""}
    if score.outcome == "infeasible" and score.level:
        row["scenario"] = score.level[0]
    elif counted and len(spec.benchmark.scenarios) == 1:
        row["scenario"] = counted[0].scenario
    for level in counted:
        row |= {f"{_prefix(level.scenario, spec)}{name}": value for name, value in _figures(level).items()}
    return row


def _prefix(scenario: str, spec: TaskSpec) -> str:
    """The prefix of a scenario's columns; empty where there is only one scenario."""
    return f"{scenario}." if len(spec.benchmark.scenarios) > 1 else ""


def _figures(level: Level) -> Row:
    figures = level.dump()
    row: Row = {name: figures[name] for name in (*_FIGURES, *_OPEN_LOOP, _OF_REQUESTS[0]) if name in figures}
    for nested in (*_LATENCIES, "attainment"):
        row |= {f"{nested}.{one}": value for one, value in (figures.get(nested) or {}).items()}
    return row
