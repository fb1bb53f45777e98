"""A real API server, driven by the conformance cases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from autotuner.kube import Kube
from autotuner.kubernetes_object import Object, Resource
from testbed.api import APPLY, MERGE, Api, ApiError, Parameter
from tests.conformance.server import Events, Listed, RefusedError, Told

_T = TypeVar("_T")

_SETTLE_SECONDS = 30
_WATCH_SECONDS = 10


class ClusterServer:
    """Implements `Server`."""

    def __init__(self, api: Api, kube: Kube, namespace: str) -> None:
        self._api, self.kube, self.namespace = api, kube, namespace

    async def get(self, resource: Resource, name: str) -> Object:
        return await _answer(self._api.get(self._path(resource, name)))

    async def list(
        self, resource: Resource, *, labels: str = "", fields: str = "", limit: int = 0, more: str = ""
    ) -> Listed:
        options: dict[str, Parameter] = {"labelSelector": labels, "fieldSelector": fields}
        options |= {"limit": limit, "continue": more}
        found = await _answer(self._api.list(self._path(resource), **{key: it for key, it in options.items() if it}))
        meta = found["metadata"]
        left = meta.get("remainingItemCount")
        return Listed(found["items"], meta["resourceVersion"], meta.get("continue", ""), left)

    async def create(
        self, resource: Resource, body: Object, *, strict: bool = True, dry_run: bool = False, namespace: str = ""
    ) -> Object:
        options = {"fieldManager": "editor", **_validation(strict), **({"dryRun": "All"} if dry_run else {})}
        path = resource.path(namespace or self._place(resource))
        return await _answer(self._api.create(path, body, **options))

    async def replace(
        self, resource: Resource, body: Object, *, subresource: str = "", strict: bool = False, manager: str = "editor"
    ) -> Object:
        path = self._path(resource, body["metadata"]["name"], subresource)
        return await _answer(self._api.update(path, body, fieldManager=manager, **_validation(strict)))

    async def merge(
        self, resource: Resource, name: str, patch: Object, *, subresource: str = "", manager: str = "editor"
    ) -> Object:
        path = self._path(resource, name, subresource)
        return await _answer(self._api.patch(path, patch, MERGE, fieldManager=manager))

    async def apply(
        self,
        resource: Resource,
        body: Object,
        *,
        subresource: str = "",
        manager: str = "autotuner",
        force: bool = True,
    ) -> Object:
        path = self._path(resource, body["metadata"]["name"], subresource)
        return await _answer(self._api.patch(path, body, APPLY, fieldManager=manager, force=force))

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
        options: Object = {"propagationPolicy": propagation, "gracePeriodSeconds": grace_seconds}
        options["preconditions"] = {key: it for key, it in {"uid": uid, "resourceVersion": version}.items() if it}
        body = {key: value for key, value in options.items() if value not in ("", None, {})}
        await _answer(self._api.delete(self._path(resource, name), body))

    async def watched(
        self, resource: Resource, version: str, count: int, *, labels: str = "", initial: bool = False
    ) -> Events:
        options: dict[str, Any] = {"labelSelector": labels} if labels else {}
        if initial:
            options |= {"sendInitialEvents": True, "resourceVersionMatch": "NotOlderThan"}
        found: Events = []

        async def read() -> None:
            async for event in self._api.events(self._path(resource), version, **options):
                found.append(Told(*event))
                if len(found) == count:
                    return

        try:
            async with asyncio.timeout(_WATCH_SECONDS):
                await _answer(read())
        except TimeoutError:
            raise AssertionError(f"only {[event.type for event in found]}, not {count} events") from None
        return found

    async def last_words(self, resource: Resource, version: str) -> Told:
        last: Told | None = None
        async for event in self._api.events(self._path(resource), version, timeoutSeconds=4):
            last = Told(*event)
        assert last is not None
        return last

    def forget(self) -> str:
        return "1"

    async def settled(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(_SETTLE_SECONDS):
            while not await condition():
                await asyncio.sleep(0.1)

    def _place(self, resource: Resource) -> str | None:
        return self.namespace if resource.namespaced else None

    def _path(self, resource: Resource, name: str = "", subresource: str = "") -> str:
        return resource.path(self._place(resource), name, subresource)


def _validation(strict: bool) -> dict[str, str]:
    return {"fieldValidation": "Strict" if strict else "Warn"}


async def _answer(request: Awaitable[_T]) -> _T:
    try:
        return await request
    except ApiError as problem:
        causes = (problem.body.get("details") or {}).get("causes") or []
        told = tuple(sorted((one.get("reason", ""), one.get("field", "")) for one in causes))
        causes = told if problem.status == 422 else ()
        raise RefusedError(problem.status, problem.reason, causes, problem.message) from problem
