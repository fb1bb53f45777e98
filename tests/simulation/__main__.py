"""Plays histories: `python -m tests.simulation [--seed N [--trace]]`, `--histories N`, `--passes N`, `--minutes N`."""

from __future__ import annotations

import argparse
import sys
from itertools import count

from tests.simulation import many
from tests.simulation.plays import play


def main() -> int:
    """Read the command line and play; 1 if an invariant was broken."""
    parser = argparse.ArgumentParser("python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this history alone")
    parser.add_argument("--trace", action="store_true", help="print all that happens in it")
    parser.add_argument("--first", type=int, default=0, help="seed of the first history (default: 0)")
    parser.add_argument("--histories", type=int, help="play so many histories")
    parser.add_argument("--passes", type=int, help="play until so many reconciles have written")
    parser.add_argument("--minutes", type=float, help="play so long")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    args = parser.parse_args()
    if args.seed is not None:
        return _one(args.seed, trace=args.trace)
    until = many.Until(args.histories, args.passes, args.minutes)
    if until == many.Until():
        until = many.Until(histories=200)
    total = many.run(count(args.first), until, args.jobs)
    print(total.table())
    return 1 if total.broken else 0


def _one(seed: int, *, trace: bool) -> int:
    outcome = play(seed, keep=trace)
    print("\n".join(outcome.lines))
    for violation in outcome.broken:
        print(f"seed {seed}: {violation}")
    print(
        f"seed {seed}: {outcome.seconds:.0f} s in {outcome.cpu:.2f} s,"
        f" {outcome.counts['reconciles']} reconciles of which {outcome.counts['acting']} wrote,"
        f" trace {outcome.digest}"
    )
    return 1 if outcome.broken else 0


if __name__ == "__main__":
    sys.exit(main())
