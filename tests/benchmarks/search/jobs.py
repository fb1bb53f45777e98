"""All runs of the benchmark, and making them on several processors."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

from tests.benchmarks.search import table
from tests.benchmarks.search.fronts import Trade
from tests.benchmarks.search.goals import Goal, goals
from tests.benchmarks.search.runs import Run, play, walk
from tests.benchmarks.search.surfaces import load

# In batches and on fronts these would show nothing that the others do not.
_PLAIN = ("random", "tpe-default")


@dataclass(frozen=True)
class Job:
    """One run: of a method on the case of a number."""

    folder: Path
    only: str
    case: int
    method: str
    seed: int
    experiments: int
    batch: int = 1


@lru_cache(maxsize=1)
def cases(folder: Path, only: str) -> list[Goal | Trade]:
    """All goals of all surfaces of a folder whose SURFACE/GOAL has a text."""
    found: list[Goal | Trade] = []
    for surface in load(folder):
        found += [*goals(surface), *([Trade(surface)] if surface.levels else [])]
    return [case for case in found if only in f"{case.surface.name}/{case.name}"]


def every(folder: Path, only: str, names: Sequence[str], seeds: int, experiments: int) -> list[Job]:
    """The jobs of a benchmark."""
    found = []
    for number, case in enumerate(cases(folder, only)):
        for name in names:
            front = isinstance(case, Trade)
            if front and name == "tpe-default":
                continue
            for batch in (1,) if front or name in _PLAIN else (1, table.BATCH):
                found += [Job(folder, only, number, name, seed, experiments, batch) for seed in range(seeds)]
    return found


def made(jobs: Sequence[Job], processes: int) -> Iterator[Run]:
    """The jobs' runs, in their order."""
    # For the processes that are started: numpy reads it when it is loaded, and one run is one processor's work.
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(run, jobs)


def run(job: Job) -> Run:
    """Make one."""
    case = cases(job.folder, job.only)[job.case]
    if isinstance(case, Trade):
        return walk(job.method, case, job.seed, table.marks(job.experiments))
    # Of batches, only the first good incumbent is asked for.
    return play(job.method, case, job.seed, job.experiments, job.batch, whole=job.batch == 1)
