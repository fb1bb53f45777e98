"""Reads of objects that seldom change: models, runtimes, and what might hide them.

Of models and runtimes only the end is watched (`needed_objects`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from autotuner.controllers import monotonic_clock
from autotuner.kube import Kube
from autotuner.kubernetes_object import Object, Resource

RECENT_SECONDS = 10.0
_Key = tuple[Resource, str | None, str]


class _Read(NamedTuple):
    at: float
    found: Object | None


class RecentReads:
    """Answers from what was read not long ago, where a reconcile can live with that."""

    def __init__(self, kube: Kube, now: Callable[[], float] = monotonic_clock.seconds) -> None:
        self._kube, self._now = kube, now
        self._reads: dict[_Key, _Read] = {}

    def forget(self, resource: Resource, namespace: str | None, name: str) -> None:
        """Ask the API server for this object next time: it is gone."""
        self._reads.pop((resource, namespace, name), None)

    async def get(self, resource: Resource, namespace: str, name: str, *, recent: bool) -> Object | None:
        """An object, or None if there is none.

        Args:
            resource: its kind.
            namespace: of whoever asks; an object of a kind without namespaces is read without it.
            name: its name.
            recent: whether an answer of the last ten seconds will do; else the API server is asked.
        """
        key = (resource, namespace if resource.namespaced else None, name)
        now = self._now()
        known = self._reads.get(key)
        if known is not None and recent and now - known.at < RECENT_SECONDS:
            return known.found
        found = await self._kube.get(*key)
        self._reads = {one: read for one, read in self._reads.items() if now - read.at < RECENT_SECONDS}
        self._reads[key] = _Read(now, found)
        return found
