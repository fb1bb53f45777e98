"""Runs of rivals that were made before: they take hours, and change only with their versions.

`tests/benchmarks/data/rivals.jsonl.gz` has one line for each run, with the version of the library that made it.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks.search.runs import Run

KEPT = Path(__file__).parents[1] / "data" / "rivals.jsonl.gz"
_LIBRARIES = {"tpe": "optuna", "optuna-gp": "optuna", "smac": "smac", "smac-gp": "smac"}
_OURS = ("choices", "ended", "ended_regret")  # of a run, what rivals do not tell or nobody needs again
_KEY = ("method", "surface", "goal", "batch", "seed")
_DIGITS = 4
PRECISION = 10.0**-_DIGITS


def load(path: Path = KEPT) -> list[Run]:
    """All runs that were kept; none without the file."""
    return [_run(told) for told in _kept(path)]


def save(runs: Iterable[Run], path: Path = KEPT) -> None:
    """Keep runs in the place of those of the same methods, surfaces, goals, seeds and batches."""
    told = [*_kept(path), *(_told(run) for run in runs if run.method in _LIBRARIES)]
    known = {tuple(str(one[name]) for name in _KEY): json.dumps(one) for one in told}
    text = "".join(f"{known[key]}\n" for key in sorted(known))
    # Without a time in the file, the same runs are the same bytes.
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def _kept(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def _told(run: Run) -> dict[str, Any]:
    told = {name: value for name, value in asdict(run).items() if name not in _OURS}
    told["curve"] = [_rounded(one) for one in run.curve]
    told["library"] = f"{_LIBRARIES[run.method]} {version(_LIBRARIES[run.method])}"
    return {name: _rounded(value) if isinstance(value, float) else value for name, value in told.items()}


def _rounded(value: float) -> float | None:
    """Four digits; None for infinity and for what is no number, which JSON does not have."""
    return round(value, _DIGITS) if math.isfinite(value) else None


def _run(told: Mapping[str, Any]) -> Run:
    found = {name: value for name, value in told.items() if name != "library"}
    for name, missing in (("first", math.inf), ("regret", math.inf), ("ms", math.nan)):
        found[name] = missing if found[name] is None else found[name]
    found["curve"] = tuple(math.inf if one is None else one for one in found["curve"])
    return Run(**{**found, "shares": tuple(found["shares"])})
