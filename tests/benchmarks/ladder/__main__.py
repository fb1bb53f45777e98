"""How much GPU time does ending ladders early save, and does it ever cost the best configuration?

python -m tests.benchmarks.ladder [--surfaces DIR] [--seeds 20] [--experiments 40] [--startup 120]

Tuning tasks in random order, replayed on tabulated surfaces with 3 % noise of every figure. What the product tells a
benchmark (threshold, SLOs in SI units) and what the benchmark asks after each level is the product's own code.

saved: of the seconds of all levels; +startup: with what nothing saves. ended: share of the ladders; of those, ceiling:
by a broken SLO; hopeless: by what is best so far. regretted: measured whole, with the same noise, it would have become
the best by more than noise. missed: in truth feasible and better than the best, at a level that was not measured.
wrong: the missed that are better by more than noise. loss: of a task's final best, in truth; the worst of all seeds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks import against
from tests.benchmarks.ladder.goals import NAMES, goal, has_ceilings
from tests.benchmarks.ladder.replay import Outcome, replay
from tests.benchmarks.search.surfaces import SHIPPED, load

LEAST_SAVED = 0.35
_HEAD = ("goal", "saved", "+startup", "ended", "ceiling", "hopeless", "regretted", "missed", "wrong", "loss")


def main() -> int:
    """Read the command line and run; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--surfaces", type=Path, default=SHIPPED, help="folder of NAME.csv.gz")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--experiments", type=int, default=40)
    parser.add_argument("--startup", type=float, default=120, help="seconds of an experiment before its first level")
    return against.main("ladder", parser, lambda options: _run(options, parser))


def _run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> against.Result:
    """Replay the tasks and print the table."""
    surfaces = [one for one in load(args.surfaces) if one.levels]
    if not surfaces:
        parser.error(f"--surfaces: no grid with columns thr_cLEVEL in {args.surfaces}; name a folder of NAME.csv.gz")
    bound: list[Outcome] = []
    everything: list[Outcome] = []
    answers: dict[str, list[str]] = {}
    print(_line(_HEAD))
    for surface in surfaces:
        print(surface.name)
        for name in NAMES:
            outcomes = [replay(surface, goal(surface, name), seed, args.experiments) for seed in range(args.seeds)]
            print(_line(_row(name, outcomes, args.startup)), flush=True)
            answers[f"{surface.name}/{name}"] = list(map(repr, outcomes))
            everything += outcomes
            bound += outcomes if has_ceilings(name) else []
    print("all")
    among = {"ceilings": bound, "every": everything}
    print("\n".join(_line(_row(name, outcomes, args.startup)) for name, outcomes in among.items()))
    wrong = sum(one.wrong for one in everything)
    passed = saved(bound) >= LEAST_SAVED and wrong == 0
    print(f"bars: {saved(bound):.1%} saved with ceilings (at least {LEAST_SAVED:.0%}), {wrong} wrong ends (none)")
    figures = {f"{name}, saved": [saved(outcomes)] for name, outcomes in among.items()} | {"wrong ends": [wrong]}
    return against.Result(figures, passed, answers)


def saved(outcomes: Sequence[Outcome], startup: float = 0.0) -> float:
    """Share of the GPU time; with the seconds before the first level, which nothing saves."""
    before = startup * sum(one.experiments for one in outcomes)
    whole = before + sum(one.whole for one in outcomes)
    return 1 - (before + sum(one.spent for one in outcomes)) / whole if whole else 0.0


def _row(name: str, outcomes: Sequence[Outcome], startup: float) -> list[str]:
    experiments = sum(one.experiments for one in outcomes)
    counts = [
        sum(getattr(one, kind) for one in outcomes) for kind in ("broken", "hopeless", "regretted", "missed", "wrong")
    ]
    ended = (counts[0] + counts[1]) / experiments if experiments else 0.0
    loss = max((one.loss for one in outcomes), default=0.0)
    return [
        name,
        f"{saved(outcomes):.1%}",
        f"{saved(outcomes, startup):.1%}",
        f"{ended:.0%}",
        *map(str, counts),
        f"{loss:.1%}",
    ]


def _line(cells: Sequence[str]) -> str:
    return f"  {cells[0]:9}" + "".join(f"{cell:>10}" for cell in cells[1:])


if __name__ == "__main__":
    sys.exit(main())
