"""Which events of an experiment's objects can change what is decided: the others wake nobody.

Backends, kubelets and the Job controller write much that no decision reads: counters, addresses, progress.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from autotuner.controllers.observe import is_over
from autotuner.serving.backend import Backend

_Body = Mapping[str, Any]
# Of a pod, these follow from the others, or from its containers.
_DERIVED = ("ContainersReady", "Initialized", "PodReadyToStartContainers")
_JOB_CONDITIONS = ("Failed", "Suspended")


class RelevantChanges:
    """Remembers of each object what decisions read of it, and tells whether an event changes that."""

    def __init__(self, read: Callable[[_Body], Hashable]) -> None:
        self._read = read
        self._known: dict[str, Hashable] = {}

    def changed(self, body: _Body, *, gone: bool) -> bool:
        """Whether an event tells anything new; asked once for each."""
        uid = body["metadata"]["uid"]
        if gone:
            self._known.pop(uid, None)
            return True
        found = self._read(body)
        changed = self._known.get(uid) != found
        self._known[uid] = found
        return changed


def settled(task: _Body) -> bool:
    """Whether a task is over and its last edit is answered: nothing is to be done about it, however often it is seen.

    After a start every task is seen once, and most of them are such.
    """
    status = task.get("status") or {}
    return is_over(task) and status.get("observedGeneration") == task["metadata"].get("generation")


def of_pod(body: _Body) -> Hashable:
    """What is read of a pod."""
    spec, status = body["spec"], body.get("status") or {}
    conditions = [
        (one["type"], one["status"], one.get("reason"), one.get("message"))
        for one in status.get("conditions") or []
        if one["type"] not in _DERIVED
    ]
    containers = [
        (one["name"], one.get("state"), one.get("lastState"), one.get("restartCount"), one.get("imageID"))
        for one in status.get("containerStatuses") or []
    ]
    phase = (status.get("phase"), status.get("reason"), status.get("message"))
    return repr((_life(body), spec.get("nodeName"), spec.get("schedulingGates"), phase, conditions, containers))


def of_job(body: _Body) -> Hashable:
    """What is read of a Job."""
    conditions = [
        (one["type"], one["status"], one.get("reason"), one.get("message"))
        for one in (body.get("status") or {}).get("conditions") or []
        if one["type"] in _JOB_CONDITIONS
    ]
    return repr((_life(body), body["spec"].get("suspend"), conditions))


def of_root(backend: Backend) -> Callable[[_Body], Hashable]:
    """What is read of a backend's root: what it says to the backend before there is a pod."""
    return lambda body: repr((_life(body), backend.observe((dict(body),), None, ())))


def _life(body: _Body) -> Hashable:
    meta = body["metadata"]
    return repr((meta.get("deletionTimestamp"), meta.get("finalizers"), meta.get("ownerReferences")))
