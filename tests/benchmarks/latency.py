"""How much GPU time the operator itself costs: reaction times and the share of an experiment that is neither starting
nor measuring. On the testbed, with real genai-bench: `python -m tests.benchmarks.latency [--experiments N]`.

All moments but two are when a watch beside the operator's own saw the change; the first request and the benchmark's end
are the runner's. Bars are the 95th percentile; the last column says whether it is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from autotuner.benchmark.contract.result import Result, decode
from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import Api
from testbed.operator_process import Operator
from tests.benchmarks import against

NAMESPACE = "latency"
TASKS = f"/apis/autotuner.io/v1alpha1/namespaces/{NAMESPACE}/tuningtasks"
EXPERIMENTS = f"/apis/autotuner.io/v1alpha1/namespaces/{NAMESPACE}/tuningexperiments"
SERVICES = f"/apis/ome.io/v1beta1/namespaces/{NAMESPACE}/inferenceservices"
SLOW_START = 15
CPU, MEMORY = "operator, CPU seconds", "operator, peak memory in MiB"
# Of another revision's.
LIMITS = {CPU: 1.05, MEMORY: 1.05}


class Moments:
    """When what was first seen, by experiment.

    Args:
        services: the path of the objects that serve engines.
    """

    def __init__(self, services: str = SERVICES) -> None:
        self.collections = {
            "experiment": EXPERIMENTS,
            "service": services,
            "job": f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs",
            "pod": f"/api/v1/namespaces/{NAMESPACE}/pods",
        }
        self.seen: dict[str, dict[str, float]] = defaultdict(dict)
        self.results: dict[str, Result] = {}

    def note(self, experiment: str, what: str, last: bool = False) -> None:
        """Remember the first moment (or, if `last`, the latest)."""
        moments = self.seen[experiment]
        if last or what not in moments:
            moments[what] = time.time()

    async def watch(self, api: Api, kind: str) -> None:
        """Note what one collection tells."""
        async for event, item in api.watch(self.collections[kind]):
            getattr(self, f"_{kind}")(event, item)

    def _service(self, event: str, item: Object) -> None:
        name = item["metadata"].get("labels", {}).get("autotuner.io/experiment")
        if name is None:
            return  # a user's own
        self.note(name, "service exists")
        if event == "DELETED" or "deletionTimestamp" in item["metadata"]:
            self.note(name, "service deleted")
        if event == "DELETED":
            self.note(name, "service gone")

    def _job(self, _: str, item: Object) -> None:
        name = item["metadata"]["name"]
        self.note(name, "job exists")
        conditions = item.get("status", {}).get("conditions", [])
        if any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions):
            self.note(name, "job finished")

    def _pod(self, event: str, item: Object) -> None:
        name = item["metadata"].get("labels", {}).get("autotuner.io/experiment")
        if name is None:
            return
        if event == "DELETED":
            self.note(name, "last pod gone", last=True)
            return
        if "batch.kubernetes.io/job-name" not in item["metadata"]["labels"]:
            conditions = {c["type"]: c["status"] for c in item.get("status", {}).get("conditions", [])}
            if conditions.get("PodScheduled") == "True":
                self.note(name, "engine scheduled")
            if conditions.get("Ready") == "True":
                self.note(name, "engine ready")
            return
        for status in item.get("status", {}).get("containerStatuses", []):
            ended = status["state"].get("terminated")
            if ended and name not in self.results:
                self.results[name] = decode(ended["message"])

    def _experiment(self, _: str, item: Object) -> None:
        self.note(item["metadata"]["name"], "experiment exists")


def task(name: str, experiments: int, concurrency: list[int], extra: list[str]) -> Object:
    """A task of short measurements on the simulated engine."""
    return {
        "apiVersion": "autotuner.io/v1alpha1",
        "kind": "TuningTask",
        "metadata": {"name": name},
        "spec": {
            "model": {"preset": "llama-3-2-1b-instruct"},
            "runtime": {"preset": "simulated-sglang", "extraArgs": extra},
            "parameters": [{"name": "max-running-requests", "values": list(range(32, 32 + max(2, experiments)))}],
            "benchmark": {
                "scenarios": [{"name": "chat", "load": "N(100,20)/(20,4)"}],
                "concurrency": concurrency,
                "maxRequestsPerLevel": 30,
                "tokenizer": {"source": "Builtin"},
            },
            "objectives": [{"metric": "OutputThroughput"}],
            "search": {"maxExperiments": experiments, "confirm": {"maxRepeats": 0}},
        },
    }


def gaps(moments: Moments, start: str, end: str, names: Iterable[str]) -> list[float]:
    """Seconds from one moment to another within each experiment; an end before the start counts as 0."""
    rows = [moments.seen[name] for name in names]
    return [max(0.0, row[end] - row[start]) for row in rows if start in row and end in row]


def turnovers(moments: Moments, names: list[str]) -> list[float]:
    """Seconds from an experiment's last pod being gone to the next InferenceService."""
    return [
        moments.seen[after]["service exists"] - moments.seen[before]["last pod gone"]
        for before, after in pairwise(names)
    ]


