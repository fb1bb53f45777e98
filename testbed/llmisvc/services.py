"""The part of KServe's controller that serves LLMInferenceServices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

from autotuner.kubernetes_object import Object
from testbed.api import Api, ApiError
from testbed.llmisvc import status as reported
from testbed.llmisvc.install import PRESET, SETTINGS, SYSTEM
from testbed.llmisvc.render import GROUP, NAME, FinalError, children, combined, deployment_name
from testbed.ome.cache import Cache, Key, key_of
from testbed.ome.children import Children
from testbed.ome.queue import WorkQueue

FINALIZER = f"{GROUP}/llmisvc-finalizer"
ROOT = f"/apis/{GROUP}/v1alpha2"
_LAG = 1.0  # seconds by which conditions come after what they tell of
_FINALIZER_SECONDS = 0.5


class Services:
    """Watches LLMInferenceServices, what they are made of, and what belongs to them."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._queue: WorkQueue[Key] = WorkQueue(self._reconcile)
        self._status: WorkQueue[Key] = WorkQueue(self._report)
        self._released: WorkQueue[Key] = WorkQueue(self._release)
        self._services = Cache(api, f"{ROOT}/llminferenceservices", self._changed)
        self._configurations = Cache(api, f"{ROOT}/llminferenceserviceconfigs", self._all_changed)
        self._settings = Cache(api, f"/api/v1/namespaces/{SYSTEM}/configmaps", self._all_changed)
        self._children = Children(api, self._child_changed, NAME, ("Deployment", "Service"))
        self._refusals: dict[Key, str] = {}

    def _caches(self) -> Iterator[Cache]:
        yield from (self._services, self._configurations, self._settings, *self._children.caches())

    async def fill(self) -> None:
        """Reads everything once."""
        for cache in self._caches():
            await cache.fill()
        for service in self._services.all():
            self._changed(service)

    async def run(self) -> None:
        """Works for ever."""
        async with asyncio.TaskGroup() as group:
            for cache in self._caches():
                group.create_task(cache.run())
            for queue in (self._queue, self._status, self._released):
                group.create_task(queue.run())

    def _changed(self, service: Object) -> None:
        if "deletionTimestamp" in service["metadata"]:
            self._released.add_after(key_of(service), _FINALIZER_SECONDS)
        else:
            self._queue.add(key_of(service))

    def _all_changed(self, _: Object) -> None:
        for service in self._services.all():
            self._queue.add(key_of(service))

    def _child_changed(self, child: Object) -> None:
        self._queue.add((child["metadata"]["namespace"], child["metadata"]["labels"][NAME]))

    async def _reconcile(self, key: Key) -> None:
        service = self._services.get(*key)
        if service is None or "deletionTimestamp" in service["metadata"]:
            return
        try:
            await self._deploy(await self._with_finalizer(service))
        except ApiError as error:
            if error.status != 404:
                raise
            self._services.forget(service)
        self._status.add_after(key, _LAG)

    async def _with_finalizer(self, service: Object) -> Object:
        finalizers = service["metadata"].get("finalizers", [])
        return service if FINALIZER in finalizers else await self._finalizers(service, [*finalizers, FINALIZER])

    async def _finalizers(self, service: Object, finalizers: list[str]) -> Object:
        metadata = service["metadata"]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": finalizers}}
        result = await self._api.patch(_path(service), patch)
        if FINALIZER in finalizers:
            self._services.put(result)
        return result

    async def _release(self, key: Key) -> None:
        """Lets go whatever pods are left."""
        service = self._services.get(*key)
        finalizers = service["metadata"].get("finalizers", []) if service else []
        if service is None or FINALIZER not in finalizers or "deletionTimestamp" not in service["metadata"]:
            return
        try:
            await self._finalizers(service, [name for name in finalizers if name != FINALIZER])
        except ApiError as error:
            if error.status != 404:
                raise

    async def _deploy(self, service: Object) -> None:
        key = key_of(service)
        self._refusals.pop(key, None)
        if _stopped(service):
            await self._delete(service)
            return
        try:
            wanted = children(service, self._combined(service), self._tls)
        except FinalError:
            return
        for child in wanted:
            try:
                await self._children.ensure(child)
            except ApiError as error:
                if error.status not in (403, 422):
                    raise
                self._refusals[key] = error.message

    async def _delete(self, service: Object) -> None:
        namespace, name = key_of(service)
        try:
            await self._api.delete(f"/apis/apps/v1/namespaces/{namespace}/deployments/{deployment_name(name)}")
        except ApiError as error:
            if error.status != 404:
                raise

    @property
    def _tls(self) -> bool:
        settings = self._settings.get(SYSTEM, SETTINGS) or {}
        ingress = json.loads((settings.get("data") or {}).get("ingress", "{}"))
        return bool(ingress.get("enableLLMInferenceServiceTLS"))

    def _applied(self, service: Object) -> list[Object]:
        namespace = service["metadata"]["namespace"]
        found = [{"name": PRESET, "namespace": SYSTEM, "source": "Preset"}]
        for reference in service["spec"].get("baseRefs") or ():
            own = self._configurations.get(namespace, reference["name"])
            found.append({"name": reference["name"], "namespace": namespace if own else SYSTEM, "source": "UserRef"})
        return found

    def _combined(self, service: Object) -> Object:
        known = [self._configurations.get(one["namespace"], one["name"]) for one in self._applied(service)]
        return combined(service, known, self._tls)

    async def _report(self, key: Key) -> None:
        service = self._services.get(*key)
        if service is None or "deletionTimestamp" in service["metadata"]:
            return
        found = self._told(service)
        if found == service.get("status", {}):
            return
        try:
            self._services.put(await self._api.update(f"{_path(service)}/status", {**service, "status": found}))
        except ApiError as error:
            if error.status != 404:
                raise

    def _told(self, service: Object) -> Object:
        key = key_of(service)
        if _stopped(service):
            return reported.stopped(service)
        try:
            self._combined(service)
        except FinalError as error:
            return reported.impossible(service, error.reason, str(error))
        if key in self._refusals:
            return reported.refused(service, self._refusals[key])
        named = deployment_name(key[1])
        mine = [one for one in self._children.of("Deployment", *key) if one["metadata"]["name"] == named]
        return reported.serving(service, mine[0] if mine else {}, self._applied(service))


def _stopped(service: Object) -> bool:
    return (service["metadata"].get("annotations") or {}).get(f"{GROUP}/stop") == "true"


def _path(service: Object) -> str:
    namespace, name = key_of(service)
    return f"{ROOT}/namespaces/{namespace}/llminferenceservices/{name}"
