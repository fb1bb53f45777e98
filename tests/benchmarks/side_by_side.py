"""What experiments side by side save: whole searches in simulated time, decided by the policy as in the cluster.

python -m tests.benchmarks.side_by_side [--tasks 5] [--parallel 8] [--gpus 16] [--experiments 24]
python -m tests.benchmarks.side_by_side --testbed 4 [--experiments 8]

Each task is played twice, one experiment at a time and so many at once, with equal durations of equal configurations:
minutes to start that grow with the engine's accelerators, minutes to measure, both drawn log-normally. Half of the
tasks have engines of one size, so that slots limit them, half have engines of 1 to 8 accelerators, so that those do.
The search phase lasts from the baseline's end to the last end of the search. Accelerators are idle while a slot is
free and the search is not over. `--testbed` runs two real tasks, one by one and side by side, with real genai-bench.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from autotuner.api.task_status import TaskStatus
from autotuner.kubernetes_object import Object
from autotuner.policy.task.decide import decide, finished
from testbed import Testbed
from testbed.api import Api
from testbed.operator_process import Operator
from tests.benchmarks import against
from tests.unit.builders import after, at, make_level, written
from tests.unit.task_builders import conditions, ended, observed, started

_SPREAD = 0.25  # of the logarithm of a duration
_SAME, _MIXED = "engines of 2 accelerators", "engines of 1 to 8 accelerators"
_SIZES = {_SAME: [2], _MIXED: [1, 2, 4, 8]}


@dataclass(frozen=True)
class Played:
    """How a search went in simulated time.

    Attributes:
        seconds: of the search phase.
        idle: share of the accelerators' time in which they were idle although there was work and a slot.
        most: accelerators held at once.
        bound: seconds that as many accelerators would take if none were ever idle.
        decided: CPU seconds of this machine that a decision took which started something.
    """

    seconds: float
    idle: float
    most: int
    bound: float
    decided: list[float]


class Play:
    """One task in simulated time."""

    def __init__(self, number: int, sizes: Sequence[int], experiments: int, parallel: int, gpus: int) -> None:
        search: Object = {
            "strategy": "Bayesian",
            "maxExperiments": experiments,
            "seed": number,
            "confirm": {"maxRepeats": 0},
            "parallelExperiments": parallel,
            "maxGPUs": gpus,
        }
        parameters: list[Any] = [
            {"name": "max-running-requests", "values": [8, 16, 32, 64, 128, 256]},
            {"name": "chunked-prefill-size", "values": [512, 1024, 2048, 4096, 8192]},
            {"name": "mem-fraction-static", "values": [0.75, 0.8, 0.85, 0.9]},
            {"name": "tp-size", "values": list(sizes)},
        ]
        baseline = {"args": [f"--tp-size={sizes[0]}", "--mem-fraction-static=0.7"]}
        self._task = started(parameters=parameters, search=search, baseline=baseline)
        self._number, self._parallel, self._gpus, self._wanted = number, parallel, gpus, experiments
        self._experiments: list[Object] = []
        self._ends: list[tuple[float, int]] = []  # when, and the place of the experiment
        self._now, self._idle, self._work = 0.0, 0.0, 0.0
        self._most, self._decided = 0, list[float]()

    def run(self) -> Played:
        """Play it to its end."""
        begun = 0.0
        while not self._reconcile():
            moment, place = heapq.heappop(self._ends)
            self._pass_time(moment)
            self._experiments[place] = self._ended(self._experiments[place], moment)
            if place == 0:
                begun = moment
        bound = sum(_gpus(one) * self._duration(one) for one in self._experiments[1:]) / self._gpus
        return Played(self._now - begun, self._idle / max(self._work, 1e-9), self._most, bound, self._decided)

    def _reconcile(self) -> bool:
        """Decide, and create what is to be; returns whether the task is over."""
        began = time.process_time()
        plan = decide(observed(self._task, self._experiments), after(self._now))
        if plan.create_experiments and self._experiments:
            self._decided.append(time.process_time() - began)
        self._task = written(self._task, plan.status)
        for body in plan.create_experiments:
            body["metadata"] |= {"uid": body["metadata"]["name"], "creationTimestamp": at(self._now)}
            heapq.heappush(self._ends, (self._now + self._duration(body), len(self._experiments)))
            self._experiments.append({**body, "status": {"times": {"created": at(self._now)}}})
        return finished(TaskStatus.model_validate(self._task["status"]))

    def _pass_time(self, moment: float) -> None:
        held = sum(_gpus(self._experiments[place]) for _, place in self._ends) + self._popped()
        self._most = max(self._most, held)
        work = 1 < len(self._experiments) <= self._wanted
        if work:
            self._work += (moment - self._now) * self._gpus
            if len(self._ends) + 1 < self._parallel:
                self._idle += (moment - self._now) * (self._gpus - held)
        self._now = moment

    def _popped(self) -> int:
        """Accelerators of the one that ends at the end of this span, which holds them until then."""
        running = {place for _, place in self._ends}
        return sum(
            _gpus(one)
            for place, one in enumerate(self._experiments)
            if place not in running and "conditions" not in one["status"]
        )

    def _duration(self, body: Object) -> float:
        dice = random.Random(f"{self._number}/{body['spec']['service']['args']}")
        start = 120 + 30 * _gpus(body)
        return start * dice.lognormvariate(0, _SPREAD) + 300 * dice.lognormvariate(0, _SPREAD)

    def _ended(self, body: Object, moment: float) -> Object:
        """Measured: more requests at once are better up to a point, more accelerators too, and some do not start."""
        values = {pair["name"]: float(pair["value"]) for pair in body["spec"].get("parameters") or []}
        over = {**conditions("Finished", "True", "Completed"), "lastTransitionTime": at(moment)}
        times = {**body["status"]["times"], "scheduled": body["status"]["times"]["created"], "released": at(moment)}
        if values.get("mem-fraction-static", 0) >= 0.9 and values.get("max-running-requests", 0) >= 256:
            return ended(body, "OutOfMemory", reproducible=True, times=times, conditions=[over])
        dice = random.Random(f"{self._number}/{body['spec']['service']['args']}/worth")
        requests, chunk = values.get("max-running-requests", 24), values.get("chunked-prefill-size", 2048)
        worth = 1000 * _gpus(body) ** 0.7 * requests**0.4 / (1 + (requests / 128) ** 2) / (1 + abs(chunk - 2048) / 9000)
        level = make_level(throughput=worth * dice.lognormvariate(0, 0.03))
        return ended(body, "Completed", level, ladder="Complete", times=times, conditions=[over])


def _gpus(body: Object) -> int:
    count: int = body["spec"]["service"]["accelerator"]["count"]
    return count


def main() -> int:
    """Read the command line and run; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=5, help="of each kind")
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--gpus", type=int, default=16)
    parser.add_argument("--experiments", type=int, default=24)
    parser.add_argument("--testbed", type=int, default=0, metavar="N", help="run N at once on the testbed instead")
    return against.main("side_by_side", parser, _run)


