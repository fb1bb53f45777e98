"""How many experiments until the best configuration is known? The product's search, and others in the same run.

python -m tests.benchmarks.search [--surfaces DIR] [--seeds 20] [--experiments 40] [--methods bayesian,random,...]
    [--jobs 2] [--only TEXT]

n5: experiments until the incumbent is truly within 5 % of the best, median of the runs. hit: share of the runs whose
incumbent is, at the end. p90 regret: how much worse it truly is at the end; only one run in ten is worse. failures: of
all experiments of a run, mean. ms: processor time of a proposal at the end of a run. Every figure that a search is told
has 3 % noise; what is judged is the truth.

bayesian and random are the product's own, asked as a task asks them: with its rules, and the advice for engine and
goal. tpe: Optuna's, multivariate, told failures as the worst of all; tpe-default: as it comes. Where there is no model,
the incumbent is the best measurement.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.benchmarks import against
from tests.benchmarks.search import jobs, methods, table
from tests.benchmarks.search.runs import Run
from tests.benchmarks.search.surfaces import SHIPPED

_PROGRESS_SECONDS = 15


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and run; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--surfaces", type=Path, default=SHIPPED, help="folder of NAME.csv.gz")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--experiments", type=int, default=40)
    parser.add_argument("--methods", default=",".join(methods.NAMES))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="part of SURFACE/GOAL; goals: thr, slo, lat, pareto, score")
    return against.main("search", parser, lambda options: _run(options, parser), arguments)


def _run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> against.Result:
    """Make the runs, print the table and the bars."""
    names = _available(args.methods.split(","), parser)
    todo = jobs.every(args.surfaces, args.only, names, args.seeds, args.experiments)
    if not todo:
        parser.error(f"--surfaces, --only: no surface in {args.surfaces} with {args.only!r} in SURFACE/GOAL")
    begun = time.monotonic()
    runs = list(_with_progress(jobs.made(todo, args.jobs), len(todo)))
    print(f"{len(runs)} runs: {args.seeds} seeds, {args.experiments} experiments, {time.monotonic() - begun:.0f} s")
    print("\n".join(table.lines(runs, args.experiments)))
    found = table.bars(runs)
    print("\n".join(["bars, of bayesian", *map(str, found)] if found else ["no bars: bayesian was left out"]))
    return against.Result(
        {bar.what: [bar.value] for bar in found},
        all(bar.met for bar in found),
        {
            f"{run.surface}/{run.goal}, {job.method}, batches of {job.batch}, seed {job.seed}": run.choices
            for job, run in zip(todo, runs, strict=True)
        },
    )


def _available(wanted: Sequence[str], parser: argparse.ArgumentParser) -> list[str]:
    unknown = [name for name in wanted if name not in methods.NAMES]
    if unknown:
        parser.error(f"--methods: there is no {', '.join(unknown)}; choose from {','.join(methods.NAMES)}")
    here = methods.available()
    missing = [name for name in wanted if name not in here]
    if missing:
        hint = "Optuna is not installed here; `make bench-search` makes an environment that has it"
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
