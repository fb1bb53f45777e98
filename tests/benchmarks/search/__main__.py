"""How many experiments until the best configuration is known? The product's search, and others.

python -m tests.benchmarks.search [--surfaces DIR] [--seeds 20] [--experiments 40] [--random-surfaces 200]
    [--methods bayesian,random,...] [--rivals kept|again] [--parallel 4,8] [--jobs 2] [--only TEXT]

A run is a task as the policy plays it: the baseline first, start points by engine and goal, ladders that end early, the
best that the status shows after each experiment, and at the end the confirmation with its repeats, which are counted
apart. n5: experiments until that best is truly within 5 % of what can be reached, median of the runs. hit: share of the
runs whose recommendation is. at 20: by how much the best in the status is worse then, mean. p90: how much worse the
recommendation is; only one run in ten is worse. ms: processor time of a proposal at the end of a run. The truth is
hard: a level that breaks a limit is worth nothing.

The same search also runs with several experiments side by side, whose times differ: whenever one ends, it is asked for
another one. In batches, it is asked for as many again when all have ended. Experiments are counted as they end. later:
by how many experiments n5 is later than one by one. each: the same of each run, on average; a run that does not get
there counts as one more than its budget.

Random surfaces (`random_surfaces`) are of many kinds. Constants of the search were chosen on those of even numbers, and
on the tabulated ones; those of odd numbers were not looked at.

Rivals are told the same figures and start at the same points. Their runs are kept in `rival_runs`; --rivals again makes
and keeps them again, of those whose libraries are installed: tpe and optuna-gp are Optuna's samplers, smac and smac-gp
those of SMAC.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks import against
from tests.benchmarks.search import jobs, methods, rival_runs, rivals, table
from tests.benchmarks.search.random_surfaces import COUNT
from tests.benchmarks.search.runs import Run
from tests.benchmarks.search.surfaces import SHIPPED

_PROGRESS_SECONDS = 15


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and run; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--surfaces", type=Path, default=SHIPPED, help="folder of NAME.csv.gz")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--experiments", type=int, default=40)
    parser.add_argument("--random-surfaces", type=int, default=COUNT)
    parser.add_argument("--methods", default=",".join(methods.OWN))
    parser.add_argument("--rivals", choices=("kept", "again"), default="kept", help="again: make and keep them anew")
    parser.add_argument("--parallel", default="4,8", help="how many experiments side by side; empty: only one by one")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="part of SURFACE/GOAL; goals: thr, slo, lat, pareto, score")
    return against.main("search", parser, lambda options: _run(options, parser), arguments)


def _run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> against.Result:
    """Make the runs, print the table and the bars."""
    wanted = [*args.methods.split(","), *(rivals.NAMES if args.rivals == "again" else ())]
    names = _available(list(dict.fromkeys(wanted)), parser)
    if not any(args.surfaces.glob("*.csv*")):
        parser.error(f"--surfaces: no NAME.csv or NAME.csv.gz in {args.surfaces}")
    parallel = _numbers(args.parallel, parser)
    todo = jobs.every(args.surfaces, args.only, names, args.seeds, args.experiments, args.random_surfaces, parallel)
    if not todo:
        parser.error(f"--only: no surface has {args.only!r} in SURFACE/GOAL")
    begun = time.monotonic()
    runs = list(_with_progress(jobs.made(todo, args.jobs), len(todo)))
    print(f"{len(runs)} runs: {args.seeds} seeds, {args.experiments} experiments, {time.monotonic() - begun:.0f} s")
    if args.rivals == "again":
        rival_runs.save(runs)
    every = [*runs, *_kept(runs, names, args.experiments)]
    print("\n".join(table.lines(every, args.experiments)))
    found = table.bars(every, args.experiments) if table.OWN in names else []
    print("\n".join(["bars, of bayesian", *map(str, found)] if found else ["no bars: bayesian was left out"]))
    return against.Result(
        {
            **{bar.what: [bar.value] for bar in found},
            "ms for a proposal": [run.ms for run in runs if run.method == table.OWN and run.ms > 0],
        },
        all(bar.met for bar in found),
        {
            f"{run.surface}/{run.goal}, {job.method}, batches of {job.batch}, seed {job.seed}": run.choices
            for job, run in zip(todo, runs, strict=True)
            if run.batch == 1
        },
    )


def _numbers(text: str, parser: argparse.ArgumentParser) -> list[int]:
    found = [int(one) for one in text.split(",") if one.isdecimal() and int(one) > 1]
    if len(found) != len([one for one in text.split(",") if one]):
        parser.error(f"--parallel: {text} is no list of numbers above 1, like 4,8")
    return found


def _kept(runs: Sequence[Run], names: Sequence[str], experiments: int) -> list[Run]:
    """The kept runs of rivals on the same surfaces, of the same budget, that were not made again and began as these.

    Where a baseline has changed since, all runs on that surface are left out, and stderr says so.
    """
    begun = {(run.surface, run.goal, run.seed): run.curve[:1] for run in runs if run.batch == 1}
    found = [
        run
        for run in rival_runs.load()
        if (run.surface, run.goal, run.seed) in begun
        and run.method not in names
        and (run.shares or len(run.curve) == experiments + 1)
    ]
    moved = {
        run.surface
        for run in found
        if not np.allclose(run.curve[:1], begun[run.surface, run.goal, run.seed], rtol=0, atol=rival_runs.PRECISION)
    }
    for surface in sorted(moved):
        print(f"{surface}: kept runs of rivals began at another baseline; --rivals again makes them", file=sys.stderr)
    return [run for run in found if run.surface not in moved]


def _available(wanted: Sequence[str], parser: argparse.ArgumentParser) -> list[str]:
    unknown = [name for name in wanted if name not in methods.NAMES]
    if unknown:
        parser.error(f"--methods: there is no {', '.join(unknown)}; choose from {','.join(methods.NAMES)}")
    here = methods.available()
    missing = [name for name in wanted if name not in here]
    if missing:
        hint = "their libraries are not installed here; `make bench-rivals` makes an environment that has most of them"
        print(f"without {', '.join(missing)}: {hint}", file=sys.stderr)
    found = [name for name in wanted if name in here]
    if not found:
        parser.error("--methods: none is left")
    return found


def _with_progress(runs: Iterable[Run], count: int) -> Iterator[Run]:
    told = time.monotonic()
    for number, run in enumerate(runs, start=1):
        yield run
        if time.monotonic() - told > _PROGRESS_SECONDS:
            told = time.monotonic()
            print(f"{number} of {count} runs: {run.surface} {run.goal} {run.method}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
