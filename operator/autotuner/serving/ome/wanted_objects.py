"""The models and runtimes that a task's words ask for, as they are created where they are missing."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from autotuner.api.model_and_runtime import CustomObject, Scope, TaskModel, TaskRuntime
from autotuner.hashing import digest
from autotuner.kubernetes_object import Object, Resource
from autotuner.presets import Presets, RuntimePreset, deep_merge
from autotuner.serving.ome.resource_kinds import (
    BASE_MODEL,
    CLUSTER_BASE_MODEL,
    CLUSTER_SERVING_RUNTIME,
    SERVING_RUNTIME,
)

MODELS: Mapping[Scope, Resource] = {"Cluster": CLUSTER_BASE_MODEL, "Namespaced": BASE_MODEL}
RUNTIMES: Mapping[Scope, Resource] = {"Cluster": CLUSTER_SERVING_RUNTIME, "Namespaced": SERVING_RUNTIME}
_MANAGED_BY = {"app.kubernetes.io/managed-by": "autotuner"}


def wanted_model(spec: TaskModel, known: Presets, namespace: str) -> Object | None:
    """The model to create if it is missing; None for an existing one, or a preset that is unknown."""
    resource = MODELS[spec.scope]
    if spec.custom is not None:
        return _custom(resource, spec.custom, namespace)
    if spec.preset is None or spec.preset not in known.models:
        return None
    body = known.models[spec.preset]
    if spec.volume is not None:
        # Nothing to download, and no host path to mount: such a model is Ready wherever OME's agent runs.
        body = {**body, "storage": {"storageUri": f"vendor://autotuner/volume/{spec.preset}"}}
    elif not spec.overrides:
        return model_object(spec.preset, body)
    merged = deep_merge(body, spec.overrides or {})
    return _placed(model_object(f"{spec.preset}-{digest(merged)}", merged), resource, namespace)


def wanted_runtime(spec: TaskRuntime, known: Presets, live_model: Mapping[str, Any], namespace: str) -> Object | None:
    """The runtime to create if it is missing, fitting a live model; None as for `wanted_model`."""
    resource = RUNTIMES[spec.scope]
    if spec.custom is not None:
        return _custom(resource, spec.custom, namespace)
    preset = known.runtimes.get(spec.preset or "")
    if preset is None:
        return None
    if not spec.overrides:
        return runtime_object(preset, live_model)
    changed = RuntimePreset(preset.name, preset.engine, deep_merge(preset.spec, spec.overrides))
    return _placed(runtime_object(changed, live_model), resource, namespace)


def model_object(name: str, spec: Mapping[str, Any]) -> Object:
    """The ClusterBaseModel of a preset; it keeps the preset's name, so that weights are downloaded once."""
    return {
        "apiVersion": CLUSTER_BASE_MODEL.api_version,
        "kind": CLUSTER_BASE_MODEL.kind,
        "metadata": {"name": name, "labels": dict(_MANAGED_BY)},
        "spec": copy.deepcopy(dict(spec)),
    }


def runtime_object(preset: RuntimePreset, model: Mapping[str, Any]) -> Object:
    """The ClusterServingRuntime of a preset for a live model, named after its content.

    OME demands that format, framework, architecture and quantization agree with the model's, present or absent alike.
    A name that follows the content lets one preset serve several models, and an upgraded operator never meets an old
    body under the same name.
    """
    spec = copy.deepcopy(dict(preset.spec))
    spec["supportedModelFormats"] = [_format(model["spec"])]
    return {
        "apiVersion": CLUSTER_SERVING_RUNTIME.api_version,
        "kind": CLUSTER_SERVING_RUNTIME.kind,
        "metadata": {"name": f"{preset.name}-{digest(spec)}", "labels": dict(_MANAGED_BY)},
        "spec": spec,
    }


def _format(model: Mapping[str, Any]) -> Object:
    supported: Object = {"autoSelect": False}
    for key in ("modelFormat", "modelFramework"):
        if key in model:
            supported[key] = {part: model[key][part] for part in ("name", "version") if part in model[key]}
    for key in ("modelArchitecture", "quantization"):
        if key in model:
            supported[key] = model[key]
    if "modelFormat" in supported:
        supported["name"] = supported["modelFormat"]["name"]
    return supported


def _custom(resource: Resource, custom: CustomObject, namespace: str) -> Object:
    body: Object = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": custom.name,
            "labels": {**(custom.labels or {}), **_MANAGED_BY},
            **({"annotations": dict(custom.annotations)} if custom.annotations else {}),
        },
        "spec": dict(custom.spec),
    }
    return _placed(body, resource, namespace)


def _placed(body: Object, resource: Resource, namespace: str) -> Object:
    """The body as an object of this kind, in the namespace if the kind has one."""
    where = {"namespace": namespace} if resource.namespaced else {}
    return {**body, "kind": resource.kind, "metadata": {**body["metadata"], **where}}
