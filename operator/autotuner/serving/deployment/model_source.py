"""Where an engine finds its model without a product that brings it: on the node, on a claim, or on the hub."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autotuner.api.model_and_runtime import TaskModel
from autotuner.kubernetes_object import Object

HUB = "hf://"
VOLUME = "autotuner-model"
_CACHE = "/var/cache/autotuner/hub"
# Loads what an engine would load, before it starts: a download is no start.
_DOWNLOAD = "import os,huggingface_hub as hub; hub.snapshot_download(os.environ['MODEL_PATH'])"


@dataclass(frozen=True)
class ModelSource:
    """What an engine's pod needs to find its model.

    Attributes:
        path: a folder, or the model's id on the hub.
        volumes: of the pod.
        mounts: of the engine's container.
        env: of the engine's container.
        downloads: an init container downloads it into the cache.
    """

    path: str
    volumes: list[Object] = field(default_factory=list)
    mounts: list[Object] = field(default_factory=list)
    env: list[Object] = field(default_factory=list)
    downloads: bool = False

    def init_containers(self, image: str) -> list[Object]:
        """What runs before the engine, in its own image, which has the hub's library."""
        if not self.downloads:
            return []
        env = [*self.env, {"name": "MODEL_PATH", "value": self.path}]
        command = ["python3", "-c", _DOWNLOAD]
        return [{"name": "download", "image": image, "command": command, "env": env, "volumeMounts": list(self.mounts)}]


def known_of(task: TaskModel, model_spec: Mapping[str, Any]) -> Object:
    """The spec of a task's model without the folder of a preset: only a product fills that, or the task's own words."""
    found = copy.deepcopy(dict(model_spec))
    described = task.overrides or (task.custom.spec if task.custom else {})
    own = described.get("storage")
    if isinstance(found.get("storage"), dict) and not (isinstance(own, Mapping) and own.get("path")):
        found["storage"].pop("path", None)
    return found


def folder(model_spec: Mapping[str, Any]) -> str:
    """The folder of the nodes where a model lies; empty for none."""
    return str((model_spec.get("storage") or {}).get("path") or "")


def of_task(task: TaskModel, model_spec: Mapping[str, Any], *, simulated: bool) -> ModelSource:
    """Where the model of a task lies.

    Args:
        task: what the task says of it.
        model_spec: what is known of it.
        simulated: the engine only plays, and reads no file.
    """
    address = str((model_spec.get("storage") or {}).get("storageUri") or "")
    if task.volume is not None and not task.volume.cache:
        return ModelSource(task.volume.mount_path)  # each experiment mounts it
    if path := folder(model_spec):
        host = {"name": VOLUME, "hostPath": {"path": path, "type": "Directory"}}
        return ModelSource(path, [host], [{"name": VOLUME, "mountPath": path, "readOnly": True}])
    if simulated:
        return ModelSource(address.removeprefix(HUB) or "model")
    cache: Object = {"name": VOLUME, "emptyDir": {}}
    mount: Object = {"name": VOLUME, "mountPath": _CACHE}
    if task.volume is not None:
        cache = {"name": VOLUME, "persistentVolumeClaim": {"claimName": task.volume.claim_name}}
        mount |= {"subPath": task.volume.sub_path} if task.volume.sub_path else {}
    env: list[Object] = [{"name": "HF_HOME", "value": _CACHE}]
    if task.token_secret is not None:
        env.append({"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": task.token_secret.dump()}})
    return ModelSource(address.removeprefix(HUB), [cache], [mount], env, downloads=True)
