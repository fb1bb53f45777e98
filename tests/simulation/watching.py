"""How the operator hears of changes: each kind is watched, and news is late, doubled, out of order, or lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from autotuner.api.common import EXPERIMENT_UID_LABEL, FINISHED_LABEL
from autotuner.kube import EXPERIMENT, JOB, POD
from autotuner.kubernetes_object import Object, Resource
from autotuner.serving.ome.resource_kinds import INFERENCE_SERVICE
from tests.simulation.cluster import Cluster

Wake = Callable[[Mapping[str, Any], bool], None]


def _selected(resource: Resource, body: Object) -> bool:
    """Whether a watch of this kind tells of the object, as `main` sets its selectors."""
    labels = body["metadata"].get("labels") or {}
    if resource == EXPERIMENT:
        return FINISHED_LABEL not in labels
    return resource not in (INFERENCE_SERVICE, JOB, POD) or EXPERIMENT_UID_LABEL in labels


class Watches:
    """The watches of one operator; they end with it."""

    def __init__(self, cluster: Cluster, wakes: Mapping[Resource, Wake]) -> None:
        self._cluster, self._wakes = cluster, wakes
        self._told: set[str] = set()  # what the API server counts as selected
        self._broken_until: dict[Resource, float] = {}
        self.closed = False
        for resource in wakes:
            cluster.on(resource, self._hearing(resource))
            self._list(resource)

    def _hearing(self, resource: Resource) -> Callable[[str, Object], None]:
        return lambda kind, body: self._changed(resource, kind, body)

    def _list(self, resource: Resource) -> None:
        """All there is, as at the start of each watch; of what went meanwhile nobody is told."""
        for body in self._cluster.objects(resource):
            if _selected(resource, body):
                self._told.add(body["metadata"]["uid"])
                self._deliver(resource, body, gone=False)

    def _changed(self, resource: Resource, kind: str, body: Object) -> None:
        if self.closed:
            return
        uid, there = body["metadata"]["uid"], kind != "DELETED" and _selected(resource, body)
        known = uid in self._told
        if not there and not known:
            return
        (self._told.add if there else self._told.discard)(uid)
        self._deliver(resource, body, gone=not there)

    def _deliver(self, resource: Resource, body: Object, *, gone: bool) -> None:
        cluster, happened = self._cluster, self._cluster.book.happened
        if cluster.time() < self._broken_until.get(resource, 0.0):
            return
        if cluster.chance("event lost"):
            happened["event lost"] += 1
            return
        seconds = cluster.dice.uniform(0.002, 0.03)
        if cluster.chance("event late"):
            happened["event late"] += 1
            seconds += cluster.dice.choice([0.2, 2.0, 20.0])
        for _ in range(2 if cluster.chance("event twice") else 1):
            cluster.after(seconds, self._wake, resource, body, gone)
            seconds += cluster.dice.uniform(0.0, 1.0)

    def _wake(self, resource: Resource, body: Object, gone: bool) -> None:
        if not self.closed:
            self._wakes[resource](body, gone)

    def interrupt(self, resource: Resource, seconds: float) -> None:
        """A watch breaks off; when it is back it begins with a list."""
        if not self.closed:
            self._cluster.tell("network", f"the watch of {resource.plural} is broken for {seconds:.0f} s")
            self._broken_until[resource] = self._cluster.time() + seconds
            self._cluster.after(seconds, self._restored, resource)

    def _restored(self, resource: Resource) -> None:
        if not self.closed:
            self._list(resource)
