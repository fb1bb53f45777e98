"""A cluster with many tasks, most of them stored, some of them active, and what an operator does in it. It imports
nothing of this project but the nodes, so that another revision's operator can be measured by the very same play.

What is stored is copied from a task that ran on real processes, so that objects have the sizes that they have.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.scripted_nodes import Object, ScriptedNodes

MEMORY, CPU = "resident memory, MiB", "idle CPU, share of a core"
RESTART, ACTION = "restart to first action, s", "event to action, s"
RESTART_ALL = "restart until all that happened is answered, s"

_GROUP = "/apis/autotuner.io/v1alpha1"
_PATTERN = "pattern"
_NAMESPACES = 20
_FINISHED_LABEL = "autotuner.io/finished"
_ENDED_BETWEEN = 10  # benchmarks that end while no operator runs
_WIDTH = 24  # requests at a time
# What stands beside the operator is busy with hundreds of objects, too.
_PATIENT = {"AUTOTUNER_SERVING_SECONDS": "1800"}


@dataclass(frozen=True)
class Crowd:
    """How many objects there are.

    Attributes:
        tasks: in all.
        experiments: that are over, of each task.
        active: tasks that have an experiment running.
        events: benchmarks that end while the time until the operator acts is taken.
        idle_seconds: over which its CPU is counted while nothing happens.
    """

    tasks: int
    experiments: int
    active: int
    events: int
    idle_seconds: float


def task(experiments: int) -> Object:
    """A task of short measurements on the simulated engine."""
    return {
        "apiVersion": "autotuner.io/v1alpha1",
        "kind": "TuningTask",
        "metadata": {"name": _PATTERN},
        "spec": {
            "model": {"preset": "llama-3-2-1b-instruct"},
            "runtime": {"preset": "simulated-sglang"},
            "parameters": [
                {"name": "max-running-requests", "values": list(range(32, 64))},
                {"name": "chunked-prefill-size", "values": [512, 1024, 2048, 4096]},
            ],
            "benchmark": {
                "scenarios": [{"name": "chat", "load": "N(100,20)/(20,4)"}],
                "concurrency": [1, 2, 4],
                "maxRequestsPerLevel": 30,
                "tokenizer": {"source": "Builtin"},
            },
            "objectives": [{"metric": "OutputThroughput"}],
            "search": {"maxExperiments": experiments, "confirm": {"maxRepeats": 0}},
            "timeouts": {"queueSeconds": 7200, "startupSeconds": 7200, "benchmarkSeconds": 7200},
        },
    }


@dataclass(frozen=True)
class Pattern:
    """What a real run left: the task, its experiments, what a benchmark said at its end, and the IDs of images."""

    task: Object
    experiments: list[Object]
    message: str
    image_ids: dict[str, str]


async def measure(bed: Any, crowd: Crowd, api_of: Any, operator_of: Any) -> dict[str, list[float]]:
    """Fill the cluster, and watch an operator in it.

    Args:
        bed: a testbed that nobody uses yet.
        crowd: how many objects.
        api_of: makes a client of the API server from a kubeconfig.
        operator_of: makes the operator's process from a kubeconfig and the path of its log.

    Returns:
        Samples of each figure.
    """
    async with api_of(bed.kubeconfig) as api:
        for number in range(_NAMESPACES):
            await api.create("/api/v1/namespaces", {"metadata": {"name": f"team-{number}"}})
        pattern = await _real_run(bed, api, operator_of)
        _say(f"a task of {len(pattern.experiments)} experiments ran; storing {crowd.tasks} like it")
        bed.control("stop", "node")
        nodes = ScriptedNodes(api, 2 + crowd.active // 60, pattern.image_ids)
        begun = time.monotonic()
        await _store(api, crowd, pattern)
        _say(f"stored in {time.monotonic() - begun:.0f} s")
        working = asyncio.create_task(nodes.run())
        try:
            return await _Play(bed, api, operator_of, nodes, crowd, pattern).run()
        finally:
            working.cancel()


async def _real_run(bed: Any, api: Any, operator_of: Any) -> Pattern:
    """Run the pattern on the testbed's own nodes."""
    namespace, messages, images = "team-0", [], {}

    async def listen() -> None:
        async for _, pod in api.watch(f"/api/v1/namespaces/{namespace}/pods"):
            for status in pod.get("status", {}).get("containerStatuses", []):
                images[status["image"]] = status["imageID"] or images.get(status["image"], "")
                ended = status["state"].get("terminated")
                if ended and ended["exitCode"] == 0 and pod["spec"]["restartPolicy"] == "Never":
                    messages.append(ended.get("message", ""))

    listening = asyncio.create_task(listen())
    path = f"{_GROUP}/namespaces/{namespace}"
    with operator_of(bed.kubeconfig, bed.logs / "pattern.log"):
        await api.create(f"{path}/tuningtasks", task(2))
        async with asyncio.timeout(300):
            while True:
                found = await api.get(f"{path}/tuningtasks/{_PATTERN}")
                if _finished(found):
                    break
                await asyncio.sleep(0.5)
    listening.cancel()
    items = (await api.list(f"{path}/tuningexperiments"))["items"]
    assert len(items) == 3, f"{len(items)} experiments"
    assert _condition(found, "Succeeded") == "True", found["status"]
    await api.delete(f"{path}/tuningtasks/{_PATTERN}")
    return Pattern(found, sorted(items, key=lambda one: one["metadata"]["name"]), messages[-1], images)


