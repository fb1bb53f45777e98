"""Can its answers be trusted? Whole tasks on the simulated engine's timing model, with heavy-tailed noise.

python -m tests.benchmarks.honesty [--tasks 2000] [--jobs 2] [--strategy NAME]

The policy decides about each pass, as in the cluster, from the baseline to the last repeat; what is judged is the
status. Spaces are small, so that the recommendation depends on the confirmation more than on the search.
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import fmean, median

from autotuner.api.task import Search
from tests.benchmarks import against
from tests.benchmarks.honesty.noise import KINDS
from tests.benchmarks.honesty.play import Outcome, play
from tests.benchmarks.honesty.tasks import EXPERIMENTS, draw


def main() -> int:
    """Read the command line and run; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--first", type=int, default=0, help="number of the first task: others are other tasks")
    parser.add_argument("--strategy", default=Search(max_experiments=1).strategy, help="the API's default if absent")
    return against.main("honesty", parser, _run)


def _run(args: argparse.Namespace) -> against.Result:
    """Play the tasks and print the bars."""
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
    kept, figures = _report(outcomes)
    # Of the pool's processes, which have ended.
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures["CPU seconds of a task"] = [(used.ru_utime + used.ru_stime) / len(outcomes)]
    return against.Result(figures, kept, {f"task {one.task}": [repr(one)] for one in outcomes})


def _play(number: tuple[int, str]) -> Outcome:
    return play(draw(*number))


@dataclass(frozen=True)
class Share:
    """How many of the outcomes something is true of, and how many it should be.

    Attributes:
        what: is true.
        among: the outcomes that are asked; those that answer None do not count.
        holds: asks one.
        least: bar.
        most: bar.
    """

    what: str
    among: Sequence[Outcome]
    holds: Callable[[Outcome], bool | None]
    least: float = 0.0
    most: float = 1.0

    def show(self) -> tuple[float, bool]:
        """Print it; returns the share and whether its bars are kept, within the sampling error of the run."""
        answers = [answer for one in self.among if (answer := self.holds(one)) is not None]
        count = len(answers)
        share = sum(answers) / count if count else 0.0
        error = math.sqrt(share * (1 - share) / count) if count else 0.0
        bar = f"at least {self.least:.0%}" if self.least else f"at most {self.most:.0%}" if self.most < 1 else ""
        print(f"  {self.what:46} {share:6.1%} +- {error:.1%} of {count:5}  {bar}")
        return share, self.least - 2 * error <= share <= self.most + 2 * error


def _report(outcomes: Sequence[Outcome]) -> tuple[bool, dict[str, list[float]]]:
    """Print what came of the tasks; returns whether the bars are kept, and the shares."""
    verdicts = Counter(one.verdict for one in outcomes)
    print("  verdicts:", ", ".join(f"{name} {count}" for name, count in verdicts.most_common()))
    repeats = [one.repeats for one in outcomes]
    print(f"  confirmation: {fmean(repeats):.2f} blocks, {fmean(one.runs for one in outcomes):.1f} runs on average")
    widths = [one.width for one in outcomes if one.width is not None]
    print(f"  intervals: +-{median(widths):.1f} % (median)" if widths else "  intervals: none")
    found = {share.what: share.show() for share in _shares(outcomes)}
    return all(kept for _, kept in found.values()), {what: [share] for what, (share, _) in found.items()}


def _shares(outcomes: Sequence[Outcome]) -> list[Share]:
    gained = [one for one in outcomes if one.has_gain and one.verdict in ("Improved", "NoSignificantDifference")]
    null = [one for one in outcomes if not one.has_gain]
    called = [one for one in outcomes if one.verdict == "Improved"]
    seen = [one for one in outcomes if one.seen]
    return [
        Share("called Improved, where there is a gain", gained, lambda one: one.verdict == "Improved"),
        Share("seen by the search: within 5 % of the best", outcomes, lambda one: one.seen),
        Share("of those, recommended", seen, lambda one: one.near),
        Share("called Improved, without a true gain", null, lambda one: one.verdict == "Improved", most=0.05),
        Share("called Improved, not truly better", called, lambda one: one.really_better is False, most=0.05),
        Share("interval holds the true gain", outcomes, lambda one: one.covered, least=0.95),
        Share("recommended: within 5 % of the best", outcomes, lambda one: one.near, least=0.95),
    ]


if __name__ == "__main__":
    sys.exit(main())