def _run(args: argparse.Namespace) -> against.Result:
    return asyncio.run(_on_testbed(args)) if args.testbed else _in_simulated_time(args)


def _in_simulated_time(args: argparse.Namespace) -> against.Result:
    figures: dict[str, list[float]] = {}
    kept = True
    print(
        f"{args.experiments} experiments, {args.parallel} at once on {args.gpus} GPUs, {args.tasks} tasks of each kind"
    )
    for kind, sizes in _SIZES.items():
        ratios, bounds, idle, decided = list[float](), list[float](), list[float](), list[float]()
        for number in range(args.tasks):
            alone = Play(number, sizes, args.experiments, 1, args.gpus).run()
            beside = Play(number, sizes, args.experiments, args.parallel, args.gpus).run()
            assert beside.most <= args.gpus, "it held more than it may"
            ratios.append(beside.seconds / alone.seconds)
            bounds.append(beside.seconds / beside.bound)
            idle.append(beside.idle)
            decided += beside.decided
        figures |= {f"search phase, {kind}": ratios, f"idle, {kind}": idle, f"decision in s, {kind}": decided}
        # Where the GPUs do not hold so many engines at once, they are what limits the search.
        if kind == _SAME:
            kept &= _bar(f"search phase to one by one, {kind}", statistics.median(ratios), 0.2)
        else:
            print(f"  {f'search phase to one by one, {kind}':74} {statistics.median(ratios):6.3f}")
            print(f"  {f'and to GPUs that are never idle, the last end included, {kind}':74} "
                  f"{statistics.median(bounds):6.3f}")  # fmt: skip
        kept &= _bar(f"GPUs idle while there is work, {kind}", statistics.median(idle), 0.05)
        print(f"  {f'decision that starts something, median and most, {kind}':74} "
              f"{statistics.median(decided):6.3f} {max(decided):6.3f} s")  # fmt: skip
    return against.Result(figures, kept)


