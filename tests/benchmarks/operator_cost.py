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
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

from testbed import Testbed
from testbed.api import Api
from testbed.operator_process import Operator
from tests.benchmarks import against, latency
from tests.benchmarks.counting_proxy import CountingProxy

REQUESTS, CPU = "API requests per experiment", "operator, CPU seconds per experiment"
TURNOVER = "experiment over -> next one exists"
# Of another revision's.
LIMITS = {REQUESTS: 0.6, CPU: 0.5}
_TURNOVER_SECONDS = 0.5


async def measure(bed: Any, experiments: int, api_of: Any, operator_of: Any, bench: Any) -> tuple[Any, Counter[str]]:
    """Run one task to its end.

    Args:
        bed: that it runs on.
        experiments: of its search.
        api_of: makes a client of the API server from a kubeconfig.
        operator_of: makes the operator's process from a kubeconfig and the path of its log.
        bench: the module that knows the task and watches moments.

    Returns:
        The moments that were seen, and the requests that the operator sent.
    """
    moments, proxy, led = bench.Moments(), CountingProxy(bed.kubeconfig), bed.logs / "proxied.kubeconfig"
    async with api_of(bed.kubeconfig) as api, proxy.serving(led):
        await api.create("/api/v1/namespaces", {"metadata": {"name": bench.NAMESPACE}})
        watch = asyncio.create_task(_watch(moments, api, bench))
        with operator_of(led, bed.logs / "operator.log"):
            await api.create(bench.TASKS, bench.task("quick", experiments, [2], []))
            await bench.finished(api, "quick", 60.0 * experiments + 300)
        watch.cancel()
    return moments, proxy.requests


async def _watch(moments: Any, api: Any, bench: Any) -> None:
    """Note when each experiment exists, and when it is over."""
    async for _, item in api.watch(bench.COLLECTIONS["experiment"]):
        name = item["metadata"]["name"]
        moments.note(name, "exists")
        conditions = (item.get("status") or {}).get("conditions") or []
        if any(one["type"] == "Finished" and one["status"] == "True" for one in conditions):
            moments.note(name, "over")


def figures(moments: Any, requests: Counter[str], cpu: float) -> dict[str, list[float]]:
    """The figures of one run; prints which requests there were."""
    order = sorted(moments.seen, key=lambda name: int(name.rpartition("-")[2]))
    count = len(order)
    for what, number in requests.most_common(30):
        print(f"  {what:<50} {number / count:8.2f} per experiment")
    rows = [(moments.seen[one], moments.seen[after]) for one, after in pairwise(order)]
    turnovers = [max(0.0, after["exists"] - one["over"]) for one, after in rows if "over" in one]
    return {REQUESTS: [sum(requests.values()) / count], CPU: [cpu / count], TURNOVER: turnovers}


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
