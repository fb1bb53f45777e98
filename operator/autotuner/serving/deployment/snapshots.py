"""Snapshots of pods: what experiments run, kept in a ControllerRevision so that nothing can change it.

A ControllerRevision is of the cluster itself and immutable; the task that made it owns it. Its `data` holds the pod
template, without labels, the name of the engine's container, and what is known of the model.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from autotuner.hashing import digest
from autotuner.kubernetes_object import Object, Resource
from autotuner.serving.backend import MODEL_PATH, EngineTemplate
from autotuner.serving.deployment.model_source import ModelSource

CONTROLLER_REVISION = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
CONTAINER = "engine"
# Of what a runtime may say of its engine, all that is no field of a pod.
_NO_POD_FIELDS = (
    *("annotations", "labels", "runner", "leader", "worker", "minReplicas", "maxReplicas", "scaleTarget"),
    *("scaleMetric", "containerConcurrency", "timeout", "canaryTrafficPercent", "batcher", "logger", "kedaConfig"),
    *("deploymentStrategy", "containers"),
)


def of_runtime(
    name: str, namespace: str, runtime_spec: Mapping[str, Any], model: ModelSource, model_spec: Mapping[str, Any]
) -> Object:
    """The snapshot of a runtime that presets or a task describe.

    Args:
        name: that its own begins with.
        namespace: of the task.
        runtime_spec: as a runtime preset has it.
        model: where the engine finds its model.
        model_spec: what else is known of the model.
    """
    engine: Mapping[str, Any] = runtime_spec.get("engineConfig") or {}
    pod = {key: copy.deepcopy(value) for key, value in engine.items() if key not in _NO_POD_FIELDS}
    container: Object = {**copy.deepcopy(dict(engine.get("runner") or {})), "name": CONTAINER}
    env = [variable for variable in container.get("env") or () if variable["name"] != MODEL_PATH]
    container["env"] = [*env, {"name": MODEL_PATH, "value": model.path}, *model.env]
    _extend(container, "volumeMounts", model.mounts)
    _extend(pod, "volumes", model.volumes)
    _extend(pod, "initContainers", model.init_containers(str(container.get("image") or "")))
    pod["containers"] = [container]
    annotations = engine.get("annotations")
    kept = {"metadata": {"annotations": dict(annotations)}} if annotations else {}
    return snapshot(name, namespace, {**kept, "spec": pod}, CONTAINER, model_spec)


def snapshot(
    name: str, namespace: str, template: Mapping[str, Any], container: str, model_spec: Mapping[str, Any]
) -> Object:
    """The ControllerRevision of a pod template, named after its content.

    Args:
        name: that its own begins with.
        namespace: of the task.
        template: of the pods, without labels.
        container: that runs the engine.
        model_spec: what is known of the model.
    """
    data = {"container": container, "template": template, "model": model_spec}
    return {
        "apiVersion": CONTROLLER_REVISION.api_version,
        "kind": CONTROLLER_REVISION.kind,
        "metadata": {"name": f"{name}-{digest(data)}", "namespace": namespace},
        "data": data,
        "revision": 1,
    }


def engine_of(data: Mapping[str, Any]) -> EngineTemplate:
    """The engine in a snapshot's data."""
    pod: Mapping[str, Any] = (data.get("template") or {}).get("spec") or {}
    named = [one for one in pod.get("containers") or () if one["name"] == data.get("container")]
    return EngineTemplate(named[0], pod) if named else EngineTemplate()


def engine_of_runtime(runtime_spec: Mapping[str, Any]) -> EngineTemplate:
    """The engine in a runtime of which a snapshot will be made."""
    engine: Mapping[str, Any] = runtime_spec.get("engineConfig") or {}
    return EngineTemplate(engine.get("runner") or {}, engine)


def _extend(holder: Object, field: str, items: list[Object]) -> None:
    if items:
        holder[field] = [*(holder.get(field) or ()), *items]
