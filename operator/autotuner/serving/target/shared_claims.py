"""Claims that a target's pods mount: can a copy mount them beside the original? Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from autotuner.kubernetes_object import Object

# The label of a node with its own name: what keeps pods on one node.
HOST = "kubernetes.io/hostname"
_SHARED = {"ReadWriteMany", "ReadOnlyMany"}
_OF_ONE_POD = "ReadWriteOncePod"


def of_one_node(claims: Iterable[Mapping[str, Any]]) -> list[str]:
    """The claims that several pods may mount if they are on one node, by name."""
    return [claim["metadata"]["name"] for claim in claims if (modes := _exclusive(claim)) and _OF_ONE_POD not in modes]


def conflict(target: str, claims: Iterable[Object], node_selector: Mapping[str, str]) -> str:
    """Why a copy could not mount what the original mounts, and what to do; empty if it can.

    Args:
        target: kind and name of the original.
        claims: the PersistentVolumeClaims that its pods mount, as far as they exist.
        node_selector: of the task's engines.
    """
    for claim in claims:
        modes = _exclusive(claim)
        alone = _OF_ONE_POD in modes
        if alone or (modes and HOST not in node_selector):
            beside = "" if alone else f", or keep the engines on its node with placement.nodeSelector ({HOST})"
            return (
                f"{target} mounts PersistentVolumeClaim {claim['metadata']['name']}, which allows"
                f" {', '.join(sorted(modes))} alone, and it is in use: copy the files to a claim that many may"
                f" read{beside}"
            )
    return ""


def _exclusive(claim: Mapping[str, Any]) -> set[str]:
    """The access modes of a claim that not every pod can mount; empty for one that many may."""
    modes = set((claim.get("spec") or {}).get("accessModes") or ())
    return set() if modes & _SHARED else modes