async def _store(api: Any, crowd: Crowd, pattern: Pattern) -> None:
    places = asyncio.Semaphore(_WIDTH)

    async def one(number: int) -> None:
        async with places:
            await _store_task(api, crowd, pattern, number)

    async with asyncio.TaskGroup() as group:
        for number in range(crowd.tasks):
            group.create_task(one(number))


async def _store_task(api: Any, crowd: Crowd, pattern: Pattern, number: int) -> None:
    namespace, name = f"team-{number % _NAMESPACES}", f"stored-{number}"
    path, active = f"{_GROUP}/namespaces/{namespace}", number < crowd.active
    body = task(crowd.experiments + 50 if active else crowd.experiments)
    body["metadata"]["name"] = name
    made = await api.create(f"{path}/tuningtasks", body)
    owner = {
        **{key: made[key] for key in ("apiVersion", "kind")},
        **{key: made["metadata"][key] for key in ("name", "uid")},
        "controller": True,
        "blockOwnerDeletion": True,
    }
    first, *others = pattern.experiments
    for index in range(crowd.experiments):
        source = first if index == 0 else others[index % len(others)]
        copy = _renamed(source, name, index)
        status = copy.pop("status")
        meta = copy["metadata"]
        copy["metadata"] = {
            "name": f"{name}-{index}",
            "labels": {**meta["labels"], "autotuner.io/task": name},
            "annotations": meta.get("annotations") or {},
            "ownerReferences": [owner],
        }
        await api.create(f"{path}/tuningexperiments", copy)
        await _write_status(api, f"{path}/tuningexperiments/{name}-{index}", copy, status)
    status = _renamed(pattern.task, name, 0)["status"]
    await _write_status(api, f"{path}/tuningtasks/{name}", body, _unfinished(status, crowd) if active else status)


def _renamed(item: Object, name: str, index: int) -> Object:
    """A copy for another task; a search experiment gets a configuration of its own."""
    text = json.dumps(item)
    text = text.replace(f"{_PATTERN}-", f"{name}-").replace(f'"{_PATTERN}"', f'"{name}"')
    copy: Object = json.loads(text)
    for one in (copy.get("spec") or {}).get("parameters") or []:
        if one["name"] == "max-running-requests" and index:
            before, after = f"--max-running-requests={one['value']}", f"--max-running-requests={32 + index}"
            one["value"] = str(32 + index)
            copy = json.loads(json.dumps(copy).replace(before, after))
            break
    if "spec" in copy and "index" in copy["spec"]:
        copy["spec"]["index"] = index
    return copy


