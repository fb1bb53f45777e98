"""Weights on a PersistentVolumeClaim: a pod's volume and a container's mount."""

from __future__ import annotations

from autotuner.api.common import Volume
from autotuner.kubernetes_object import Object


def claim_volume(name: str, volume: Volume) -> Object:
    """A pod's volume, read-only: so no kubelet changes the owner of every file, nor makes a missing folder."""
    return {"name": name, "persistentVolumeClaim": {"claimName": volume.claim_name, "readOnly": True}}


def claim_mount(name: str, volume: Volume) -> Object:
    """A container's mount of that volume."""
    below = {"subPath": volume.sub_path} if volume.sub_path else {}
    return {"name": name, "mountPath": volume.mount_path, "readOnly": True, **below}
