"""What one experiment costs the cluster and the operator: API requests and CPU seconds, and how long accelerators are
idle between two. On the testbed, with real genai-bench:

python -m tests.benchmarks.operator_cost [--experiments 200] [--against REV]

A proxy between the operator and the API server counts. Starting the operator is counted too.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
from pathlib import Path

from testbed import Testbed
from testbed.api import Api
from testbed.operator_process import Operator
from tests.benchmarks import against, latency
from tests.benchmarks.counted_task import CPU, REQUESTS, TURNOVER, figures, measure

# Of another revision's.
LIMITS = {REQUESTS: 0.6, CPU: 0.5}
_TURNOVER_SECONDS = 0.5


def run(options: argparse.Namespace) -> against.Result:
    """Measure and print."""
    with Testbed.start(folder=options.folder) as bed:
        moments, requests = asyncio.run(measure(bed, options.experiments, Api, Operator, latency))
        # Of the children that have ended, hence of the operator alone: the testbed still runs.
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = figures(moments, requests, used.ru_utime + used.ru_stime)
    kept = latency.report(
        [(REQUESTS, found[REQUESTS], None), (CPU, found[CPU], None), (TURNOVER, found[TURNOVER], _TURNOVER_SECONDS)]
    )
    return against.Result(found, kept)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.operator_cost", description=__doc__)
    parser.add_argument("--experiments", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=None, help="of the testbed; a temporary one by default")
    sys.exit(against.main("operator_cost", parser, run, limits=LIMITS))
