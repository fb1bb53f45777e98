"""How long a proposal takes: with the records of a usual task, and in a large space with many.

python -m tests.benchmarks.proposal_time [--proposals 7] [--against 1201970]

Processor time of one proposal under limits, on one thread. The other revision learns one softened figure for each
record, this one the worth of four levels of load and their distances from two limits.
"""

from __future__ import annotations

import argparse
import math
import sys
import time

from autotuner.api.parameters import SearchParameter
from autotuner.search.experiment_record import LevelRecord, Record
from autotuner.search.space.space import Space
from autotuner.search.suggest import suggest
from tests.benchmarks import against
from tests.benchmarks.revisions.made_up_records import LOADS, SIZES, MadeUpRecord, lengths, records

# This revision's time as a share of that of 1201970, by the figure's name.
LIMITS = {"ms with 40 records": 1.3, "ms with 200 records": 0.25}


def main() -> int:
    """Read the command line and run; 1 if a limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proposals", type=int, default=7, help="of each size")
    return against.main("proposal_time", parser, _run, rounds=3, limits=LIMITS)


def _run(options: argparse.Namespace) -> against.Result:
    figures = {}
    for parameters, count in SIZES:
        times = _times(parameters, count, options.proposals)
        figures[f"ms with {count} records"] = times
        print(f"{parameters} parameters, {count} records: {sorted(times)[len(times) // 2]:.0f} ms")
    return against.Result(figures)


def _times(parameters: int, count: int, proposals: int) -> list[float]:
    space = Space.over(
        [_parameter(number, length) for number, length in enumerate(lengths(parameters))], engine="Custom"
    )
    told = [_record(space, one) for one in records(parameters, count)]
    found = []
    for seed in range(proposals):
        begun = time.process_time()
        suggest("Bayesian", space, told, [], 1, seed)
        found.append(1e3 * (time.process_time() - begun))
    return found


def _parameter(number: int, length: int) -> SearchParameter:
    if number % 3:
        return SearchParameter(name=f"size-{number}", values=[float(value) for value in range(1, length + 1)])
    return SearchParameter(name=f"mode-{number}", choices=["x", "y", "z"])


def _record(space: Space, one: MadeUpRecord) -> Record:
    configuration = space.build(one.places)
    if not one.worths:
        return Record(configuration, "crash")
    levels = tuple(
        LevelRecord(float(load), (worth,), tuple(map(math.log, beyond)))
        for load, worth, beyond in zip(LOADS, one.worths, one.beyond, strict=True)
    )
    kept = [level.worths[0] for level in levels if level.kept and level.worths[0] is not None]
    if kept:
        return Record(configuration, "value", (max(kept),), levels=levels)
    shortfall = min(max(beyond) for beyond in one.beyond) - 1
    return Record(configuration, "infeasible", shortfall=shortfall, levels=levels)


if __name__ == "__main__":
    sys.exit(main())
