"""Reads of Kueue's objects; what may not be read, or is of an unknown release, is as good as unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from autotuner.kube import EVENT, Kube, KubeError, RejectedError
from autotuner.kubernetes_object import Object, Resource
from autotuner.policy.experiment.observed import ObservedExperiment
from autotuner.policy.queueing import ObservedQueue, flavor_names
from autotuner.serving import kueue
from autotuner.serving.backend import ServingEvent, read_events
from autotuner.serving.kueue import Workload

_NOT_FOUND = 404


class QueuedPods(kueue.Queued, Protocol):
    """What names a queue and the classes of its pods' priority."""

    @property
    def priority_class_name(self) -> str | None:
        """The PriorityClass."""


async def read_queue(kube: Kube, namespace: str, named: QueuedPods) -> ObservedQueue | None:
    """What a placement or a service names, as far as it may be read; None if it names nothing."""
    queue, classes = named.queue_name, (named.priority_class_name, named.workload_priority_class_name)
    if not (queue or any(classes)):
        return None
    missing: dict[str, str] = {}
    if classes[0] and await _get(kube, kueue.PRIORITY_CLASS, None, classes[0]) == {}:
        missing["priorityClassName"] = f"PriorityClass {classes[0]}"
    if not (queue or classes[1]):
        return ObservedQueue(namespace, missing=missing)
    version, found = await _served(kube, kueue.local_queues, namespace)
    if version is None:
        return ObservedQueue(namespace, queue or "", served=False, missing=missing)
    if classes[1] and await _get(kube, kueue.workload_priority_classes(version), None, classes[1]) == {}:
        missing["workloadPriorityClassName"] = f"WorkloadPriorityClass {classes[1]}"
    known = None if found is None else {one["metadata"]["name"]: one for one in found}
    seen = ObservedQueue(namespace, queue or "", local_queues=known, missing=missing)
    local = (known or {}).get(queue or "")
    if local is None:
        return seen
    cluster = await _get(kube, kueue.cluster_queues(version), None, local["spec"]["clusterQueue"])
    flavors = {
        name: body
        for name in flavor_names(cluster or {})
        if (body := await _get(kube, kueue.resource_flavors(version), None, name))
    }
    return ObservedQueue(namespace, queue or "", True, known, cluster, flavors, missing)


async def with_admission(kube: Kube, seen: ObservedExperiment) -> ObservedExperiment:
    """Add what Kueue says of pod and Job that it does not admit, or that it took out of the cluster."""
    namespace = seen.object["metadata"]["namespace"]
    waiting = [pod.uid for pod in (seen.engine, seen.benchmark) if pod is not None and pod.queued]
    if seen.job is not None and seen.job_suspended:
        waiting.append(seen.job["metadata"]["uid"])
    found = {uid: workload for uid in waiting if (workload := await _read_workload(kube, namespace, uid))}
    seen = replace(seen, workloads=found)
    measured, engine = seen.status.engine_pod, seen.engine
    replaced = measured is not None and (engine is None or engine.deleting or engine.uid != measured.uid)
    if seen.engine_queued_again or replaced:
        stops = await _read_stops(kube, namespace, "Pod", lambda name: name.startswith(f"{seen.root_name}-"))
    elif seen.job_queued_again:
        stops = await _read_stops(kube, namespace, "Job", lambda name: name == seen.name)
    else:
        return seen
    return replace(seen, stopped=stops[-1].message if stops else "")


async def _read_workload(kube: Kube, namespace: str, uid: str) -> Workload | None:
    """What Kueue says of a pod or a Job by its uid; None if it says nothing, or may not be asked."""
    _, found = await _served(kube, kueue.workloads, namespace, f"{kueue.OWNER_LABEL}={uid}")
    return kueue.read_workload(found or ())


async def _read_stops(kube: Kube, namespace: str, kind: str, meant: Callable[[str], bool]) -> list[ServingEvent]:
    """Kueue's events that it stopped the pods or Jobs whose names are meant, oldest first; they outlive the pods."""
    found = await kube.list(EVENT, namespace, fields=f"involvedObject.kind={kind},reason=Stopped")
    return read_events(one for one in found if meant(str(one["involvedObject"].get("name", ""))))


async def _served(
    kube: Kube, resource: Callable[[str], Resource], namespace: str, labels: str = ""
) -> tuple[str | None, list[Object] | None]:
    """The newest version of a kind that is served, with its objects; None for what is not there, or not to be read."""
    selectors = {"labels": labels} if labels else {}
    for version in kueue.VERSIONS:
        try:
            return version, await kube.list(resource(version), namespace, **selectors)
        except RejectedError as problem:
            if problem.status != _NOT_FOUND:
                return version, None
        except KubeError as problem:
            if not problem.server_failed:
                raise
            return version, None
    return None, None


async def _get(kube: Kube, resource: Resource, namespace: str | None, name: str) -> Object | None:
    """An object; empty if there is none, None where it may not be read."""
    try:
        return await kube.get(resource, namespace, name) or {}
    except RejectedError:
        return None
