"""Records by watches what exists in a namespace and for how long, so that a story can be judged as a whole."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple, Self

from autotuner.kubernetes_object import Object
from testbed.api import Api

_COLLECTIONS = {
    "TuningTask": "/apis/autotuner.io/v1alpha1/namespaces/{}/tuningtasks",
    "TuningExperiment": "/apis/autotuner.io/v1alpha1/namespaces/{}/tuningexperiments",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "Pod": "/api/v1/namespaces/{}/pods",
}


_OME = {"InferenceService": "/apis/ome.io/v1beta1/namespaces/{}/inferenceservices"}


class Sighting(NamedTuple):
    """One event of a watch."""

    event: str  # ADDED | MODIFIED | DELETED
    kind: str
    body: Object

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.body["metadata"]["name"])


class Recorder:
    """Everything that was seen, in order per kind. Use as an asynchronous context manager.

    Args:
        api: of the cluster.
        namespace: in which to look.
        on_sight: is told each event.
        serving: kinds of object that serve engines, with their paths.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        on_sight: Callable[[Sighting], None] | None = None,
        serving: Mapping[str, str] = _OME,
    ) -> None:
        self._api, self._namespace, self._on_sight = api, namespace, on_sight
        self._collections = {**_COLLECTIONS, **serving}
        self.seen: list[Sighting] = []
        self._watches: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._watches = [asyncio.create_task(self._watch(kind, path)) for kind, path in self._collections.items()]
        return self

    async def __aexit__(self, *_: object) -> None:
        for watch in self._watches:
            watch.cancel()
        for watch in self._watches:
            with contextlib.suppress(asyncio.CancelledError):
                await watch

    async def _watch(self, kind: str, path: str) -> None:
        async for event, body in self._api.watch(path.format(self._namespace)):
            sighting = Sighting(event, kind, body)
            self.seen.append(sighting)
            if self._on_sight:
                self._on_sight(sighting)

    def of(self, kind: str, name: str = "") -> list[Sighting]:
        """What was seen of one kind, or of one object."""
        return [item for item in self.seen if item.kind == kind and name in ("", item.name)]

    def uids(self, kind: str) -> dict[str, list[str]]:
        """The identities that each name of a kind has had, oldest first."""
        found: dict[str, list[str]] = defaultdict(list)
        for item in self.of(kind):
            uid = item.body["metadata"]["uid"]
            if uid not in found[item.name]:
                found[item.name].append(uid)
        return dict(found)

    def most_at_once(self, kind: str) -> int:
        """How many objects of a kind existed at the same time at most."""
        alive: set[str] = set()
        most = 0
        for item in self.of(kind):
            change = alive.discard if item.event == "DELETED" else alive.add
            change(item.body["metadata"]["uid"])
            most = max(most, len(alive))
        return most

    def phases(self, experiment: str) -> list[str]:
        """The phases that an experiment was seen in, one after the other."""
        found: list[str] = []
        for item in self.of("TuningExperiment", experiment):
            phase = item.body.get("status", {}).get("phase")
            if phase and found[-1:] != [phase]:
                found.append(phase)
        return found
