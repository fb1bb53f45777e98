"""A watch: what happened since a version, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from autotuner.kube import KubeError
from autotuner.kubernetes_object import Object, Resource
from autotuner.memory_api import answers, selectors
from autotuner.memory_api.history import WatchEvent, bookmark, told
from autotuner.memory_api.json_values import copied

if TYPE_CHECKING:
    from autotuner.memory_api.store import Store

INITIAL_END = "k8s.io/initial-events-end"


class Watch:
    """A watch that is asked for what is new; see `Store.watch`."""

    def __init__(
        self,
        store: Store,
        resource: Resource,
        namespace: str,
        version: str,
        wanted: Callable[[Object], bool],
        initial: bool,
    ) -> None:
        self._store, self._resource, self._namespace, self._wanted = store, resource, namespace, wanted
        self._first: list[WatchEvent] = []
        if initial or version in ("", "0"):
            self._version = store.version
            self._first = self._present()
            if initial:
                self._first.append(self._bookmark({INITIAL_END: "true"}))
            return
        if not version.isdecimal():
            raise answers.bad_request(f"Invalid value: {version!r}: a resourceVersion is wanted")
        self._version = int(version)
        if self._version > store.version:
            raise KubeError(504, "Timeout", f"Too large resource version: {version}, current: {store.version}")
        store.table(resource).history.since(self._version)

    def poll(self) -> list[WatchEvent]:
        """What happened since the last time, in order.

        Raises:
            KubeError: 410, it was asked for too late and something of it is forgotten.
        """
        first, self._first = self._first, []
        changes = self._store.table(self._resource).history.since(self._version)
        self._version = self._store.version
        events = [
            event
            for change in changes
            if not self._namespace or change.key[0] == self._namespace
            for event in told(change, self._wanted)
        ]
        return [*first, *(WatchEvent(kind, copied(body)) for kind, body in events)]

    def bookmark(self) -> WatchEvent:
        """Tells up to which version everything was told."""
        return self._bookmark()

    def _present(self) -> list[WatchEvent]:
        found = self._store.table(self._resource).selected(self._namespace, selectors.label_selector(""))
        return [WatchEvent("ADDED", record.copy()) for record in found if self._wanted(record.body)]

    def _bookmark(self, annotations: Object | None = None) -> WatchEvent:
        return bookmark(self._resource.api_version, self._resource.kind, self._version, annotations)
