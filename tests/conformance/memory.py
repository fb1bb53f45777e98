"""The API in memory, driven by the conformance cases."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

from autotuner.kube import KubeError
from autotuner.kubernetes_object import Object, Resource
from autotuner.memory_api.answers import InvalidError
from autotuner.memory_api.api import MemoryApi
from tests.conformance.server import Events, Listed, RefusedError, Told

_P = ParamSpec("_P")
_T = TypeVar("_T")


class MemoryServer:
    """Implements `Server`."""

    def __init__(self, namespace: str = "team") -> None:
        self.namespace = namespace
        self.kube = MemoryApi(lambda: datetime.now(UTC))
        self._store = self.kube.store

    async def get(self, resource: Resource, name: str) -> Object:
        return _answer(self._store.get, resource, self._place(resource), name)

    async def list(
        self, resource: Resource, *, labels: str = "", fields: str = "", limit: int = 0, more: str = ""
    ) -> Listed:
        page = _answer(
            self._store.list_page,
            resource,
            self._place(resource),
            labels=labels,
            fields=fields,
            limit=limit,
            more=more,
        )
        return Listed(page.items, page.version, page.more, page.remaining)

    async def create(
        self, resource: Resource, body: Object, *, strict: bool = True, dry_run: bool = False, namespace: str = ""
    ) -> Object:
        place = namespace or self._place(resource)
        return _answer(self._store.create, resource, place, body, strict=strict, dry_run=dry_run, manager="editor")

    async def replace(
        self, resource: Resource, body: Object, *, subresource: str = "", strict: bool = False, manager: str = "editor"
    ) -> Object:
        body = self._placed(resource, body)
        return _answer(self._store.replace, resource, body, subresource=subresource, strict=strict, manager=manager)

    async def merge(
        self, resource: Resource, name: str, patch: Object, *, subresource: str = "", manager: str = "editor"
    ) -> Object:
        place = self._place(resource)
        return _answer(self._store.merge, resource, place, name, patch, subresource=subresource, manager=manager)

    async def apply(
        self,
        resource: Resource,
        body: Object,
        *,
        subresource: str = "",
        manager: str = "autotuner",
        force: bool = True,
    ) -> Object:
        body = self._placed(resource, body)
        return _answer(self._store.apply, resource, body, subresource=subresource, manager=manager, force=force)

    async def delete(
        self,
        resource: Resource,
        name: str,
        *,
        propagation: str = "",
        uid: str = "",
        version: str = "",
        grace_seconds: int | None = None,
    ) -> None:
        _answer(
            self._store.delete,
            resource,
            self._place(resource),
            name,
            propagation=propagation,
            uid=uid,
            version=version,
            grace_seconds=grace_seconds,
        )

    async def watched(
        self, resource: Resource, version: str, count: int, *, labels: str = "", initial: bool = False
    ) -> Events:
        watch = _answer(self._store.watch, resource, self._place(resource), version, labels=labels, initial=initial)
        return [Told(*event) for event in watch.poll()][:count]

    async def last_words(self, resource: Resource, version: str) -> Told:
        async for event in self.kube.watch(resource, self._place(resource), version, seconds=0.01):
            last = event
        return Told(*last)

    def forget(self) -> str:
        self._store.compact()
        return "1"

    async def settled(self, condition: Callable[[], Awaitable[bool]]) -> None:
        self.kube.collect_garbage()
        assert await condition()

    def _place(self, resource: Resource) -> str | None:
        return self.namespace if resource.namespaced else None

    def _placed(self, resource: Resource, body: Object) -> Object:
        return {**body, "metadata": {"namespace": self._place(resource), **body["metadata"]}}


def _answer(request: Callable[_P, _T], *arguments: _P.args, **options: _P.kwargs) -> _T:
    try:
        return request(*arguments, **options)
    except InvalidError as problem:
        causes = tuple(sorted((cause.reason, cause.field) for cause in problem.causes))
        raise RefusedError(problem.status, problem.reason, causes, problem.message) from problem
    except KubeError as problem:
        raise RefusedError(problem.status, problem.reason, message=problem.message) from problem
