"""What OME's models say about themselves: pure reading of ClusterBaseModels and BaseModels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from autotuner.api.experiment import ModelRef


def state(model: Mapping[str, Any] | None) -> str:
    """OME's state of it (Ready, In_Transit, Failed ...); empty while it has none."""
    return str(((model or {}).get("status") or {}).get("state", ""))


def path(model: Mapping[str, Any] | None) -> str:
    """The folder on the node in which its files lie; empty if it names none."""
    return str((((model or {}).get("spec") or {}).get("storage") or {}).get("path", ""))


def failed_nodes(model: Mapping[str, Any]) -> str:
    """Where it could not be made ready, and where to read why."""
    nodes = (model.get("status") or {}).get("nodesFailed", [])
    where = f"on {', '.join(nodes[:5])}" if nodes else "on any node"
    return f"OME's model agent could not make it ready {where}; its log says why (storage path, access to the hub)"


def node_label(model: ModelRef, namespace: str) -> str:
    """The node label that OME's model agent sets to Ready; long names are hashed as OME does."""
    kind = "clusterbasemodel" if model.kind == "ClusterBaseModel" else f"{namespace}.basemodel"
    name = model.name
    if len(name) > 32:
        name = f"{hashlib.sha256(name.encode()).hexdigest()[:8]}-{name[-23:]}"
    return f"models.ome.io/{kind}.{name}"
