"""What must hold in every history, whatever goes wrong; looked at with every change of an object, and at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from autotuner import ownership
from autotuner.api.common import EXPERIMENT_UID_LABEL
from autotuner.controllers.observe import is_over
from autotuner.kube import EXPERIMENT, JOB, POD, TASK
from autotuner.kubernetes_object import Object, Resource
from autotuner.policy.experiment.reasons import SUCCEEDED
from autotuner.serving.ome.resource_kinds import INFERENCE_SERVICE
from tests.simulation import pods
from tests.simulation.book import Fate
from tests.simulation.cluster import Cluster
from tests.simulation.machines import Machines
from tests.simulation.physics import Nature, Physics

_PHASES = ("Pending", "Queued", "Pulling", "Starting", "Benchmarking", "Releasing", "Succeeded", "Failed")
_TASK_PHASES = ("Pending", "Suspended", "Running", "Confirming", "Succeeded", "Failed")
# How often one configuration may be measured again: once for each doubt, three times for disturbances, and the
# baseline more often (policy.evidence.retries).
_RETRIES, _BASELINE_RETRIES = 5, 12
# A pod may outlive its experiment by what the garbage collector, and a sweep of leftovers, take.
_HELD_SECONDS = 600.0
REASON_OF: Mapping[Nature, frozenset[str]] = {
    "serves": SUCCEEDED,
    "out of memory": frozenset({"OutOfMemory"}),
    "refuses": frozenset({"InvalidArguments"}),
    "crashes": frozenset({"EngineCrashed"}),
    "never ready": frozenset({"StartupTimeout"}),
}


@dataclass(frozen=True)
class Violation:
    """An invariant that was broken.

    Attributes:
        seconds: when.
        rule: which.
        words: how.
    """

    seconds: float
    rule: str
    words: str

    def __str__(self) -> str:
        return f"{self.seconds:.3f} s: {self.rule}: {self.words}"


def parameters(experiment: Object) -> tuple[tuple[str, str], ...] | None:
    """The configuration of an experiment; None for the runtime's own arguments, or those of the baseline."""
    found = experiment["spec"].get("parameters")
    return None if found is None else tuple(sorted((one["name"], one["value"]) for one in found))


def _accelerators(experiments: Iterable[Object]) -> int:
    """The GPUs that these experiments hold together."""
    return sum(one["spec"]["service"].get("accelerator", {}).get("count", 1) for one in experiments)


def _withdrawn(experiment: Object) -> bool:
    return ownership.WITHDRAWN_ANNOTATION in (experiment["metadata"].get("annotations") or {})


