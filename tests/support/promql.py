"""PromQL as Prometheus evaluates it: a small Go program on its own library."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tests.tools import tool

_SECONDS = 60


@dataclass(frozen=True)
class Query:
    """An expression to evaluate every `step` seconds from `start` to `end`."""

    expr: str
    start: float
    end: float
    step: float


@dataclass(frozen=True)
class Series:
    """One result: its labels and its values by second."""

    labels: dict[str, str]
    values: dict[float, float]


@dataclass(frozen=True)
class Answer:
    """The metrics that an expression names, and what it evaluates to."""

    metrics: tuple[str, ...]
    series: tuple[Series, ...]


def evaluate(load: str, queries: Sequence[Query]) -> list[Answer]:
    """Evaluate queries over series that begin at second 0.

    Args:
        load: series in promqltest's notation, without its first line: `up{job="a"} 1x10 0x5 stale`, one value a minute.
        queries: what to evaluate.

    Raises:
        AssertionError: an expression or the notation is wrong; the message says how.
    """
    lines = "\n".join(f"  {line.strip()}" for line in load.strip().splitlines())
    case = {"load": f"load 1m\n{lines}", "queries": [asdict(query) for query in queries]}
    ended = subprocess.run(
        [tool("promql")], input=json.dumps({"cases": [case]}), capture_output=True, text=True, timeout=_SECONDS
    )
    assert ended.returncode == 0, ended.stderr
    (answers,) = json.loads(ended.stdout)["cases"]
    return [
        Answer(
            tuple(answer["metrics"]),
            tuple(Series(one["labels"], _values(one["points"])) for one in answer["series"]),
        )
        for answer in answers
    ]


def _values(points: Sequence[tuple[str, str]]) -> dict[float, float]:
    return {float(at): float(value) for at, value in points}
