"""Kueue as a queue of Deployments and Jobs: its labels and gates, and pure reading of its objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from autotuner.kubernetes_object import Resource

GROUP = "kueue.x-k8s.io"
QUEUE_LABEL = f"{GROUP}/queue-name"
PRIORITY_LABEL = f"{GROUP}/priority-class"
# Of a Workload: the uid of the pod or the Job that it stands for.
OWNER_LABEL = f"{GROUP}/job-uid"
# Of a pod that is not admitted.
ADMISSION_GATE = f"{GROUP}/admission"
# Those in which the objects read here have the same form, the newest first; releases before 0.15 serve only the last.
VERSIONS = ("v1beta2", "v1beta1")
PRIORITY_CLASS = Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False)

_EVICTED = "WorkloadEvictedDueTo"
PODS_READY_TIMEOUT = "PodsReadyTimeout"


def local_queues(version: str) -> Resource:
    """LocalQueues, which lead from a namespace to a ClusterQueue."""
    return Resource(GROUP, version, "localqueues", "LocalQueue")


def cluster_queues(version: str) -> Resource:
    """ClusterQueues, which have the quota."""
    return Resource(GROUP, version, "clusterqueues", "ClusterQueue", namespaced=False)


def resource_flavors(version: str) -> Resource:
    """ResourceFlavors, which say on what nodes quota lies."""
    return Resource(GROUP, version, "resourceflavors", "ResourceFlavor", namespaced=False)


def workload_priority_classes(version: str) -> Resource:
    """WorkloadPriorityClasses, which order a queue and mean nothing to the scheduler."""
    return Resource(GROUP, version, "workloadpriorityclasses", "WorkloadPriorityClass", namespaced=False)


def workloads(version: str) -> Resource:
    """Workloads, in which Kueue says of a pod or a Job whether it is admitted."""
    return Resource(GROUP, version, "workloads", "Workload")


class Queued(Protocol):
    """What names a queue: a task's placement, an experiment's service."""

    @property
    def queue_name(self) -> str | None:
        """The LocalQueue."""

    @property
    def workload_priority_class_name(self) -> str | None:
        """The WorkloadPriorityClass."""


def labels(named: Queued) -> dict[str, str]:
    """The labels of an object's own metadata that put it into a queue; empty without one."""
    found = {QUEUE_LABEL: named.queue_name, PRIORITY_LABEL: named.workload_priority_class_name}
    return {key: value for key, value in found.items() if value}


@dataclass(frozen=True)
class Workload:
    """What Kueue says of a pod or a Job.

    Attributes:
        waits: why it has no quota, in Kueue's words; empty if it has.
        evicted: why it lost its quota, by Kueue's reason; empty if it has not.
        words: Kueue's own about the eviction.
    """

    waits: str = ""
    evicted: str = ""
    words: str = ""


def read_workload(bodies: Iterable[Mapping[str, Any]]) -> Workload | None:
    """What the newest of these Workloads says; None if there is none."""
    newest = max(bodies, key=lambda body: str(body["metadata"].get("creationTimestamp", "")), default=None)
    if newest is None:
        return None
    conditions = {one["type"]: one for one in (newest.get("status") or {}).get("conditions") or []}
    quota, evicted = conditions.get("QuotaReserved", {}), conditions.get("Evicted", {})
    # After a new admission the condition is False, and its message tells of the one before.
    lost = evicted if evicted.get("status") == "True" else {}
    return Workload(
        waits=quota.get("message", "") if quota.get("status") != "True" else "",
        evicted=lost.get("reason", ""),
        words=lost.get("message", ""),
    )


# What no waiting ends, by Kueue 0.17's words, with what to mend.
_NEVER = (
    (r"> maximum capacity", "the ClusterQueue never has as much: ask for less, or raise its nominalQuota"),
    (
        r"resource (\S+) unavailable in ClusterQueue",
        r"the ClusterQueue does not cover \1, which the pod requests: add it to coveredResources, or to Kueue's"
        " setting resources.excludeResourcePrefixes",
    ),
    (
        r"doesn't match node affinity",
        "the nodeLabels of the flavor and the node selector of the pod exclude each other: change one of them",
    ),
    (
        r"untolerated taint",
        "tolerate the flavor's nodeTaints: in placement.tolerations, or in the flavor's tolerations",
    ),
    (
        r"namespace doesn't match ClusterQueue selector",
        "the ClusterQueue's namespaceSelector leaves this namespace out: change it, or name another queue",
    ),
    (
        r"LocalQueue {2}doesn't exist",
        "Kueue queues here also what names no queue (manageJobsWithoutQueueName): set placement.queueName",
    ),
    (r"LocalQueue \S+ doesn't exist", "create it in this namespace, or name another in placement.queueName"),
    (r"ClusterQueue \S+ doesn't exist", "ask for it to be created, or name another queue in placement.queueName"),
    (r"(?:Cluster|Local)Queue \S+ is inactive", "the queue's condition Active says why; whoever owns it can start it"),
)


def with_advice(words: str) -> str:
    """Kueue's words for why something waits, with what to mend where no waiting ends it."""
    for pattern, advice in _NEVER:
        if found := re.search(pattern, words):
            return f"{words}; {found.expand(advice)}"
    return words


def reason_of_eviction(word: str, words: str = "") -> str:
    """The reason by which an experiment ends that Kueue evicted.

    Args:
        word: reason of the pod's condition TerminationTarget or of the Workload's condition Evicted; empty if unknown.
        words: Kueue's own, in an event; they tell where no reason is left.
    """
    cause = word.removeprefix(_EVICTED)
    if cause == PODS_READY_TIMEOUT or "PodsReady timeout" in words:
        return PODS_READY_TIMEOUT
    return "Preempted" if cause == "Preempted" or (not cause and not words) or "Preempted to" in words else "Evicted"


def is_eviction(word: str) -> bool:
    """Whether the reason of a pod's condition is one of Kueue's."""
    return word.startswith(_EVICTED)
