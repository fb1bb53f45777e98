"""Where the files of a target's model lie: the volume of its pod that holds the folder which its engine loads. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from autotuner.api.common import Volume
from autotuner.kubernetes_object import Object
from autotuner.serving.backend import NOWHERE, Claim, Weights


def storage(folder: str, mounts: Sequence[Mapping[str, Any]], volumes: Sequence[Mapping[str, Any]]) -> Object:
    """What a model's `storage` says of the files in a folder of a container.

    Args:
        folder: as the engine is told it.
        mounts: of the container.
        volumes: of its pod.

    Returns:
        `path`, a folder of the node; or `claim`, as a task's `model.volume` has it; empty for any other volume.
    """
    path = PurePosixPath(folder)
    holding = [mount for mount in mounts if path.is_relative_to(str(mount["mountPath"]))]
    if not path.is_absolute() or not holding:
        return {}
    mount = max(holding, key=lambda one: len(PurePosixPath(str(one["mountPath"])).parts))
    volume = next((one for one in volumes if one["name"] == mount["name"]), {})
    inside = PurePosixPath(str(mount.get("subPath") or "")) / path.relative_to(str(mount["mountPath"]))
    if "hostPath" in volume:
        return {"path": str(PurePosixPath(str(volume["hostPath"]["path"])) / inside)}
    if "persistentVolumeClaim" in volume:
        below = {} if str(inside) == "." else {"subPath": str(inside)}
        return {"claim": {"claimName": volume["persistentVolumeClaim"]["claimName"], "mountPath": folder, **below}}
    return {}


def weights(model_spec: Mapping[str, Any]) -> Weights:
    """Where the files lie by what `storage` said."""
    said: Mapping[str, Any] = model_spec.get("storage") or {}
    if claim := said.get("claim"):
        return Weights(claim=Claim("", Volume.model_validate(claim)))
    return Weights(str(said["path"])) if said.get("path") else NOWHERE
