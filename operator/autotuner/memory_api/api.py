"""The API of this process as controllers use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime

from autotuner import clock as clocks
from autotuner.kube import POD, ConflictError, RejectedError, WatchEvent
from autotuner.kubernetes_object import Object, Resource
from autotuner.log_excerpt import LogExcerpt
from autotuner.memory_api import garbage
from autotuner.memory_api.history import Change
from autotuner.memory_api.store import Store


class MemoryApi:
    """An API server within this process; implements `kube.Kube`.

    Args:
        clock: the time for timestamps.
        store: what it keeps; a new one by default.
    """

    def __init__(self, clock: Callable[[], datetime] = clocks.now, store: Store | None = None) -> None:
        self.store = store if store is not None else Store(clock)
        self._logs: dict[tuple[str, str], dict[tuple[str, bool], str]] = {}
        self._written = asyncio.Event()
        self.store.listen(self._noticed)

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object | None:
        """See `Kube`."""
        return self.store.find(resource, namespace, name)

    async def list_metadata(self, resource: Resource, namespace: str | None, labels: str = "") -> list[Object]:
        """See `Kube`."""
        return self.store.list_metadata(resource, namespace, labels)

    async def list(self, resource: Resource, namespace: str | None, **selectors: str) -> list[Object]:
        """See `Kube`."""
        return self.store.list(resource, namespace, **selectors)

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """See `Kube`."""
        return self.store.create(resource, namespace, body)

    async def dry_run(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """See `Kube`."""
        return self.store.create(resource, namespace, body, dry_run=True)

    async def apply_status(self, resource: Resource, seen: Object, status: Object) -> Object:
        """See `Kube`."""
        meta = {key: seen["metadata"][key] for key in ("name", "namespace", "resourceVersion")}
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, "status": status}
        return self.store.apply(resource, body, subresource="status")

    async def apply(self, resource: Resource, body: Object) -> Object:
        """See `Kube`."""
        return self.store.apply(resource, body)

    async def merge(self, resource: Resource, namespace: str, name: str, body: Object) -> Object:
        """See `Kube`."""
        return self.store.merge(resource, namespace, name, body)

    async def replace(self, resource: Resource, body: Object) -> Object:
        """See `Kube`."""
        return self.store.replace(resource, body)

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """See `Kube`."""
        try:
            self.store.delete(resource, namespace, name, propagation="Foreground", uid=uid)
        except (RejectedError, ConflictError) as problem:
            if problem.status not in (404, 409):
                raise

    async def logs(self, namespace: str, pod: str, container: str, *, previous: bool) -> str:
        """See `Kube`; what `set_log` gave."""
        excerpt = LogExcerpt()
        excerpt.add(self._logs.get((namespace, pod), {}).get((container, previous), "").encode())
        return excerpt.text()

    def set_log(self, namespace: str, pod: str, container: str, text: str, *, previous: bool = False) -> None:
        """Say what a container of a pod has printed, this one or the one before its restart; it goes with the pod."""
        self._logs.setdefault((namespace, pod), {})[container, previous] = text

    def collect_garbage(self) -> int:
        """Do what the garbage collector would do now; returns how many objects it wrote or deleted."""
        return garbage.collect(self.store)

    async def obstacle(self, resources: Iterable[Resource], namespaces: Sequence[str]) -> None:  # noqa: ARG002
        """See `Kube`; every kind is served."""
        return

    async def watch(
        self, resource: Resource, namespace: str | None, version: str = "", *, labels: str = "", seconds: float = 600
    ) -> AsyncIterator[WatchEvent]:
        """What happens to the objects that match, until the seconds are over; a bookmark comes last.

        Raises:
            KubeError: 410, what happened since the version is forgotten.
        """
        watch, end = self.store.watch(resource, namespace, version, labels=labels), asyncio.timeout(seconds)
        try:
            async with end:
                while True:
                    for event in watch.poll():
                        yield event
                    await self._written.wait()
        except TimeoutError:
            yield watch.bookmark()

    def _noticed(self, resource: Resource, change: Change) -> None:
        if resource == POD and change.new is None:
            self._logs.pop(change.key, None)
        written, self._written = self._written, asyncio.Event()
        written.set()
