"""A check that the watches tell everything: what they delivered is compared, now and then, with the API server's lists.

A watch that has gone deaf looks like a cluster in which nothing happens; a list tells the two apart. What was missed is
looked at all the same, and a process that stays deaf is not alive: its liveness probe has it restarted.

So objects of which nothing is heard need not be read one by one: five lists of metadata answer for hundreds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from autotuner.api.common import EXPERIMENT_UID_LABEL, FINISHED_LABEL
from autotuner.controllers import monotonic_clock
from autotuner.kube import EXPERIMENT, JOB, POD, TASK, Kube, KubeError
from autotuner.kubernetes_object import Object, Resource
from autotuner.serving.backend import Backends

log = logging.getLogger(__name__)

DEAF_SECONDS = 60.0
# Of metadata, what says whom the object concerns.
_KEPT = ("namespace", "name", "labels", "ownerReferences")
# Metadata of all that is watched, by kind.
Listed = Mapping[Resource, Sequence[Object]]
# Has whoever is concerned by an object of that kind, of which this is the metadata, look at it.
Wake = Callable[[Resource, Mapping[str, Any]], None]


def selectors(backends: Backends) -> dict[Resource, str]:
    """What is watched, as label selectors: what experiments made, all tasks, and experiments until they are finished.

    Experiments come last: who lists in this order finds the experiment of whatever it found before.
    """
    made = {**backends.roots, **dict.fromkeys((JOB, POD), EXPERIMENT_UID_LABEL)}
    return {**made, TASK: "", EXPERIMENT: f"!{FINISHED_LABEL}"}


@dataclass(frozen=True)
class _Delivery:
    resource: Resource
    meta: Object  # whose it is, and no more
    version: str
    at: float


class Watchfulness:
    """What the watches delivered and since when they miss something, by uid."""

    def __init__(self, now: Callable[[], float] = monotonic_clock.seconds) -> None:
        self.now = now
        self._delivered: dict[str, _Delivery] = {}
        self._missed: dict[str, float] = {}
        self._compared = now()

    def saw(self, resource: Resource, meta: Mapping[str, Any], *, gone: bool = False) -> None:
        """Note that a watch delivered the object of that kind with this metadata."""
        if gone:
            self._delivered.pop(meta["uid"], None)
        else:
            kept = {key: meta[key] for key in _KEPT if key in meta}
            self._delivered[meta["uid"]] = _Delivery(resource, kept, meta["resourceVersion"], self.now())

    def compare(self, listed: Mapping[str, str]) -> set[str]:
        """Take note of what the API server has (uid -> resourceVersion); returns what no watch has delivered (yet)."""
        self._compared = self.now()
        self._missed = {uid: self._since(uid) for uid, version in listed.items() if not self._has(uid, version)}
        return set(self._missed)

    def vanished(self, listed: Set[str], begun: float) -> list[tuple[Resource, Object]]:
        """Forget what is gone although no watch told of it, as happens to what is deleted while one is interrupted.

        Args:
            listed: the uids of what the API server has.
            begun: when the list was asked for: what was delivered since may be younger.

        Returns:
            Its kinds and metadata.
        """
        gone = [uid for uid, one in self._delivered.items() if uid not in listed and one.at < begun]
        return [(one.resource, one.meta) for one in map(self._delivered.pop, gone)]

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


async def listed(kube: Kube, backends: Backends, namespaces: Sequence[str]) -> Listed:
    """The metadata of all that the watches should have delivered.

    Raises:
        KubeError: the API server does not answer.
    """
    return {
        resource: [
            meta
            for namespace in namespaces or (None,)
            for meta in await kube.list_metadata(resource, namespace, labels)
        ]
        for resource, labels in selectors(backends).items()
    }


async def look_around(
    look: Callable[[], Awaitable[Listed]],
    watchfulness: Watchfulness,
    wake: Wake,
    answered: Callable[[Listed, float], Awaitable[None]],
    period: float,
) -> None:
    """Look now; then look and compare every `period` seconds, for ever.

    An API server that is away is not the watches' failure.

    Args:
        look: lists what there is.
        watchfulness: what the watches delivered.
        wake: called for what they missed.
        answered: called with what there is, and when it was asked for.
        period: seconds between two looks.
    """
    first = True
    while True:
        begun = watchfulness.now()
        try:
            found = await look()
            if not first:
                compare(found, begun, watchfulness, wake)
            await answered(found, begun)
        except KubeError as problem:
            watchfulness.interrupted()
            log.info("cannot compare the watches with the API server: %s", problem)
        first = False
        await asyncio.sleep(period)


def compare(found: Listed, begun: float, watchfulness: Watchfulness, wake: Wake) -> None:
    """Wake whoever is concerned by what no watch has told: changes, and deletions before `begun`."""
    versions = {meta["uid"]: meta["resourceVersion"] for metas in found.values() for meta in metas}
    missed = watchfulness.compare(versions)
    for resource, metas in found.items():
        for meta in metas:
            if meta["uid"] in missed:
                wake(resource, meta)
    for resource, meta in watchfulness.vanished(versions.keys(), begun):
        wake(resource, meta)
