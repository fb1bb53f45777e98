"""Who edits an experiment that is over is told that it has no effect, and its status says that the edit was seen.

Else `kubectl wait`, which compares generations, would wait for ever. The operator's watches leave finished experiments
out, because there may be ten thousand of them and the objects are large; here only their metadata is followed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence

from autotuner.api.common import FINISHED_LABEL
from autotuner.controllers import monotonic_clock
from autotuner.controllers.workqueue import ObjectKey, WorkQueue
from autotuner.kube import EXPERIMENT, KubeError
from autotuner.kubernetes_object import Object, Resource

log = logging.getLogger(__name__)

# Metadata of what matches in a namespace (None: in all), then of what changes; see `ApiServer.follow_metadata`.
Follow = Callable[[Resource, str | None, str], AsyncIterator[Object]]
# Many may have been cancelled before this operator began. What runs matters more than they.
PACE_SECONDS = 0.05
RETRY_SECONDS = 30.0


class FinishedEdits:
    """Has edited experiments that are over looked at, a few at a time.

    Args:
        follow: tells of metadata.
        experiments: the queue in which they are looked at.
        now: seconds of a monotonic clock.
    """

    def __init__(
        self, follow: Follow, experiments: WorkQueue, now: Callable[[], float] = monotonic_clock.seconds
    ) -> None:
        self._follow, self._experiments, self._now = follow, experiments, now
        self._next = 0.0

    async def watch(self, namespaces: Sequence[str]) -> None:
        """Follow the finished experiments of these namespaces (none: of all), for ever."""
        await asyncio.gather(*(self._watch(namespace) for namespace in namespaces or (None,)))

    async def _watch(self, namespace: str | None) -> None:
        while True:
            try:
                async for meta in self._follow(EXPERIMENT, namespace, FINISHED_LABEL):
                    self._heard(meta)
            except KubeError as problem:
                log.info("cannot follow finished experiments: %s", problem)
            await asyncio.sleep(RETRY_SECONDS)

    def _heard(self, meta: Object) -> None:
        if meta.get("generation", 1) == 1:  # as it was created: nobody has edited it
            return
        now = self._now()
        self._next = max(now, self._next + PACE_SECONDS)
        self._experiments.add_after(ObjectKey(meta["namespace"], meta["name"]), self._next - now)
