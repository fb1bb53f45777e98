"""Can its answers be trusted? Whole tasks on the simulated engine's timing model, with heavy-tailed noise.

python -m tests.benchmarks.honesty [--tasks 2000] [--jobs 2] [--strategy NAME]

The policy decides about each pass, as in the cluster, from the baseline to the last repeat; what is judged is the
status. Spaces are small, so that the recommendation depends on the confirmation more than on the search.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from multiprocessing import get_context
from statistics import fmean, median

from autotuner.api.task import Search
from tests.benchmarks.honesty.noise import KINDS
from tests.benchmarks.honesty.play import Outcome, play
from tests.benchmarks.honesty.tasks import EXPERIMENTS, draw


def main() -> int:
    """Play the tasks and print the bars; 1 if one is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--first", type=int, default=0, help="number of the first task: others are other tasks")
    parser.add_argument("--strategy", default=Search(max_experiments=1).strategy, help="the API's default if absent")
    args = parser.parse_args()
    begun = time.monotonic()
    numbers = [(number, args.strategy) for number in range(args.first, args.first + args.tasks)]
    with get_context("fork").Pool(args.jobs) as pool:
        outcomes = list(pool.imap_unordered(_play, numbers, chunksize=20))
    seconds = time.monotonic() - begun
    print(f"{len(outcomes)} tasks of {EXPERIMENTS} experiments ({args.strategy}) in {seconds:.0f} s")
    for kind in KINDS:
        print(f"\nfar off, one in ten {kind}:")
        _report([one for one in outcomes if one.noise == kind])
    print("\nall:")
    return 0 if _report(outcomes) else 1


def _play(number: tuple[int, str]) -> Outcome:
    return play(draw(*number))


def _report(outcomes: Sequence[Outcome]) -> bool:
    verdicts = Counter(one.verdict for one in outcomes)
    print("  verdicts:", ", ".join(f"{name} {count}" for name, count in verdicts.most_common()))
    repeats = [one.repeats for one in outcomes]
    print(f"  confirmation: {fmean(repeats):.2f} blocks, {fmean(one.runs for one in outcomes):.1f} runs on average")
    widths = [one.width for one in outcomes if one.width is not None]
    print(f"  intervals: +-{median(widths):.1f} % (median)" if widths else "  intervals: none")
    gained = [one for one in outcomes if one.has_gain and one.verdict in ("Improved", "NoSignificantDifference")]
    _show("called Improved, where there is a gain", gained, lambda one: one.verdict == "Improved")
    _show("seen by the search: within 5 % of the best", outcomes, lambda one: one.seen)
    _show("of those, recommended", [one for one in outcomes if one.seen], lambda one: one.near)
    null = [one for one in outcomes if not one.has_gain]
    called = [one for one in outcomes if one.verdict == "Improved"]
    return all(
        [
            _bar("called Improved, without a true gain", null, lambda one: one.verdict == "Improved", most=0.05),
            _bar("called Improved, not truly better", called, lambda one: one.really_better is False, most=0.05),
            _bar("interval holds the true gain", outcomes, lambda one: one.covered, least=0.95),
            _bar("recommended: within 5 % of the best", outcomes, lambda one: one.near, least=0.95),
        ]
    )


def _bar(
    what: str,
    outcomes: Iterable[Outcome],
    holds: Callable[[Outcome], bool | None],
    least: float = 0.0,
    most: float = 1.0,
) -> bool:
    share, error, _ = _show(what, outcomes, holds, f"at least {least:.0%}" if least else f"at most {most:.0%}")
    # Within the sampling error of the run.
    return least - 2 * error <= share <= most + 2 * error


def _show(
    what: str, outcomes: Iterable[Outcome], holds: Callable[[Outcome], bool | None], bar: str = ""
) -> tuple[float, float, int]:
    answers = [answer for one in outcomes if (answer := holds(one)) is not None]
    count = len(answers)
    share = sum(answers) / count if count else 0.0
    error = math.sqrt(share * (1 - share) / count) if count else 0.0
    print(f"  {what:46} {share:6.1%} +- {error:.1%} of {count:5}  {bar}")
    return share, error, count


if __name__ == "__main__":
    sys.exit(main())
