"""One task under an operator whose API requests are counted. It imports nothing of this project but the proxy, so that
another revision's operator can be measured by the very same play.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from itertools import pairwise
from typing import Any

from tests.benchmarks.counting_proxy import CountingProxy

REQUESTS, CPU = "API requests per experiment", "operator, CPU seconds per experiment"
TURNOVER = "experiment over -> next one exists"


def task(experiments: int) -> dict[str, Any]:
    """A task of short measurements on the simulated engine, with as many configurations as experiments at least."""
    side = math.isqrt(max(4, experiments)) + 1
    return {
        "apiVersion": "autotuner.io/v1alpha1",
        "kind": "TuningTask",
        "metadata": {"name": "quick"},
        "spec": {
            "model": {"preset": "llama-3-2-1b-instruct"},
            "runtime": {"preset": "simulated-sglang"},
            "parameters": [
                {"name": "max-running-requests", "values": list(range(32, 32 + side))},
                {"name": "chunked-prefill-size", "values": [512 * number for number in range(1, side + 1)]},
            ],
            "benchmark": {
                "scenarios": [{"name": "chat", "load": "N(100,20)/(20,4)"}],
                "concurrency": [2],
                "maxRequestsPerLevel": 30,
                "tokenizer": {"source": "Builtin"},
            },
            "objectives": [{"metric": "OutputThroughput"}],
            "search": {"maxExperiments": experiments, "strategy": "Random", "confirm": {"maxRepeats": 0}},
        },
    }


async def measure(bed: Any, experiments: int, api_of: Any, operator_of: Any, bench: Any) -> tuple[Any, Counter[str]]:
    """Run one task to its end.

    Args:
        bed: that it runs on.
        experiments: of its search.
        api_of: makes a client of the API server from a kubeconfig.
        operator_of: makes the operator's process from a kubeconfig and the path of its log.
        bench: the benchmark of latency, which knows the namespace and notes moments.

    Returns:
        The moments that were seen, and the requests that the operator sent.
    """
    moments, proxy, led = bench.Moments(), CountingProxy(bed.kubeconfig), bed.logs / "proxied.kubeconfig"
    async with api_of(bed.kubeconfig) as api, proxy.serving(led):
        await api.create("/api/v1/namespaces", {"metadata": {"name": bench.NAMESPACE}})
        watch = asyncio.create_task(_watch(moments, api, bench))
        with operator_of(led, bed.logs / "operator.log"):
            await api.create(bench.TASKS, task(experiments))
            await bench.finished(api, "quick", 60.0 * experiments + 300)
        watch.cancel()
    return moments, proxy.requests


async def _watch(moments: Any, api: Any, bench: Any) -> None:
    """Note when each experiment exists, and when it is over."""
    async for _, item in api.watch(bench.EXPERIMENTS):
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
