"""Where an engine finds its model without a product that brings it: on the node, on a claim, or on the hub."""

from __future__ import annotations

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


def of_task(task: TaskModel, model_spec: Mapping[str, Any], *, simulated: bool) -> ModelSource:
    """Where the model of a task lies.

    Args:
        task: what the task says of it.
        model_spec: of its preset, or in full.
        simulated: the engine only plays, and reads no file.
    """
    storage: Mapping[str, Any] = model_spec.get("storage") or {}
    address = str(storage.get("storageUri") or "")
    if task.volume is not None:
        return ModelSource(task.volume.mount_path)  # each experiment mounts it
    if folder := own_folder(task):
        mount = {"name": VOLUME, "mountPath": folder, "readOnly": True}
        return ModelSource(folder, [{"name": VOLUME, "hostPath": {"path": folder, "type": "Directory"}}], [mount])
    if simulated:
        return ModelSource(address.removeprefix(HUB) or "model")
    cache = {"name": VOLUME, "emptyDir": {}}
    return ModelSource(
        address.removeprefix(HUB),
        [cache],
        [{"name": VOLUME, "mountPath": _CACHE}],
        [{"name": "HF_HOME", "value": _CACHE}],
        downloads=True,
    )


def own_folder(task: TaskModel) -> str:
    """The folder of the nodes that a task itself names; empty for none: nobody here fills that of a preset."""
    described = task.overrides or (task.custom.spec if task.custom else {})
    storage = described.get("storage")
    return str(storage.get("path") or "") if isinstance(storage, Mapping) else ""
