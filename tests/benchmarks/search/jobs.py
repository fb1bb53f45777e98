"""All runs of the benchmark, and making them on several processors."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

from tests.benchmarks.search import rivals, table
from tests.benchmarks.search.goals import Case, cases
from tests.benchmarks.search.random_surfaces import random_surface
from tests.benchmarks.search.runs import Run, play, walk
from tests.benchmarks.search.surfaces import load

# Side by side and on fronts it would show nothing that the others do not.
_PLAIN = ("random",)
_ALONE = (1, False)


@dataclass(frozen=True)
class Job:
    """One run: of a method on the case of a number, or on the random surface of that number without a folder.

    For `batch` and `together` see `Run`.
    """

    folder: Path | None
    only: str
    case: int
    method: str
    seed: int
    experiments: int
    batch: int = 1
    together: bool = False


@lru_cache(maxsize=1)
def tabulated(folder: Path, only: str) -> list[Case]:
    """All goals of all surfaces of a folder whose SURFACE/GOAL has a text."""
    found = [case for surface in load(folder) for case in cases(surface)]
    return [case for case in found if only in f"{case.surface.name}/{case.name}"]


@lru_cache(maxsize=8)
def random_case(number: int) -> Case:
    """The only goal of a random surface."""
    return cases(random_surface(number))[0]


def every(
    folder: Path,
    only: str,
    names: Sequence[str],
    seeds: int,
    experiments: int,
    random_surfaces: int,
    parallel: Sequence[int],
) -> list[Job]:
    """The jobs of a benchmark: all seeds on tabulated surfaces, one on each random one.

    The product's search also runs so many experiments side by side, on tabulated surfaces in batches too.
    """
    found = []
    beside = [(places, False) for places in parallel]
    batches = [(places, True) for places in parallel]
    for number, case in enumerate(tabulated(folder, only)):
        front = case.name == "pareto"
        for name in names:
            if front and name in rivals.NAMES and name not in rivals.PARETO:
                continue
            for manner in (_ALONE,) if front or _is_plain(name) else (_ALONE, *beside, *batches):
                found += [Job(folder, only, number, name, seed, experiments, *manner) for seed in range(seeds)]
    for number in range(random_surfaces):
        if only in f"random-{number:03}/{random_case(number).name}":
            for name in names:
                for manner in (_ALONE,) if _is_plain(name) else (_ALONE, *beside):
                    found.append(Job(None, only, number, name, number, experiments, *manner))
    return found


def _is_plain(name: str) -> bool:
    return name in _PLAIN or name in rivals.NAMES


def made(jobs: Sequence[Job], processes: int) -> Iterator[Run]:
    """The jobs' runs, in their order."""
    # For the processes that are started: numpy reads it when it is loaded, and one run is one processor's work.
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(run, jobs)


def run(job: Job) -> Run:
    """Make one."""
    case = tabulated(job.folder, job.only)[job.case] if job.folder else random_case(job.case)
    if case.name == "pareto":
        return walk(job.method, case, job.seed, table.marks(job.experiments))
    # Side by side, only the first good best is asked for.
    return play(job.method, case, job.seed, job.experiments, job.batch, whole=job.batch == 1, together=job.together)
