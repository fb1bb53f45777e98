"""What each kind of serving object costs an experiment: `python -m tests.benchmarks.latency_by_backend`.

One task after the other on the testbed, each of the same experiments on a simulated engine that starts in 5 seconds:
presets by OME's stand-in and by Deployments, and every kind of target that there is a story for. The stand-ins do what
was measured of the real controllers; Deployments have their real controllers. Those ask the API server as seldom as
Kubernetes' own limits let them: that is why an object with many children goes slowly. Moments are when a watch beside
the operator's own saw a change.

Dead time is what an experiment takes from its root's creation to the next one's, less the engine's start, the warm-up
and the levels. The benchmark's own start lies within the engine's. The backend's part of it is what the serving product
takes to make a pod and to let go of everything.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from autotuner import clock
from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import Api, install_crds
from testbed.operator_process import Operator
from tests.benchmarks.latency import Moments, finished, gaps, task
from tests.e2e.target_kinds import KINDS, TargetKind
from tests.support.objects import edited
from tests.support.waiting import wait_for

NAMESPACE = "latency"
BAR = 0.5
_START = ["--sim-startup-seconds=5"]
_TASK = "quick"


@dataclass(frozen=True)
class Served:
    """How the engines of a task are served.

    Attributes:
        name: in the table.
        root: the path of the objects that serve engines.
        testbed: switches of `Testbed.start`.
        edits: what makes the task one of this backend.
        kind: of the target; None for presets.
    """

    name: str
    root: str
    testbed: Mapping[str, Any]
    edits: Mapping[str, Any]
    kind: TargetKind | None = None


PRESETS = [
    Served("OME", f"/apis/ome.io/v1beta1/namespaces/{NAMESPACE}/inferenceservices", {}, {}),
    Served(
        "Deployment",
        f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments",
        {"ome": False},
        {"spec.backend": "Deployment"},
    ),
]


def of_target(kind: TargetKind) -> Served:
    """How copies of a target are served."""
    target = {"apiVersion": kind.api_version, "kind": kind.kind, "name": "chat", "engine": kind.engine}
    target |= {"extraArgs": _START, "allowUnknownFlags": True}
    edits = {"spec.target": target, "spec.model": None, "spec.runtime": None, "spec.parameters.0.name": kind.parameter}
    name = f"target {kind.backend}"
    return Served(name, kind.collection(NAMESPACE), {"ome": False, **kind.testbed}, edits, kind)


async def measure(bed: Testbed, served: Served, experiments: int) -> dict[str, list[float]]:
    """Run a task; returns seconds by what they tell."""
    moments = Moments(served.root)
    async with Api(bed.kubeconfig) as api:
        if not served.testbed.get("ome", True):
            await install_crds(api)
        await api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        if served.kind is not None:
            await serve(api, served.kind)
        watches = [asyncio.create_task(moments.watch(api, kind)) for kind in moments.collections]
        with Operator(bed.kubeconfig, bed.logs / "operator.log"):
            body = edited(task(_TASK, experiments, [2], _START), served.edits)
            await api.create(f"/apis/autotuner.io/v1alpha1/namespaces/{NAMESPACE}/tuningtasks", body)
            await finished(api, _TASK)
        for watch in watches:
            watch.cancel()
        items = (await api.list(moments.collections["experiment"]))["items"]
    items.sort(key=lambda item: int(item["metadata"]["name"].rpartition("-")[2]))
    return rows(moments, items)


async def serve(api: Api, kind: TargetKind) -> None:
    """Create the original and wait until a pod of it is ready."""
    for path, body in kind.objects(NAMESPACE):
        await api.create(path, body)

    async def ready() -> bool:
        pods = (await api.list(f"/api/v1/namespaces/{NAMESPACE}/pods"))["items"]
        return any(
            one["type"] == "Ready" and one["status"] == "True"
            for pod in pods
            for one in pod.get("status", {}).get("conditions", [])
        )

    await wait_for(ready, "the original serves")


def rows(moments: Moments, items: Sequence[Object]) -> dict[str, list[float]]:
    """Seconds of each experiment, by what they tell; the first three are the operator's own."""
    names = [item["metadata"]["name"] for item in items]
    made = gaps(moments, "service exists", "engine scheduled", names)
    let_go = [all_gone(moments, name) - moments.seen[name]["service deleted"] for name in names]
    return {
        "engine's pod scheduled -> benchmark's Job": gaps(moments, "engine scheduled", "job exists", names),
        "Job finished -> root deleted": gaps(moments, "job finished", "service deleted", names),
        "all gone -> next root": [began_after(moments, one, after) for one, after in pairwise(names)],
        "backend: root -> pod scheduled": made,
        "backend: root deleted -> all gone": let_go,
        "dead time of an experiment": [dead(moments, items[n], after) for n, (_, after) in enumerate(pairwise(names))],
    }


