"""A watch: what happened since a version, one after the other."""

from __future__ import annotations

from collections.abc import Callable

from autotuner.kube import KubeError, WatchEvent
from autotuner.kubernetes_object import Object
from autotuner.memory_api.history import bookmark, told
from autotuner.memory_api.json_values import copied
from autotuner.memory_api.table import Table

INITIAL_END = "k8s.io/initial-events-end"


class Watch:
    """A watch that is asked for what is new.

    Args:
        table: the objects of the kind.
        now: the version of the last write of all.
        wanted: whether an object is meant.
        version: after which changes are told; empty or 0: what there is comes first, as added.
        initial: with what there is first, and then a bookmark that says that this was all.

    Raises:
        KubeError: 410, what happened since is forgotten; 500, the version is no number.
    """

    def __init__(
        self,
        table: Table,
        now: Callable[[], int],
        wanted: Callable[[Object], bool],
        version: str = "",
        *,
        initial: bool = False,
    ) -> None:
        self._table, self._now, self._wanted = table, now, wanted
        self._first: list[WatchEvent] = []
        if initial or version in ("", "0"):
            self._version = now()
            self._first = [WatchEvent("ADDED", record.copy()) for record in table.records() if wanted(record.body)]
            if initial:
                self._first.append(self._bookmark({INITIAL_END: "true"}))
            return
        if not version.isdecimal():
            raise KubeError(500, "", f'resourceVersion: Invalid value: "{version}": a number is wanted')
        self._version = int(version)
        table.history.since(self._version)

    def poll(self) -> list[WatchEvent]:
        """What happened since the last time, in order.

        Raises:
            KubeError: 410, it was asked for too late and something of it is forgotten.
        """
        first, self._first = self._first, []
        changes = self._table.history.since(self._version)
        self._version = max(self._version, self._now())
        events = [event for change in changes for event in told(change, self._wanted)]
        return [*first, *(WatchEvent(kind, copied(body)) for kind, body in events)]

    def bookmark(self) -> WatchEvent:
        """Tells up to which version everything was told."""
        return self._bookmark({})

    def _bookmark(self, annotations: Object) -> WatchEvent:
        resource = self._table.resource
        return bookmark(resource.api_version, resource.kind, self._version, annotations)
