"""Which backends can serve: whose kinds the API server has and the operator may read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from autotuner.kube import Kube
from autotuner.serving.backend import Backend, Backends

log = logging.getLogger(__name__)


_PERIOD = 10.0  # seconds between two looks for kinds that were not served


async def appeared(kube: Kube, backends: Backends, namespaces: Sequence[str]) -> list[Backend]:
    """Wait until a backend can serve that could not; returns those that can now. It never returns where all can."""
    before = set(backends.absent) - backends.withheld
    while not (found := before - set(backends.absent)):
        await asyncio.sleep(_PERIOD)
        if before:
            await look(kube, backends, namespaces)
    return [backends[name] for name in found]


async def look(kube: Kube, backends: Backends, namespaces: Sequence[str]) -> str:
    """Note which backends cannot serve; returns what cannot be told, empty if all can."""
    for backend in backends:
        known = backend.capabilities
        if known.name in backends.withheld:
            continue
        found = await kube.obstacle((known.root, *known.references.values()), namespaces)
        if found is not None and not found.absent:
            return found.words
        if found is None:
            if backends.absent.pop(known.name, ""):
                log.info("backend %s can serve now", known.name)
        elif known.name not in backends.absent:
            log.info("backend %s cannot serve: %s", known.name, found.words)
            backends.absent[known.name] = found.words
    if len(backends.absent) == len(list(backends)):
        return "; ".join(backends.absent.values())
    return ""