def _unfinished(status: Object, crowd: Crowd) -> Object:
    """A task's status before its last experiment."""
    kept = ("observedGeneration", "resolved", "created", "startTime", "lastProgressTime", "baseline")
    conditions = [
        {**one, "status": "Unknown" if one["type"] == "Succeeded" else "False", "reason": "Running"}
        if one["type"] in ("Succeeded", "Finished")
        else one
        for one in status["conditions"]
    ]
    experiments = {**status["experiments"], "nextIndex": crowd.experiments, "running": 0}
    return {
        **{key: status[key] for key in kept if key in status},
        "phase": "Running",
        "conditions": conditions,
        "experiments": experiments,
        "message": "stored",
    }


async def _write_status(api: Any, path: str, body: Object, status: Object) -> None:
    applied = {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "metadata": {"name": path.rpartition("/")[2]},
        "status": status,
    }
    await api.apply(f"{path}/status", applied, "autotuner")


class _Play:
    """What happens in the crowded cluster, and what was seen of the operator."""

    def __init__(
        self, bed: Any, api: Any, operator_of: Any, nodes: ScriptedNodes, crowd: Crowd, pattern: Pattern
    ) -> None:
        self._bed, self._api, self._operator_of = bed, api, operator_of
        self._nodes, self._crowd, self._pattern = nodes, crowd, pattern
        self._results: dict[str, float] = {}  # when an experiment was first seen with levels
        self._over: dict[str, float] = {}
        self._created: dict[str, float] = {}
        self._scheduled: dict[str, float] = {}
        self._jobs: dict[str, float] = {}

    async def run(self) -> dict[str, list[float]]:
        """Play, and return the samples."""
        watching = [
            asyncio.create_task(self._follow(f"{_GROUP}/tuningexperiments", self._experiment, f"!{_FINISHED_LABEL}")),
            asyncio.create_task(self._follow("/apis/batch/v1/jobs", self._job, "")),
            asyncio.create_task(self._follow("/api/v1/pods", self._pod, "")),
        ]
        figures: dict[str, list[float]] = {}
        try:
            await self._fill()
            figures |= await self._restart()
        finally:
            for one in watching:
                one.cancel()
        return figures

    async def _fill(self) -> None:
        """Have an operator bring every active task to a benchmark that runs."""
        begun = time.monotonic()
        operator = self._operator_of(self._bed.kubeconfig, self._bed.logs / "first.log", _PATIENT)
        with operator:
            while len(self._nodes.running) < self._crowd.active:
                await asyncio.sleep(1)
                spent = time.monotonic() - begun
                if spent > 900:
                    raise TimeoutError(f"{len(self._nodes.running)} of {self._crowd.active} run after {spent:.0f} s")
                if int(spent) % 10 == 0:
                    _say(f"{len(self._nodes.running)} benchmarks run after {spent:.0f} s")
            await _settled(operator)
            _say(f"all benchmarks run after {time.monotonic() - begun:.0f} s; {_status(operator)}")
            operator.kill()

    async def _restart(self) -> dict[str, list[float]]:
        ended = dict(list(self._nodes.running.items())[:_ENDED_BETWEEN])
        for pod in ended.values():
            await self._nodes.end(pod, self._pattern.message)
        operator = self._operator_of(self._bed.kubeconfig, self._bed.logs / "second.log", _PATIENT)
        begun = time.monotonic()
        with operator:
            await _until(lambda: all(name in self._results for name in ended), 300)
            seen = [self._results[name] - begun for name in ended]
            await _until(lambda: len(self._nodes.running) >= self._crowd.active, 300)
            await _settled(operator)
            idle = await self._idle(operator)
            actions = await self._events()
            memory = _memory(operator)
            _say(f"after all: {_status(operator)}")
        return {MEMORY: [memory], CPU: [idle], RESTART: [min(seen)], RESTART_ALL: [max(seen)], ACTION: actions}

    async def _idle(self, operator: Any) -> float:
        """The share of a core that the operator uses while nothing happens."""
        before, begun = _cpu(operator), time.monotonic()
        await asyncio.sleep(self._crowd.idle_seconds)
        return (_cpu(operator) - before) / (time.monotonic() - begun)

    async def _events(self) -> list[float]:
        """End benchmarks one after the other; seconds until the operator acted upon each event that follows."""
        told: dict[str, float] = {}
        for name, pod in list(self._nodes.running.items())[: self._crowd.events]:
            told[name] = time.monotonic()
            await self._nodes.end(pod, self._pattern.message)
            await asyncio.sleep(0.7)
        after = {name: _next(name) for name in told}
        with_all = [*told, *after.values()]
        try:
            await _until(lambda: all(one in self._jobs for one in with_all), 120)
        except TimeoutError:
            _say("not all of them were answered within two minutes")
        pairs = [
            *((told[one], self._results.get(one)) for one in told),
            *((self._over.get(one), self._created.get(after[one])) for one in told),
            *((self._scheduled.get(one), self._jobs.get(one)) for one in after.values()),
        ]
        for number, what in enumerate(("end -> result", "over -> next exists", "scheduled -> Job exists")):
            shown = _gaps(pairs[number * len(told) : (number + 1) * len(told)])
            _say(f"{what}: median {shown[len(shown) // 2]:.3f} s, longest {shown[-1]:.3f} s")
        return _gaps(pairs)

    async def _follow(self, path: str, look: Any, labels: str) -> None:
        query = {"labelSelector": labels} if labels else {}
        async for event, item in self._api.watch(path, **query):
            look(event, item)

    def _experiment(self, event: str, item: Object) -> None:
        name, moment = item["metadata"]["name"], time.monotonic()
        if event == "DELETED":
            self._over.setdefault(name, moment)
            return
        self._created.setdefault(name, moment)
        status = item.get("status") or {}
        if status.get("levels"):
            self._results.setdefault(name, moment)
        if _finished(item):
            self._over.setdefault(name, moment)

    def _job(self, _: str, item: Object) -> None:
        self._jobs.setdefault(item["metadata"]["name"], time.monotonic())

    def _pod(self, _: str, item: Object) -> None:
        experiment = item["metadata"].get("labels", {}).get("autotuner.io/experiment")
        of_job = any(one["kind"] == "Job" for one in item["metadata"].get("ownerReferences", []))
        if experiment and not of_job and item["spec"].get("nodeName"):
            self._scheduled.setdefault(experiment, time.monotonic())


