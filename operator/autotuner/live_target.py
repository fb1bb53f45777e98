"""Reads from a cluster what a copy of a live object takes: the object, what it names, and the claims of its pods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotuner.kube import PERSISTENT_VOLUME_CLAIM, POD, Kube
from autotuner.kubernetes_object import Object
from autotuner.serving.backend import Backend, FoundTarget
from autotuner.serving.target import reading


async def find(kube: Kube, backend: Backend, namespace: str, name: str) -> FoundTarget:
    """The target of this name, and what else its backend wants to know of it.

    Raises:
        KubeError: the API server does not answer, or refuses.
    """
    target = await kube.get(backend.capabilities.root, namespace, name)
    if target is None:
        return FoundTarget(None)
    parts = backend.target_parts(target)
    named = [
        await kube.get(one.resource, (one.namespace or namespace) if one.resource.namespaced else None, one.name)
        for one in parts.named
    ]
    pods = await kube.list(POD, namespace, labels=parts.pods) if parts.pods else []
    alive = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return FoundTarget(target, [one for one in named if one is not None], alive)


async def claims(kube: Kube, namespace: str, data: Mapping[str, Any]) -> list[Object]:
    """The PersistentVolumeClaims that the pods of a snapshot mount, as far as they exist.

    Args:
        kube: the API.
        namespace: of the target.
        data: of its snapshot.

    Raises:
        KubeError: the API server does not answer, or refuses.
    """
    found = [await kube.get(PERSISTENT_VOLUME_CLAIM, namespace, name) for name in reading.claims(data)]
    return [claim for claim in found if claim is not None]
