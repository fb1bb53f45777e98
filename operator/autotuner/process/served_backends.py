"""Which backends can serve: whose kinds the API server has and the operator may read."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from autotuner.kube import Kube
from autotuner.serving.backend import Backends

log = logging.getLogger(__name__)


async def look(kube: Kube, backends: Backends, namespaces: Sequence[str]) -> str:
    """Note which backends cannot serve; returns what cannot be told, empty if all can."""
    for backend in backends:
        known = backend.capabilities
        found = await kube.obstacle((known.root, *known.references.values()), namespaces)
        if found is not None and not found.absent:
            return found.words
        if found is None:
            backends.absent.pop(known.name, None)
        elif known.name not in backends.absent:
            log.info("backend %s cannot serve: %s", known.name, found.words)
            backends.absent[known.name] = found.words
    if len(backends.absent) == len(list(backends)):
        return "; ".join(backends.absent.values())
    return ""