def _bar(what: str, figure: float, most: float) -> bool:
    print(f"  {what:74} {figure:6.3f}  at most {most:g}: {'kept' if figure <= most else 'MISSED'}")
    return figure <= most


_NAMESPACE = "side-by-side"
_TASKS = f"/apis/autotuner.io/v1alpha1/namespaces/{_NAMESPACE}/tuningtasks"
_EXPERIMENTS = f"/apis/autotuner.io/v1alpha1/namespaces/{_NAMESPACE}/tuningexperiments"


async def _on_testbed(args: argparse.Namespace) -> against.Result:
    """Two tasks of the same experiments one after the other, on nodes that run processes."""
    gaps: list[float] = []
    with Testbed.start() as bed, Operator(bed.kubeconfig, bed.logs / "operator.log"):
        async with Api(bed.kubeconfig, agent="bench") as api:
            await api.create("/api/v1/namespaces", {"metadata": {"name": _NAMESPACE}})
            alone = await _search_phase(api, "alone", args.experiments, 1, [])
            beside = await _search_phase(api, "beside", args.experiments, args.testbed, gaps)
    gap = sorted(gaps)[max(0, round(0.95 * len(gaps)) - 1)] if gaps else 0.0
    print(
        f"{args.experiments} experiments on the testbed: {alone:.0f} s one by one,"
        f" {beside:.0f} s {args.testbed} at once"
    )
    kept = _bar("search phase to one by one", beside / alone, 0.4)
    kept &= _bar(f"from an end to the next creation in s, p95 of {len(gaps)}", gap, 0.5)
    return against.Result({"search phase": [beside / alone], "from an end to the next creation": gaps}, kept)


async def _search_phase(api: Api, name: str, experiments: int, parallel: int, gaps: list[float]) -> float:
    """Seconds from the baseline's end to the last end of the search; `gaps` gets those from an end to a creation."""
    ends: list[float] = []
    created: list[float] = []
    watching = asyncio.create_task(_watch(api, name, ends, created))
    await api.create(_TASKS, _task(name, experiments, parallel))
    while len(ends) <= experiments:
        await asyncio.sleep(0.2)
    watching.cancel()
    # Every end but the last ones is answered by one creation; the first answers the baseline's.
    answered = sorted(ends)[1 : experiments - parallel + 1]
    gaps += [min(moment - end for moment in created if moment >= end) for end in answered]
    return max(ends) - min(ends)


async def _watch(api: Api, task: str, ends: list[float], created: list[float]) -> None:
    known: set[str] = set()
    over: set[str] = set()
    async for event, item in api.watch(_EXPERIMENTS):
        name = item["metadata"]["name"]
        if event == "DELETED" or not name.startswith(f"{task}-"):
            continue
        if name not in known:
            known.add(name)
            created.append(time.monotonic())
        done = item.get("status", {}).get("conditions", [])
        if name not in over and any(one["type"] == "Finished" and one["status"] == "True" for one in done):
            over.add(name)
            ends.append(time.monotonic())


def _task(name: str, experiments: int, parallel: int) -> Object:
    return {
        "apiVersion": "autotuner.io/v1alpha1",
        "kind": "TuningTask",
        "metadata": {"name": name},
        "spec": {
            "model": {"preset": "llama-3-2-1b-instruct"},
            "runtime": {"preset": "simulated-sglang", "extraArgs": ["--sim-startup-seconds=8"]},
            "parameters": [{"name": "max-running-requests", "values": list(range(32, 32 + 2 * experiments))}],
            "benchmark": {
                "scenarios": [{"name": "chat", "load": "N(100,20)/(40,4)"}],
                "concurrency": [2, 4],
                "maxRequestsPerLevel": 60,
                "tokenizer": {"source": "Builtin"},
            },
            "objectives": [{"metric": "OutputThroughput"}],
            "search": {
                "strategy": "Random",
                "maxExperiments": experiments,
                "parallelExperiments": parallel,
                "maxGPUs": 16,
                "confirm": {"maxRepeats": 0},
            },
        },
    }


if __name__ == "__main__":
    sys.exit(main())
