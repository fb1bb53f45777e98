"""A check that the watches tell everything: what they delivered is compared, now and then, with the API server's lists.

A watch that has gone deaf looks like a cluster in which nothing happens; a list tells the two apart. What was missed is
looked at all the same, and a process that stays deaf is not alive: its liveness probe has it restarted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotuner.api.common import FINISHED_LABEL
from autotuner.controllers import monotonic_clock
from autotuner.controllers.turn_keeper import TurnKeeper
from autotuner.controllers.workqueue import ObjectKey, WorkQueue
from autotuner.kube import EXPERIMENT, TASK, Kube, KubeError
from autotuner.kubernetes_object import Object

log = logging.getLogger(__name__)

DEAF_SECONDS = 60.0
# What is watched: all tasks, and experiments until they are finished.
SELECTORS = {TASK: "", EXPERIMENT: f"!{FINISHED_LABEL}"}


@dataclass(frozen=True)
class _Delivery:
    version: str
    at: float


class Watchfulness:
    """What the watches delivered and since when they miss something, by uid."""

    def __init__(self, now: Callable[[], float] = monotonic_clock.seconds) -> None:
        self._now = now
        self._delivered: dict[str, _Delivery] = {}
        self._missed: dict[str, float] = {}
        self._compared = now()

    def saw(self, meta: Mapping[str, Any], *, gone: bool = False) -> None:
        """Note that a watch delivered the object with this metadata."""
        if gone:
            self._delivered.pop(meta["uid"], None)
        else:
            self._delivered[meta["uid"]] = _Delivery(meta["resourceVersion"], self._now())

    def compare(self, listed: Mapping[str, str]) -> set[str]:
        """Take note of what the API server has (uid -> resourceVersion); returns what no watch has delivered (yet)."""
        self._compared = self._now()
        self._missed = {uid: self._since(uid) for uid, version in listed.items() if not self._has(uid, version)}
        # What is deleted while a watch is interrupted is never told of.
        fresh = self._compared - DEAF_SECONDS
        self._delivered = {uid: it for uid, it in self._delivered.items() if uid in listed or it.at > fresh}
        return set(self._missed)

    def interrupted(self) -> None:
        """Forget what was missed until now, since there was nothing to compare with: it may be on its way."""
        self._missed = {}

    def deaf(self) -> str:
        """Why the watches cannot be relied on; empty if they can, as far as is known."""
        seconds = max((self._compared - since for since in self._missed.values()), default=0.0)
        if seconds < DEAF_SECONDS:
            return ""
        return f"the watches have missed changes of {len(self._missed)} objects, for {seconds:.0f} s"

    def _has(self, uid: str, version: str) -> bool:
        return uid in self._delivered and self._delivered[uid].version == version

    def _since(self, uid: str) -> float:
        """Since when changes of the object are missed; what has been delivered meanwhile shows a watch that works."""
        before = self._missed.get(uid, self._compared)
        return self._compared if uid in self._delivered and self._delivered[uid].at > before else before


async def look_around(
    kube: Kube,
    watchfulness: Watchfulness,
    queues: Mapping[str, WorkQueue],
    namespaces: Sequence[str],
    period: float,
    turns: TurnKeeper,
) -> None:
    """Compare every `period` seconds, add what was missed to its queue (by plural), and have turns of the gone free.

    An API server that is away is not the watches' failure.
    """
    while True:
        await asyncio.sleep(period)
        began = turns.now()
        try:
            listed = await _list(kube, namespaces)
        except KubeError as problem:
            watchfulness.interrupted()
            log.info("cannot compare the watches with the API server: %s", problem)
            continue
        versions = {uid: meta["resourceVersion"] for uid, (_, meta) in listed.items()}
        unfinished = (meta for plural, meta in listed.values() if plural == EXPERIMENT.plural)
        turns.prune({ObjectKey(meta["namespace"], meta["name"]) for meta in unfinished}, began)
        missed = watchfulness.compare(versions)
        for plural, meta in (listed[uid] for uid in listed if uid in missed):
            queues[plural].add(ObjectKey(meta["namespace"], meta["name"]))


async def _list(kube: Kube, namespaces: Sequence[str]) -> dict[str, tuple[str, Object]]:
    """Plural and metadata of what the watches should have delivered, by uid."""
    return {
        meta["uid"]: (resource.plural, meta)
        for resource, labels in SELECTORS.items()
        for namespace in namespaces or (None,)
        for meta in await kube.list_metadata(resource, namespace, labels)
    }
