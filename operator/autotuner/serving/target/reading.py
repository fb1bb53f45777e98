"""What runs today, read as a task's model and runtime: its pod, its engine with arguments, and what its model is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from autotuner.api.model_and_runtime import Target
from autotuner.kubernetes_object import Object
from autotuner.presets import Presets
from autotuner.serving.backend import UnusableTargetError
from autotuner.serving.target import engine_container, pod_copy, weights_folder
from autotuner.serving.target.engine_container import EngineContainer, NoEngineError

_HUB = "hf://"
_NO_FILES: Mapping[str, Any] = {}
# What of a snapshot's data tells its task's users how a copy differs from the original, each as a sentence.
NOTES = "notes"


def usable(target: Target, found: Object | None) -> Object:
    """The object, if it can be tuned.

    Raises:
        UnusableTargetError: it does not exist, or a change of it would do nothing.
    """
    what = f"{target.kind} {target.name}"
    if found is None:
        raise UnusableTargetError(f"{what} does not exist; create it, or name another")
    if why := _unusable(found):
        raise UnusableTargetError(f"{what} {why}")
    return found


def of_pod(
    target: Target,
    template: Mapping[str, Any],
    known: Presets,
    *,
    kept: int = 0,
    elsewhere: Mapping[str, str] = MappingProxyType({}),
) -> Object:
    """The data of a snapshot of a target, as far as it is about the pod that runs the engine.

    Args:
        target: what the task says of it.
        template: of that pod.
        known: presets, whose models tell what a model is by its id on the hub.
        kept: how many of the first words of the engine's command line no experiment can change.
        elsewhere: variables that no container names, because the product which makes the pods adds them: name -> value,
            empty where that is not known here.

    Raises:
        UnusableTargetError: its engine cannot be told, or its flags cannot be read.
    """
    try:
        engine = engine_container.find(template["spec"]["containers"], target.container, target.engine, kept, elsewhere)
    except NoEngineError as problem:
        raise UnusableTargetError(f"{target.kind} {target.name}: {problem}") from problem
    copied = pod_copy.without_traffic(template)
    return {
        "target": {"apiVersion": target.api_version, "kind": target.kind, "name": target.name},
        "container": engine.name,
        "engine": engine.engine,
        "template": copied.template,
        "model": model_of(model_name(engine), known, _files(engine, template["spec"])),
        **({"kept": kept} if kept else {}),
        **({"elsewhere": dict(elsewhere)} if elsewhere else {}),
    }


def same(data: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two readings of a target would be measured alike, whatever presets or notes say of it by now."""
    return _of_pods(data) == _of_pods(other)


def _of_pods(data: Mapping[str, Any]) -> Object:
    return {part: value for part, value in data.items() if part not in ("model", NOTES)}


def claims(data: Mapping[str, Any]) -> list[str]:
    """The claims that its pods mount."""
    pods = [one["template"]["spec"] for one in (data, data.get("workers")) if one]
    volumes = [volume for pod in pods for volume in pod.get("volumes") or ()]
    found = [one["persistentVolumeClaim"]["claimName"] for one in volumes if "persistentVolumeClaim" in one]
    return list(dict.fromkeys(found))


def _unusable(found: Mapping[str, Any]) -> str:
    """Why an object is nobody's to tune; empty if it can be."""
    meta, spec = found["metadata"], found["spec"]
    if "deletionTimestamp" in meta:
        return "is being deleted"
    owners = [owner for owner in meta.get("ownerReferences") or () if owner.get("controller")]
    if owners:
        return (
            f"is made by {owners[0]['kind']} {owners[0]['name']}, which would undo a change of it; tune a copy that is"
            " your own"
        )
    if spec.get("replicas") == 0:
        return "has no replicas, so nothing runs that could be a baseline; scale it up"
    return ""


def model_name(engine: EngineContainer) -> str:
    """The model that an engine is told to load: a folder or an id on the hub; empty where nothing tells it."""
    for flag in ("model", "model-path"):
        if value := engine.value(flag):
            return value
    return engine.operand


def _files(engine: EngineContainer, pod: Mapping[str, Any]) -> Object:
    container = next(one for one in pod["containers"] if one["name"] == engine.name)
    return weights_folder.storage(model_name(engine), container.get("volumeMounts") or (), pod.get("volumes") or ())


def model_of(name: str, known: Presets, files: Mapping[str, Any] = _NO_FILES) -> Object:
    """What is known of a model: what a preset says of the same id, without where that one lies.

    Args:
        name: a folder or an id on the hub; empty where nothing tells it.
        known: presets.
        files: where it lies, as `weights_folder.storage` says it.
    """
    address = f"{_HUB}{name}" if re.fullmatch(r"[\w.-]+/[\w.-]+", name) else ""
    for spec in known.models.values():
        if address and (spec.get("storage") or {}).get("storageUri") == address:
            return {
                **{key: value for key, value in spec.items() if key != "storage"},
                "storage": {"storageUri": address},
            }
    return {"displayName": name or "unknown", "storage": {"storageUri": address or f"local://{name}", **files}}
