"""Reads from the cluster what a namespace and its claims say about where weights can lie."""

from __future__ import annotations

from autotuner.kube import NAMESPACE, PERSISTENT_VOLUME_CLAIM, STORAGE_CLASS, Kube
from autotuner.policy.volume_claims import Storage


async def read_storage(kube: Kube, namespace: str, claim_name: str, *, labels: bool) -> Storage:
    """Read a namespace and the claim of this name in it, if one is meant.

    Args:
        kube: the connection.
        namespace: of the claim.
        claim_name: empty for none.
        labels: whether the namespace's own labels are wanted too.
    """
    found = await kube.get(NAMESPACE, None, namespace) if labels else None
    claim = await kube.get(PERSISTENT_VOLUME_CLAIM, namespace, claim_name) if claim_name else None
    storage_class = None
    if claim is not None and (claim.get("status") or {}).get("phase", "Pending") == "Pending":
        name = claim["spec"].get("storageClassName")
        storage_class = await kube.get(STORAGE_CLASS, None, name) if name else None
    return Storage(
        namespace,
        labels=((found or {}).get("metadata") or {}).get("labels") or {},
        claim_name=claim_name,
        claim=claim,
        storage_class=storage_class,
    )
