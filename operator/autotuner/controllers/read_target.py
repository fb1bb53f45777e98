"""Reads the target of a task: the object that runs today, or the snapshot that was made of it."""

from __future__ import annotations

from typing import NamedTuple

from autotuner.api.task import TaskSpec
from autotuner.api.task_status import TaskStatus
from autotuner.controllers.recent_reads import RecentReads
from autotuner.kube import PERSISTENT_VOLUME_CLAIM, POD, Kube
from autotuner.kubernetes_object import Object, content
from autotuner.policy.target_spec import with_target
from autotuner.presets import Presets
from autotuner.serving.backend import Backend, Backends, FoundTarget, UnusableTargetError
from autotuner.serving.target import reading

_SHARED = {"ReadWriteMany", "ReadOnlyMany"}
_HOST = "kubernetes.io/hostname"


class ReadTarget(NamedTuple):
    """A task with what its target stands for.

    Attributes:
        spec: with a model and a runtime.
        fault: why the target cannot be copied; empty if it can.
        changed: it is not any more what the task began with.
    """

    spec: TaskSpec
    fault: str = ""
    changed: bool = False


async def read(
    kube: Kube,
    recent: RecentReads,
    backends: Backends,
    spec: TaskSpec,
    status: TaskStatus,
    namespace: str,
    known: Presets,
) -> ReadTarget:
    """Read a task's target. One that has begun keeps to its snapshot."""
    if spec.target is None:
        return ReadTarget(spec)
    backend = backends.of_kind(spec.target.api_version, spec.target.kind)
    if backend.capabilities.name in backends.absent:
        return ReadTarget(with_target(spec, None))
    found, fault = await _find(kube, backend, namespace, spec.target.name), ""
    data: Object | None = None
    try:
        data = backend.read_target(spec.target, found, known)
    except UnusableTargetError as problem:
        fault = str(problem)
    kept = None
    if status.resolved is not None:
        snapshot = await recent.get(
            backend.capabilities.runtimes["Namespaced"], namespace, status.resolved.runtime, recent=True
        )
        kept = content(snapshot)
    if kept is not None:
        changed = data is not None and not reading.same(data, kept)
        return ReadTarget(with_target(spec, kept), changed=changed)
    if data is not None:
        fault = await _unshared(kube, namespace, spec, data)
    return ReadTarget(with_target(spec, data), fault)


async def _find(kube: Kube, backend: Backend, namespace: str, name: str) -> FoundTarget:
    target = await kube.get(backend.capabilities.root, namespace, name)
    if target is None:
        return FoundTarget(None)
    parts = backend.target_parts(target)
    named = [
        await kube.get(one.resource, (one.namespace or namespace) if one.resource.namespaced else None, one.name)
        for one in parts.named
    ]
    pods = await kube.list(POD, namespace, labels=parts.pods) if parts.pods else []
    alive = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return FoundTarget(target, [one for one in named if one is not None], alive)


async def _unshared(kube: Kube, namespace: str, spec: TaskSpec, data: Object) -> str:
    """Why a copy could not mount what the original mounts; empty if it can."""
    target = spec.target
    for name in reading.claims(data):
        claim = await kube.get(PERSISTENT_VOLUME_CLAIM, namespace, name)
        modes = set((claim or {}).get("spec", {}).get("accessModes") or ())
        if claim is None or modes & _SHARED:
            continue
        if "ReadWriteOncePod" in modes or _HOST not in (spec.placement.node_selector or {}):
            return (
                f"{target and target.kind} {target and target.name} mounts PersistentVolumeClaim {name}, which allows"
                f" {', '.join(sorted(modes))} alone, and it is in use: copy the files to a claim that many may read, or"
                f" keep the engines on its node with placement.nodeSelector ({_HOST})"
            )
    return ""
