"""The connection of an operator to the API server: requests take time, get lost, are refused, crash their sender."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

from autotuner.kube import EVENT, Kube, KubeError, Obstacle, RejectedError
from autotuner.kubernetes_object import Object, Resource
from autotuner.serving.ome.resource_kinds import INFERENCE_SERVICE
from tests.simulation.cluster import Cluster

T = TypeVar("T")
_WEBHOOK = 'failed calling webhook "x.kb.io": connect: connection refused'
_QUOTA = '{} "x" is forbidden: exceeded quota: team, requested: 1, used: 4, limited: 4'


@dataclass
class Reconcile:
    """One reconcile under way: what it has written so far."""

    writes: list[str] = field(default_factory=list)


CURRENT: ContextVar[Reconcile | None] = ContextVar("reconcile", default=None)


class Outages:
    """What of the API server is out of order now; others set it."""

    def __init__(self) -> None:
        self.away_until = 0.0
        self.quota_until = 0.0


class Connection:
    """An operator's `Kube`. Once its operator has crashed nothing comes back any more, and little gets through."""

    def __init__(self, kube: Kube, cluster: Cluster, outages: Outages, crash: Callable[[str], None]) -> None:
        self._kube, self._cluster, self._outages, self._crash = kube, cluster, outages, crash
        self.dead = False

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object | None:
        return await self._read(lambda: self._kube.get(resource, namespace, name))

    async def list_metadata(self, resource: Resource, namespace: str | None, labels: str = "") -> list[Object]:
        return await self._read(lambda: self._kube.list_metadata(resource, namespace, labels))

    async def list(self, resource: Resource, namespace: str | None, **selectors: str) -> list[Object]:
        return await self._read(lambda: self._kube.list(resource, namespace, **selectors))

    async def dry_run(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        return await self._read(lambda: self._kube.dry_run(resource, namespace, body))

    async def logs(self, namespace: str, pod: str, container: str, *, previous: bool) -> str:
        async def answer() -> str:
            return self._cluster.logs.get(pod, "")

        return await self._read(answer)

    async def obstacle(self, resources: Iterable[Resource], namespaces: Sequence[str]) -> Obstacle | None:
        return await self._read(lambda: self._kube.obstacle(resources, namespaces))

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        name = body["metadata"].get("name", "")
        if resource is EVENT:  # news for people: the operator reads only those of others, and none is kept
            self._cluster.tell("operator", f"event {body['reason']} about {body['involvedObject']['name']}")
            await self._pause()
            return body
        if resource is INFERENCE_SERVICE and self._cluster.time() < self._outages.quota_until:
            await self._pause()
            raise RejectedError(403, "Forbidden", _QUOTA.format(resource.plural))
        return await self._write("create", resource, name, lambda: self._kube.create(resource, namespace, body))

    async def apply_status(self, resource: Resource, seen: Object, status: Object) -> Object:
        name = seen["metadata"]["name"]
        return await self._write("status", resource, name, lambda: self._kube.apply_status(resource, seen, status))

    async def apply(self, resource: Resource, body: Object) -> Object:
        return await self._write("apply", resource, body["metadata"]["name"], lambda: self._kube.apply(resource, body))

    async def merge(self, resource: Resource, namespace: str, name: str, body: Object) -> Object:
        return await self._write("merge", resource, name, lambda: self._kube.merge(resource, namespace, name, body))

    async def replace(self, resource: Resource, body: Object) -> Object:
        return await self._write(
            "replace", resource, body["metadata"]["name"], lambda: self._kube.replace(resource, body)
        )

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        self._cluster.before_release(resource, name)
        await self._write("delete", resource, name, lambda: self._kube.delete(resource, namespace, name, uid))

    async def _pause(self) -> None:
        await asyncio.sleep(self._cluster.dice.uniform(0.001, 0.02))
        await self._alive()

    async def _alive(self) -> None:
        if self.dead:  # nobody waits for the answer any more
            await asyncio.get_running_loop().create_future()

    def _reach(self) -> None:
        """Let the request get through, or not.

        Raises:
            KubeError: it does not.
        """
        if self._cluster.time() < self._outages.away_until:
            raise KubeError(0, "Unreachable", "connect: connection refused")
        if self._cluster.chance("request not sent"):
            self._cluster.book.happened["request not sent"] += 1
            raise KubeError(0, "Unreachable", "connection reset by peer")

    def _answer(self) -> None:
        """Let the answer come back, or not.

        Raises:
            KubeError: it does not.
        """
        if self._cluster.chance("answer lost"):
            self._cluster.book.happened["answer lost"] += 1
            raise KubeError(0, "Unreachable", "the answer did not come in time")

    async def _read(self, ask: Callable[[], Awaitable[T]]) -> T:
        await self._pause()
        self._reach()
        found = await ask()
        self._answer()
        return found

    async def _write(self, verb: str, resource: Resource, name: str, ask: Callable[[], Awaitable[T]]) -> T:
        cluster, what = self._cluster, f"{verb} {resource.kind} {name}"
        await self._pause()
        self._reach()
        if cluster.chance("crash before a write"):
            cluster.book.happened["crash before a write"] += 1
            if cluster.dice.random() < 0.3:  # on the wire already: it arrives when its sender is dead
                cluster.after(cluster.dice.uniform(0.1, 8), self._arrive_late, what, ask)
            self._crash(f"before {what}")
            await self._alive()
        if cluster.chance("webhook down"):
            cluster.book.happened["webhook down"] += 1
            raise KubeError(500, "InternalError", _WEBHOOK)
        if verb == "status" and cluster.chance("written by others"):
            cluster.book.happened["written by others"] += 1
            cluster.touch(resource, name)
        try:
            done = await ask()
        except KubeError as problem:
            cluster.tell("operator", f"{what}: {problem}")
            if isinstance(problem, RejectedError) and problem.status in (400, 422):
                cluster.refused(f"{what}: {problem}")
            raise
        cluster.tell("operator", what)
        if (current := CURRENT.get()) is not None:
            current.writes.append(what)
        if cluster.chance("crash after a write"):
            cluster.book.happened["crash after a write"] += 1
            self._crash(f"after {what}")
            await self._alive()
        self._answer()
        await self._pause()
        return done

    def _arrive_late(self, what: str, ask: Callable[[], Awaitable[object]]) -> None:
        async def arrive() -> None:
            try:
                await ask()
                self._cluster.book.happened["arrived late"] += 1
                self._cluster.tell("network", f"{what} arrives late")
            except KubeError as problem:
                self._cluster.tell("network", f"{what} arrives late: {problem}")

        self._cluster.start(arrive())
