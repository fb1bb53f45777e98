"""ConfigMaps that a task leaves behind: written once more if they are its own, never over somebody else's."""

from __future__ import annotations

from autotuner.kube import CONFIG_MAP, Kube, RejectedError
from autotuner.kubernetes_object import Object
from autotuner.ownership import controlled_by


async def write(kube: Kube, body: Object, what: str) -> str:
    """Write a ConfigMap of a task; returns why that is impossible, empty if it was done.

    Args:
        kube: where.
        body: with the task as its controller.
        what: is in it, for the message.
    """
    meta = body["metadata"]
    found = await kube.get(CONFIG_MAP, meta["namespace"], meta["name"])
    if found is not None and not controlled_by(found, meta["ownerReferences"][0]["uid"]):
        return f"ConfigMap {meta['name']} belongs to somebody else and is not overwritten, so there is no {what}"
    try:
        await kube.apply(CONFIG_MAP, body)
    except RejectedError as problem:
        return f"the API server refused ConfigMap {meta['name']} with the {what}: {problem.message}"
    return ""
