"""What the operator takes in a cluster with many tasks: memory, CPU while nothing happens, how soon it acts after a
restart and after an event. On the testbed, with nodes whose pods are only said to run:

python -m tests.benchmarks.scale [--tasks 1000] [--active 200] [--against REV]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from testbed import Testbed
from testbed.api import Api
from testbed.operator_process import Operator
from tests.benchmarks import against, latency
from tests.benchmarks.crowded_cluster import ACTION, CPU, MEMORY, RESTART, RESTART_ALL, Crowd, measure

# Bars: of the 95th percentile of the samples.
BARS = {MEMORY: 200.0, CPU: 0.03, RESTART: 10.0, RESTART_ALL: None, ACTION: 1.0}


def crowd(options: argparse.Namespace) -> Crowd:
    """How many objects the command line asks for."""
    return Crowd(options.tasks, options.experiments, options.active, options.events, options.idle)


def run(options: argparse.Namespace) -> against.Result:
    """Measure and print."""
    with Testbed.start(folder=options.folder) as bed:
        found = asyncio.run(measure(bed, crowd(options), Api, Operator))
    return against.Result(found, latency.report([(name, found[name], bar) for name, bar in BARS.items()]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scale", description=__doc__)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--experiments", type=int, default=10, help="that are over, of each task")
    parser.add_argument("--active", type=int, default=200, help="tasks with an experiment that runs")
    parser.add_argument("--events", type=int, default=60, help="benchmarks that end while reactions are timed")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds of which the idle CPU is counted")
    parser.add_argument("--folder", type=Path, default=None, help="of the testbed; a temporary one by default")
    sys.exit(against.main("scale", parser, run))
