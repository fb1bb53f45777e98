"""What is watched, and whom a change of it wakes, however the news comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from autotuner import metrics, ownership
from autotuner.controllers import relevant_changes
from autotuner.controllers.needed_objects import NeededObjects
from autotuner.controllers.observe import is_over
from autotuner.controllers.relevant_changes import RelevantChanges
from autotuner.controllers.workqueue import ObjectKey
from autotuner.kube import EXPERIMENT, JOB, POD, TASK
from autotuner.kubernetes_object import Resource
from autotuner.ownership import EXPERIMENT_LABEL
from autotuner.process.machinery import Listeners
from autotuner.serving.backend import Backends

# Hears of an object, and whether it is gone.
Wake = Callable[[Mapping[str, Any], bool], None]
# Changes come in bursts: a root, its pod and the pod's node within a tenth of a second. One look answers for all.
_AFTER_A_CHANGE = 0.1
# The garbage collector deletes what owned a pod some 20 to 70 ms after it.
_AFTER_A_POD = 0.25
# An experiment that is over is followed by the next at once; its steps on the way only change a message.
_AFTER_A_STEP = 0.5


def _needed_by_tasks(resource: Resource, needed: NeededObjects, listeners: Listeners) -> Wake:
    """Wakes who needs a model or runtime when that is gone; its changes are read seldom enough."""

    def reference(body: Mapping[str, Any], gone: bool) -> None:
        if gone:
            namespace, name = body["metadata"].get("namespace"), body["metadata"]["name"]
            listeners.recent.forget(resource, namespace, name)
            for key in needed.tasks(namespace, name):
                listeners.tasks.add_soon(key, _AFTER_A_CHANGE)

    return reference


def _references(backends: Backends) -> list[Resource]:
    return [resource for backend in backends.served for resource in backend.capabilities.references.values()]


def watches(backends: Backends, listeners: Listeners) -> dict[Resource, Wake]:
    """What is watched, and whom a change of it wakes, given the object and whether it is gone.

    An event carries nothing but *look again*; only metrics read the object, and who keeps the turns.
    """
    tasks, experiments, watchfulness = listeners.tasks, listeners.experiments, listeners.watchfulness
    needed = listeners.needed

    def task(body: Mapping[str, Any], gone: bool) -> None:
        meta = body["metadata"]
        if gone or not relevant_changes.settled(body):
            tasks.changed(meta, gone=gone)
        watchfulness.saw(TASK, meta, gone=gone)
        metrics.OBJECTS.task(body, gone=gone)

    def experiment(body: Mapping[str, Any], gone: bool) -> None:
        meta = body["metadata"]
        experiments.changed(meta, gone=gone)
        if task := ownership.task_of(meta):
            delay = 0.0 if gone or is_over(body) else _AFTER_A_STEP
            tasks.add_soon(ObjectKey(meta["namespace"], task), delay)
        watchfulness.saw(EXPERIMENT, meta, gone=gone)
        needed.saw(body, over=gone or is_over(body))
        listeners.turns.saw(body, gone=gone)
        metrics.OBJECTS.experiment(body, gone=gone)

    def children(resource: Resource, changes: RelevantChanges, after_deletion: float = _AFTER_A_CHANGE) -> Wake:
        def child(body: Mapping[str, Any], gone: bool) -> None:
            watchfulness.saw(resource, body["metadata"], gone=gone)
            name = body["metadata"].get("labels", {}).get(EXPERIMENT_LABEL)
            if name and changes.changed(body, gone=gone):
                delay = after_deletion if gone else _AFTER_A_CHANGE
                experiments.add_soon(ObjectKey(body["metadata"]["namespace"], name), delay)

        return child

    return {
        **{kind: _needed_by_tasks(kind, needed, listeners) for kind in _references(backends)},
        TASK: task,
        EXPERIMENT: experiment,
        **{
            backend.capabilities.root: children(
                backend.capabilities.root, RelevantChanges(relevant_changes.of_root(backend))
            )
            for backend in backends.served
        },
        JOB: children(JOB, RelevantChanges(relevant_changes.of_job)),
        POD: children(POD, RelevantChanges(relevant_changes.of_pod), _AFTER_A_POD),
    }