def _next(experiment: str) -> str:
    name, _, index = experiment.rpartition("-")
    return f"{name}-{int(index) + 1}"


def _gaps(pairs: Iterable[tuple[float | None, float | None]]) -> list[float]:
    """Seconds between two moments; what never came counts as ten minutes."""
    return sorted(600.0 if begin is None or end is None else max(0.0, end - begin) for begin, end in pairs)


async def _until(holds: Any, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.05)


async def _settled(operator: Any, seconds: float = 120) -> None:
    """Wait until the operator has answered what there was: it takes less than a twentieth of a core for two seconds."""
    async with asyncio.timeout(seconds):
        while True:
            before = _cpu(operator)
            await asyncio.sleep(2)
            if _cpu(operator) - before < 0.1:
                return


def _condition(item: Object, kind: str) -> str | None:
    conditions = (item.get("status") or {}).get("conditions") or []
    return next((one["status"] for one in conditions if one["type"] == kind), None)


def _finished(item: Object) -> bool:
    return _condition(item, "Finished") == "True"


def _process(operator: Any) -> Path:
    return Path(f"/proc/{operator._process.pid}")


def _cpu(operator: Any) -> float:
    fields = (_process(operator) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(operator: Any) -> float:
    """The largest resident size since its start, in MiB."""
    lines = (_process(operator) / "status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def _status(operator: Any) -> str:
    return f"operator: {_memory(operator):.0f} MiB at most, {_cpu(operator):.1f} CPU seconds"


def _say(words: str) -> None:
    print(f"  {words}", file=sys.stderr, flush=True)