def first_requests(items: list[Object], moments: Moments) -> list[float]:
    """Seconds from the engine's pod being seen ready to genai-bench's first request."""
    from autotuner import clock

    return [
        clock.parse(item["status"]["times"]["firstRequest"]).timestamp()
        - moments.seen[item["metadata"]["name"]]["engine ready"]
        for item in items
        if "firstRequest" in item["status"].get("times", {})
    ]


def overheads(moments: Moments) -> list[float]:
    """Seconds of each benchmark that were neither warm-up nor levels."""
    spent = (result.overhead_seconds for result in moments.results.values())
    return [seconds for seconds in spent if seconds is not None]


def idle_share(item: Object, moments: Moments) -> float | None:
    """The share of an experiment's node time that was neither starting the engine nor measuring."""
    levels = item["status"].get("levels")
    row = moments.seen[item["metadata"]["name"]]
    if not levels:
        return None
    held = row["last pod gone"] - row["engine scheduled"]
    starting = row["engine ready"] - row["engine scheduled"]
    measuring: float = sum(level["durationSeconds"] for level in levels)
    return (held - starting - measuring) / held


async def measure(bed: Testbed, experiments: int) -> tuple[Moments, list[Object], list[Object]]:
    """Run both tasks; returns what was seen and the experiments of the quick and of the slowly starting engine."""
    moments = Moments()
    async with Api(bed.kubeconfig) as api:
        await api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        watches = [asyncio.create_task(moments.watch(api, kind)) for kind in moments.collections]
        with Operator(bed.kubeconfig, bed.logs / "operator.log"):
            for body in (
                task("quick", experiments, [2], []),
                task("slow", 3, [1, 2, 3, 4], [f"--sim-startup-seconds={SLOW_START}"]),
            ):
                await api.create(TASKS, body)
                await finished(api, body["metadata"]["name"])
        for watch in watches:
            watch.cancel()
        items = (await api.list(moments.collections["experiment"]))["items"]
    items.sort(key=lambda item: int(item["metadata"]["name"].rpartition("-")[2]))
    quick = [item for item in items if item["metadata"]["name"].startswith("quick")]
    return moments, quick, [item for item in items if item not in quick]


async def finished(api: Api, name: str, seconds: float = 1200) -> None:
    """Wait for the end of a task.

    Raises:
        SystemExit: it did not succeed.
    """
    async with asyncio.timeout(seconds):
        while True:
            status = (await api.get(f"{TASKS}/{name}")).get("status", {})
            if status.get("phase") in ("Succeeded", "Failed"):
                break
            await asyncio.sleep(0.5)
    print(f"{name}: {status['message']}", file=sys.stderr)
    if status["phase"] == "Failed":
        raise SystemExit(f"latency: task {name} failed: {status['message']}")


def report(rows: list[tuple[str, list[float], float | None]]) -> bool:
    """Print the table; returns whether every bar is kept."""
    print(f"{'':<66} {'n':>3} {'median':>8} {'p95':>8} {'bar':>6}")
    kept = True
    for title, values, bar in rows:
        if not values:
            raise SystemExit(f"latency: nothing measured for: {title}")
        p95 = sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]
        verdict = ""
        if bar is not None:
            kept &= p95 < bar
            verdict = "kept" if p95 < bar else "MISSED"
        limit = "" if bar is None else f"{bar:g} s"
        print(f"{title:<66} {len(values):>3} {statistics.median(values):>8.3f} {p95:>8.3f} {limit:>6} {verdict}")
    return kept


def run(options: argparse.Namespace) -> against.Result:
    """Measure and print."""
    with Testbed.start(folder=options.folder) as bed:
        moments, quick, slow = asyncio.run(measure(bed, options.experiments))
        # Of the children that have ended, hence of the operator alone: the testbed still runs.
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = rows(moments, quick, slow)
    kept = report(found)
    costs = {CPU: [used.ru_utime + used.ru_stime], MEMORY: [used.ru_maxrss / 1024]}
    print("\n".join(f"{name}: {value:.1f}" for name, (value,) in costs.items()))
    return against.Result({title: values for title, values, _ in found} | costs, kept)


def rows(moments: Moments, quick: list[Object], slow: list[Object]) -> list[tuple[str, list[float], float | None]]:
    """What the table tells: title, seconds (or shares), bar."""
    names = [item["metadata"]["name"] for item in quick]
    every = names + [item["metadata"]["name"] for item in slow]
    shares = [share for item in quick + slow if (share := idle_share(item, moments)) is not None]
    return [
        ("engine pod scheduled -> benchmark Job exists", gaps(moments, "engine scheduled", "job exists", every), 1.0),
        ("Job finished -> InferenceService deleted", gaps(moments, "job finished", "service deleted", every), 1.0),
        ("last pod gone -> next InferenceService exists", turnovers(moments, names), 1.0),
        (f"engine ready after {SLOW_START} s -> first request", first_requests(slow, moments), 2.0),
        ("engine ready at once -> first request (genai-bench still loads)", first_requests(quick, moments), None),
        ("first request -> benchmark's end, less ramps and levels", overheads(moments), 6.0),
        ("share of an experiment that neither starts nor measures", shares, None),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.latency", description=__doc__)
    parser.add_argument("--experiments", type=int, default=20, help="measured with the quickly starting engine")
    parser.add_argument("--folder", type=Path, default=None, help="of the testbed; a temporary one by default")
    sys.exit(against.main("latency", parser, run, rounds=3, limits=LIMITS))