def all_gone(moments: Moments, name: str) -> float:
    """When neither the root of an experiment nor a pod of it was left: a finalizer may hold the root longer."""
    row = moments.seen[name]
    return max(row["last pod gone"], row["service gone"])


def began_after(moments: Moments, name: str, after: str) -> float:
    """Seconds from all of an experiment being gone to the next one's root."""
    return moments.seen[after]["service exists"] - all_gone(moments, name)


def dead(moments: Moments, item: Object, after: str) -> float:
    """Seconds from an experiment's root to the next one's in which its engine neither starts nor is loaded."""
    row = moments.seen[item["metadata"]["name"]]
    result = moments.results[item["metadata"]["name"]]
    assert result.engine_ready is not None
    starting = clock.parse(result.engine_ready).timestamp() - row["engine scheduled"]
    whole = moments.seen[after]["service exists"] - row["service exists"]
    return whole - starting - result.warmup_seconds - result.levels_seconds


def p95(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]


def report(found: Mapping[str, Mapping[str, Sequence[float]]]) -> bool:
    """Print the table, a column for each backend; returns whether every bar is kept."""
    titles = list(next(iter(found.values())))
    print(f"{'seconds: median / p95':<44}" + "".join(f"{name:>34}" for name in found))
    for title in titles:
        cells = [f"{statistics.median(own[title]):.3f} / {p95(own[title]):.3f}" for own in found.values()]
        print(f"{title:<44}" + "".join(f"{cell:>34}" for cell in cells))
    slowest = max(p95(own[title]) for own in found.values() for title in titles[:3])
    print(f"the operator's own: p95 at most {slowest:.3f} s (bar {BAR:g}): {'kept' if slowest < BAR else 'MISSED'}")
    kept = slowest < BAR
    if "OME" in found and "Deployment" in found:
        spent = {name: sum(map(statistics.median, (found[name][t] for t in titles[3:5]))) for name in PRESET_NAMES}
        shares = {
            "the backends' part": spent["Deployment"] / spent["OME"],
            "all dead time": statistics.median(found["Deployment"][titles[5]])
            / statistics.median(found["OME"][titles[5]]),
        }
        kept &= max(shares.values()) <= BAR
        for what, share in shares.items():
            print(f"Deployment to OME, {what}: {share:.2f} (bar {BAR:g}): {'kept' if share <= BAR else 'MISSED'}")
    return kept


PRESET_NAMES = [served.name for served in PRESETS]


def main() -> int:
    """Measure what is asked for; returns 1 where a bar is missed."""
    every = {served.name: served for served in [*PRESETS, *map(of_target, KINDS)]}
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.latency_by_backend", description=__doc__)
    parser.add_argument("--experiments", type=int, default=12, help="of each backend")
    parser.add_argument("--only", nargs="*", choices=list(every), default=list(every), help="some of them")
    options = parser.parse_args()
    found = {}
    for name in options.only:
        print(f"measuring {name}", file=sys.stderr)
        with Testbed.start(usual_limits=True, **every[name].testbed) as bed:
            found[name] = asyncio.run(measure(bed, every[name], options.experiments))
    return 0 if report(found) else 1


if __name__ == "__main__":
    sys.exit(main())
