"""Reads the target of a task: the object that runs today, or the snapshot that was made of it."""

from __future__ import annotations

from typing import NamedTuple

from autotuner import live_target
from autotuner.api.task import TaskSpec
from autotuner.api.task_status import TaskStatus
from autotuner.controllers.recent_reads import RecentReads
from autotuner.kube import Kube
from autotuner.kubernetes_object import Object, content
from autotuner.policy.target_spec import with_target
from autotuner.presets import Presets
from autotuner.serving.backend import Backends, UnusableTargetError
from autotuner.serving.target import reading, shared_claims


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
    found, fault = await live_target.find(kube, backend, namespace, spec.target.name), ""
    data: Object | None = None
    try:
        data = backend.read_target(spec.target, found, known)
    except UnusableTargetError as problem:
        fault = str(problem)
    kept = None
    if status.resolved is not None:
        kind = backend.capabilities.runtimes["Namespaced"]
        snapshot = await recent.get(kind, namespace, status.resolved.runtime, recent=True)
        kept = content(snapshot)
    if kept is not None:
        changed = data is not None and not reading.same(data, kept)
        return ReadTarget(with_target(spec, kept), changed=changed)
    if data is not None:
        fault = await _unshared(kube, namespace, spec, data)
    return ReadTarget(with_target(spec, data), fault)


async def _unshared(kube: Kube, namespace: str, spec: TaskSpec, data: Object) -> str:
    """Why a copy could not mount what the original mounts; empty if it can."""
    assert spec.target is not None, "asked before"
    mounted = await live_target.claims(kube, namespace, data)
    return shared_claims.conflict(f"{spec.target.kind} {spec.target.name}", mounted, spec.placement.node_selector or {})
