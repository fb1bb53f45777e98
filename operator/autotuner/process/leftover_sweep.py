"""A look, at the start and now and then, for what ended experiments left behind and for what only bears their labels.

A release that came to its end leaves nothing. This is for what nobody foresaw: an object that was restored, a copy.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from autotuner import metrics
from autotuner.controllers import events
from autotuner.kube import EXPERIMENT, JOB, POD, Kube
from autotuner.kubernetes_object import Object, Resource
from autotuner.policy.experiment import leftovers
from autotuner.process.silent_watches import Listed
from autotuner.serving.backend import Backends

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Labelled:
    """An object that bears an experiment's label: its kind and metadata."""

    resource: Resource
    meta: Object

    @property
    def uid(self) -> str:
        return str(self.meta["uid"])


class Sweep:
    """Deletes what ended experiments still own, and tells of what only bears their labels."""

    def __init__(self, kube: Kube, backends: Backends) -> None:
        self._kube = kube
        self._backends = backends
        self._doubtful: set[str] = set()
        self._told: set[str] = set()

    async def once(self, listed: Listed) -> None:
        """Sweep.

        Args:
            listed: metadata of what bears an experiment's label, and of the experiments that are not over, read in
                this order: so the experiment of each object was there.

        Raises:
            KubeError: the API server does not answer.
        """
        kinds = dict.fromkeys((*self._backends.roots, JOB, POD))
        found = [_Labelled(resource, meta) for resource in kinds for meta in listed.get(resource, ())]
        live = {meta["uid"] for meta in listed[EXPERIMENT]}
        foreign, doubtful = [], set()
        for item in found:
            match await self._judge(item, live):
                case "leftover":
                    await self._delete(item)
                case "foreign":
                    foreign.append(item)
                case "doubtful":
                    doubtful.add(item.uid)
                    if item.uid in self._doubtful:
                        foreign.append(item)
        self._doubtful = doubtful
        metrics.set_foreign_objects(Counter((item.meta["namespace"], item.resource.kind) for item in foreign))
        await self._tell(foreign)

    async def _judge(self, item: _Labelled, live: set[str]) -> leftovers.Verdict:
        others = item.resource == POD and POD not in self._backends.roots
        name = leftovers.to_read(item.meta, made_by_others=others, live=live)
        known = await self._kube.get(EXPERIMENT, item.meta["namespace"], name) if name else None
        meta = known["metadata"] if known is not None else None
        return leftovers.judge(item.meta, made_by_others=others, live=live, known=meta)

    async def _delete(self, item: _Labelled) -> None:
        meta = item.meta
        log.warning("deleting %s, which an ended experiment still owns", item.resource.kind, extra=_context(item))
        await self._kube.delete(item.resource, meta["namespace"], meta["name"], meta["uid"])
        metrics.LEFTOVERS.labels(item.resource.kind).inc()

    async def _tell(self, foreign: Iterable[_Labelled]) -> None:
        for item in foreign:
            if item.uid in self._told:
                continue
            event = leftovers.event(item.resource.kind, item.meta)
            log.warning("%s: %s", event.reason, event.message, extra=_context(item))
            about = {"apiVersion": item.resource.api_version, "kind": item.resource.kind, "metadata": item.meta}
            if await events.send_once(self._kube, about, event):
                self._told.add(item.uid)


def _context(item: _Labelled) -> dict[str, str]:
    return {"namespace": item.meta["namespace"], "object": item.meta["name"]}