class Invariants:
    """Follows all objects, and keeps what was broken."""

    def __init__(self, cluster: Cluster, machines: Machines, engines: Physics) -> None:
        self._cluster, self._machines, self._physics = cluster, machines, engines
        self.broken: list[Violation] = []
        self._statuses: dict[str, Object] = {}
        # Of each task, by its uid: all experiments that it ever made, by uid, as they are or were.
        self.made: defaultdict[str, dict[str, Object]] = defaultdict(dict)
        self._removed: set[str] = set()  # experiments that somebody deleted
        self._born: dict[str, float] = {}
        self._over: dict[str, float] = {}
        self._edited: set[str] = set()  # tasks whose limits somebody changed
        for resource, look in (
            (EXPERIMENT, self._experiment),
            (TASK, self._task),
            (POD, self._pod),
            (INFERENCE_SERVICE, self._root),
        ):
            cluster.on(resource, look)

    def fail(self, rule: str, words: str) -> None:
        """Note that a rule is broken."""
        violation = Violation(self._cluster.time(), rule, words)
        self.broken.append(violation)
        self._cluster.tell("INVARIANT", f"{rule}: {words}")

    # experiments

    def _experiment(self, kind: str, body: Object) -> None:
        meta = body["metadata"]
        owner = next((one for one in meta.get("ownerReferences", ()) if one.get("controller")), None)
        if owner is None:
            return
        if kind == "ADDED":
            self._born[meta["uid"]] = self._cluster.time()
            self._created(owner["uid"], body)
        self.made[owner["uid"]][meta["uid"]] = body
        if kind == "DELETED" or pods.going(body):
            self._removed.add(meta["uid"])
            self._over.setdefault(meta["uid"], self._cluster.time())
            return
        before, status = self._statuses.get(meta["uid"], {}), body.get("status") or {}
        if status != before:
            self._statuses[meta["uid"]] = status
            self._steps(meta["name"], before, status)
            if is_over(body) and not self._was_over(before):
                self._over[meta["uid"]] = self._cluster.time()
                self._released(body)

    @staticmethod
    def _was_over(status: Object) -> bool:
        return is_over({"status": status})

    def _created(self, task: str, body: Object) -> None:
        """A task makes an experiment."""
        name, others = body["metadata"]["name"], list(self.made[task].values())
        owner = self._cluster.by_uid(TASK, task)
        search = (owner or {"spec": {"search": {}}})["spec"]["search"]
        running = self._running(others)
        most, gpus = search.get("parallelExperiments", 1), search.get("maxGPUs", 1_000_000)
        if len(running) >= most or (running and _accelerators([*running, body]) > gpus):
            names = ", ".join(one["metadata"]["name"] for one in running)
            self.fail("never more than allowed at once", f"{name} is made while {names} runs")
        self._of_all(body)
        if any(one["metadata"]["name"] == name for one in others):
            gone = [one for one in others if one["metadata"]["name"] == name]
            if not all(one["metadata"]["uid"] in self._removed for one in gone):
                self.fail("no name twice", name)
        self._measured_twice(body, others)

    def _of_all(self, body: Object) -> None:
        """The limits over all tasks; what a dead operator had sent before it died is in nobody's hands."""
        everybody = [one for known in self.made.values() for one in self._running(known.values())]
        gpus, most = self._cluster.history.limits
        many = most is not None and len(everybody) >= most
        much = gpus is not None and _accelerators([*everybody, body]) > gpus
        if (many or (everybody and much)) and not self._cluster.book.happened["arrived late"]:
            names = ", ".join(one["metadata"]["name"] for one in everybody)
            self.fail("never more than allowed of all", f"{body['metadata']['name']} is made while {names} runs")

    def _running(self, experiments: Iterable[Object]) -> list[Object]:
        return [one for one in experiments if one["metadata"]["uid"] not in self._removed and not is_over(one)]

    def _measured_twice(self, body: Object, others: list[Object]) -> None:
        spec, name = body["spec"], body["metadata"]["name"]
        if (first := spec.get("retryOf")) is not None:
            # Those that the task itself took back, or somebody removed, do not count.
            counted = (one for one in others if not _withdrawn(one) and one["metadata"]["uid"] not in self._removed)
            tries = sum(one["spec"].get("retryOf") == first for one in counted)
            if tries >= (_BASELINE_RETRIES if spec.get("purpose") == "Baseline" else _RETRIES):
                self.fail("retries are bounded", f"{name} is retry {tries + 1} of {first}")
            return
        if spec.get("purpose", "Search") not in ("Search", "Start"):
            return
        for one in others:
            removed = one["metadata"]["uid"] in self._removed
            alike = one["spec"].get("purpose", "Search") in ("Search", "Start") and parameters(one) == parameters(body)
            if alike and not _withdrawn(one) and not removed:
                self.fail("nothing is measured twice", f"{name} measures what {one['metadata']['name']} did")

    def _steps(self, name: str, before: Object, after: Object) -> None:
        """A status goes on, never back."""
        if before.get("phase") and _PHASES.index(after.get("phase", "Pending")) < _PHASES.index(before["phase"]):
            self.fail("a status never goes back", f"{name}: {before['phase']} -> {after.get('phase')}")
        if self._was_over(before) and not self._was_over(after):
            self.fail("a status never goes back", f"{name} was finished")
        blamed = after.get("reason") == "NodeLost" and self._was_over(after) and not self._was_over(before)
        if before.get("reason") not in (None, after.get("reason")) and not blamed:
            self.fail("a status never goes back", f"{name}: {before['reason']} -> {after.get('reason')}")
        if before.get("levels") and before["levels"] != after.get("levels"):
            self.fail("no result is lost", f"{name}: its levels are gone or others")
        times, new = before.get("times") or {}, after.get("times") or {}
        for step, at in times.items():
            if step != "podsGone" and new.get(step) != at:
                self.fail("a time never moves", f"{name}: {step} {at} -> {new.get(step)}")

    def _released(self, body: Object) -> None:
        """An experiment is over: nothing that works runs for it any more."""
        uid, name = body["metadata"]["uid"], body["metadata"]["name"]
        for pod in self._cluster.objects(POD):
            machine = self._machines.of(pod)
            if pods.experiment_of(pod) == uid and machine is not None and machine.up and not self._cut_off(pod):
                self.fail("released is released", f"{name} is over while {pod['metadata']['name']} is there")

    def _cut_off(self, pod: Object) -> bool:
        """Whether the pod's node was lost not long ago: the operator reads nodes only now and then."""
        machine = self._machines.of(pod)
        return machine is not None and machine.boot > 0

    # tasks

    def edited(self, name: str) -> None:
        """Note that somebody changed what a task may do."""
        self._edited.add(name)

    def _task(self, kind: str, body: Object) -> None:
        meta, status = body["metadata"], body.get("status") or {}
        if kind == "DELETED":
            return
        before = self._statuses.get(meta["uid"], {})
        if status == before:
            return
        self._statuses[meta["uid"]] = status
        name = meta["name"]
        if (before.get("experiments") or {}).get("nextIndex", 0) > (status.get("experiments") or {}).get(
            "nextIndex", 0
        ):
            self.fail("a status never goes back", f"{name}: nextIndex")
        for step in ("startTime", "completionTime"):
            if before.get(step) not in (None, status.get(step)):
                self.fail("a time never moves", f"{name}: {step} {before[step]} -> {status.get(step)}")
        if self._was_over(before) and (
            not self._was_over(status) or before.get("best") != status.get("best") or before["phase"] != status["phase"]
        ):
            self.fail("a status never goes back", f"{name} was finished")
        hours, more = ((one.get("usage") or {}).get("gpuHours", 0.0) for one in (before, status))
        if more < hours and not any(uid in self._removed for uid in self.made[meta["uid"]]):
            self.fail("a status never goes back", f"{name}: gpuHours {hours} -> {more}")

    # engines

    def _root(self, kind: str, body: Object) -> None:
        if kind != "ADDED":
            return
        uid = pods.experiment_of(body)
        experiment = self._cluster.by_uid(EXPERIMENT, uid)
        if experiment is not None and (experiment.get("status") or {}).get("reason"):
            self._cluster.book.happened["root made late"] += 1

    def _pod(self, kind: str, pod: Object) -> None:
        if kind != "ADDED" or not pods.is_engine(pod):
            return
        uid = pods.experiment_of(pod)
        alike = [
            one["metadata"]["name"]
            for one in self._cluster.objects(POD)
            if pods.experiment_of(one) == uid and pods.is_engine(one) and not pods.going(one) and not pods.is_over(one)
        ]
        if len(alike) > 1:
            self.fail("at most one engine", f"{', '.join(alike)}")

    def before_release(self, resource: Resource, name: str) -> None:
        """The operator deletes an object: what came of its experiment must be on record."""
        body = self._cluster.get(resource, name)
        if body is None or resource not in (INFERENCE_SERVICE, JOB):
            return
        experiment = self._cluster.by_uid(EXPERIMENT, body["metadata"]["labels"].get(EXPERIMENT_UID_LABEL, ""))
        if experiment is not None and not (experiment.get("status") or {}).get("reason"):
            self.fail("results first", f"{resource.kind} {name} is deleted before its experiment says how it ended")

    def look(self) -> None:
        """GPUs that nobody needs any more are free before long."""
        now = self._cluster.time()
        for pod in self._cluster.objects(POD):
            machine = self._machines.of(pod)
            if not pods.gpus(pod) or machine is None or not machine.up or pods.going(pod) or pods.is_over(pod):
                continue
            over = self._over.get(pods.experiment_of(pod))
            if over is not None and now - over > _HELD_SECONDS and now - self._quiet_since() > _HELD_SECONDS:
                self.fail("no GPU is held by nobody", f"{pod['metadata']['name']}, {now - over:.0f} s after the end")

    def _quiet_since(self) -> float:
        """When API server or backend were away the last time."""
        return max((at for at, what in self._cluster.book.disturbed_at if what.endswith("away")), default=-1e9)

    # the end

    def at_end(self) -> None:
        """Everything is over: nothing is left, and what was measured is on record."""
        for resource in (POD, JOB, INFERENCE_SERVICE):
            for body in self._cluster.objects(resource):
                self.fail("nothing is left behind", f"{resource.kind} {body['metadata']['name']}")
        for task, experiments in self.made.items():
            for uid, body in experiments.items():
                if uid not in self._removed:
                    self._ended(task, body, self._cluster.book.of(uid))

    def _ended(self, task: str, body: Object, fate: Fate) -> None:
        status, name = body.get("status") or {}, body["metadata"]["name"]
        if not is_over(body):
            self.fail("everything ends", f"{name} is {status.get('phase')}: {status.get('message')}")
            return
        if fate.disturbed or body["spec"].get("cancel") or self._everybody_disturbed(body):
            return
        if fate.luck:  # an engine that dies after its benchmark has ended makes that doubtful
            return
        if fate.levels is not None:
            if status["reason"] not in SUCCEEDED or len(status.get("levels") or ()) != len(fate.levels):
                self.fail("no result is lost", f"{name} was measured and is {status['reason']}: {status['message']}")
            return
        args = body["spec"]["service"]["args"]
        nature = self._physics.nature(args, baseline="parameters" not in body["spec"])
        if status["reason"] not in REASON_OF[nature]:
            words = f"{name}, which {nature}, is {status['reason']}: {status.get('message')}"
            self.fail("nothing is blamed for what it is not", words)

    def _everybody_disturbed(self, body: Object) -> bool:
        uid = body["metadata"]["uid"]
        begun, over = self._born[uid], self._over.get(uid, self._cluster.time())
        return any(begun - 900 <= at <= over for at, _ in self._cluster.book.disturbed_at)

    def told(self, task: Object, configuration: Mapping[str, Any], outcome: str) -> None:
        """The search is told of a configuration: something of it must have been measured, or have died by itself."""
        if outcome not in ("value", "infeasible", "crash", "bound"):
            return
        key = tuple(sorted((name, text) for name, text in configuration.items()))
        uid = task["metadata"]["uid"]
        tries = [
            one for one in self.made[uid].values() if parameters(one) == key and one["spec"].get("purpose") != "Confirm"
        ]
        if not tries:
            return  # the baseline's, or another task's
        fates = [self._cluster.book.of(one["metadata"]["uid"]) for one in tries]
        names = ", ".join(one["metadata"]["name"] for one in tries)
        if outcome == "crash":
            if any(self._everybody_disturbed(one) for one in tries):
                return
            natural = self._physics.nature(tries[0]["spec"]["service"]["args"], baseline=False) != "serves"
            if not natural and not any(fate.luck for fate in fates):
                self.fail("the search is not told of the surroundings", f"{names}: crash")
        elif all(fate.levels is None for fate in fates):
            self.fail("the search is not told of the surroundings", f"{names}: {outcome} without a result")
