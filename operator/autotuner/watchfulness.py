"""Do the watches tell everything? What they delivered is compared, now and then, with what the API server lists.

A watch that has gone deaf looks like a cluster in which nothing happens; a list tells the two apart. What was missed is
looked at all the same, and a process that stays deaf is not alive: its liveness probe has it restarted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotuner.api.common import FINISHED_LABEL
from autotuner.controllers.workqueue import Key, WorkQueue
from autotuner.kube import EXPERIMENT, TASK, Kube, KubeError

log = logging.getLogger(__name__)

Object = dict[str, Any]
DEAF_SECONDS = 60.0
# What is watched: all tasks, and experiments until they are finished.
SELECTORS = {TASK: "", EXPERIMENT: f"!{FINISHED_LABEL}"}


@dataclass(frozen=True)
class _Version:
    version: str
    since: float


class Watchfulness:
    """What the watches delivered and what they missed, by uid."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._seen: dict[str, _Version] = {}
        self._missed: dict[str, _Version] = {}

    def saw(self, meta: Mapping[str, Any], *, gone: bool = False) -> None:
        """A watch delivered this object."""
        if gone:
            self._seen.pop(meta["uid"], None)
        else:
            self._seen[meta["uid"]] = _Version(meta["resourceVersion"], self._now())

    def compare(self, listed: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Take note of what the API server has; returns what no watch has delivered (yet)."""
        now, missed, found = self._now(), [], {}
        for meta in listed:
            found[meta["uid"]] = meta["resourceVersion"]
            seen = self._seen.get(meta["uid"])
            if seen is None or seen.version != meta["resourceVersion"]:
                missed.append(meta)
        self._missed = {meta["uid"]: self._first_missed(meta, now) for meta in missed}
        # What was deleted while a watch was interrupted is never told of.
        self._seen = {uid: seen for uid, seen in self._seen.items() if uid in found or now - seen.since < DEAF_SECONDS}
        return missed

    def deaf(self) -> str:
        """Why the watches cannot be relied on; empty if they can, as far as is known."""
        since = min((missed.since for missed in self._missed.values()), default=self._now())
        seconds = self._now() - since
        if seconds < DEAF_SECONDS:
            return ""
        return f"the watches have missed {len(self._missed)} objects, for {seconds:.0f} s"

    def _first_missed(self, meta: Mapping[str, Any], now: float) -> _Version:
        before = self._missed.get(meta["uid"])
        same = before is not None and before.version == meta["resourceVersion"]
        return before if before and same else _Version(meta["resourceVersion"], now)


async def look_around(
    kube: Kube, watchfulness: Watchfulness, queues: Mapping[str, WorkQueue], namespaces: Sequence[str], period: float
) -> None:
    """Compare every `period` seconds and add what was missed to its queue (by plural).

    An API server that is away is not the watches' failure.
    """
    while True:
        await asyncio.sleep(period)
        try:
            for key, queue in await _missed(kube, watchfulness, queues, namespaces):
                queue.add(key)
        except KubeError as problem:
            log.info("cannot compare the watches with the API server: %s", problem)


async def _missed(
    kube: Kube, watchfulness: Watchfulness, queues: Mapping[str, WorkQueue], namespaces: Sequence[str]
) -> list[tuple[Key, WorkQueue]]:
    listed: list[Object] = []
    for resource, labels in SELECTORS.items():
        for namespace in namespaces or (None,):
            found = await kube.list_metadata(resource, namespace, labels)
            listed += [{**meta, "plural": resource.plural} for meta in found]
    return [(Key(meta["namespace"], meta["name"]), queues[meta["plural"]]) for meta in watchfulness.compare(listed)]
