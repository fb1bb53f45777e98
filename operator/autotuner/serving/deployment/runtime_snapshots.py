"""The engine's pod of a runtime that presets or a task describe, as the data of a snapshot."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from autotuner.kubernetes_object import Object
from autotuner.serving import accelerator_count_variable, preset_shapes
from autotuner.serving.backend import MODEL_PATH, EngineTemplate
from autotuner.serving.deployment.model_source import ModelSource
from autotuner.serving.target.snapshots import snapshot

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
    runner = accelerator_count_variable.spelled_out(engine.get("runner") or {})
    container: Object = {**copy.deepcopy(runner), "name": CONTAINER}
    env = [variable for variable in container.get("env") or () if variable["name"] != MODEL_PATH]
    container["env"] = [*env, {"name": MODEL_PATH, "value": model.path}, *model.env]
    _extend(container, "volumeMounts", model.mounts)
    _extend(pod, "volumes", model.volumes)
    _extend(pod, "initContainers", model.init_containers(str(container.get("image") or "")))
    pod["containers"] = [container]
    annotations = engine.get("annotations")
    kept = {"metadata": {"annotations": dict(annotations)}} if annotations else {}
    return snapshot(name, namespace, {"container": CONTAINER, "template": {**kept, "spec": pod}, "model": model_spec})


def engine_of_runtime(runtime_spec: Mapping[str, Any]) -> EngineTemplate:
    """The engine in a runtime of which a snapshot will be made."""
    engine: Mapping[str, Any] = runtime_spec.get("engineConfig") or {}
    runner = accelerator_count_variable.spelled_out(engine.get("runner") or {})
    return EngineTemplate(runner, engine, several=preset_shapes.several(runtime_spec))


def _extend(holder: Object, field: str, items: list[Object]) -> None:
    if items:
        holder[field] = [*(holder.get(field) or ()), *items]
