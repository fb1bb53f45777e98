"""The part of KServe's controller that serves InferenceServices."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from autotuner.kubernetes_object import Object
from testbed.api import Api, ApiError
from testbed.kserve import status as reported
from testbed.kserve.render import (
    GROUP,
    LABEL,
    MODES,
    Chosen,
    InvalidSpecError,
    RefusedError,
    children,
    choose,
    predictor_name,
)
from testbed.ome.cache import Cache, Key, key_of
from testbed.ome.children import Children
from testbed.ome.events import Recorder
from testbed.ome.queue import WorkQueue

FINALIZER = "inferenceservice.finalizers"
ROOT = f"/apis/{GROUP}/v1beta1"
_LAG = 1.0  # seconds by which conditions come after what they tell of
_CHILDREN = ("Deployment", "Service")
_CONFLICT = (
    "Operation cannot be fulfilled on {}: the object has been modified; please apply your changes to the latest version"
)

log = logging.getLogger("kserve")


class Services:
    """Watches InferenceServices, their runtimes, and what belongs to them."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._recorder = Recorder(api, "v1beta1Controllers")
        self._queue: WorkQueue[Key] = WorkQueue(self._reconcile)
        self._status: WorkQueue[Key] = WorkQueue(self._report)
        runtimes = f"/apis/{GROUP}/v1alpha1"
        self._isvcs = Cache(api, f"{ROOT}/inferenceservices", lambda isvc: self._queue.add(key_of(isvc)))
        self._runtimes = Cache(api, f"{runtimes}/servingruntimes", self._runtime_changed)
        self._cluster_runtimes = Cache(api, f"{runtimes}/clusterservingruntimes", self._runtime_changed)
        self._pods = Cache(api, "/api/v1/pods", self._child_changed, labelSelector=LABEL)
        self._children = Children(api, self._child_changed, LABEL, _CHILDREN)
        self._warned: set[str] = set()

    def _caches(self) -> Iterator[Cache]:
        yield from (self._isvcs, self._runtimes, self._cluster_runtimes, self._pods, *self._children.caches())

    async def fill(self) -> None:
        """Reads everything once."""
        for cache in self._caches():
            await cache.fill()
        for isvc in self._isvcs.all():
            self._queue.add(key_of(isvc))

    async def run(self) -> None:
        """Works for ever."""
        async with asyncio.TaskGroup() as group:
            for cache in self._caches():
                group.create_task(cache.run())
            group.create_task(self._queue.run())
            group.create_task(self._status.run())

    def _runtime_changed(self, _: Object) -> None:
        for isvc in self._isvcs.all():
            self._queue.add(key_of(isvc))

    def _child_changed(self, child: Object) -> None:
        self._queue.add((child["metadata"]["namespace"], child["metadata"]["labels"][LABEL]))

    async def _reconcile(self, key: Key) -> None:
        isvc = self._isvcs.get(*key)
        if isvc is None:
            return
        try:
            if "deletionTimestamp" in isvc["metadata"]:
                await self._release(isvc)
            else:
                await self._deploy(await self._with_finalizer(isvc))
        except ApiError as error:
            if error.status != 404:
                raise
            self._isvcs.forget(isvc)

    async def _with_finalizer(self, isvc: Object) -> Object:
        finalizers = isvc["metadata"].get("finalizers", [])
        return isvc if FINALIZER in finalizers else await self._finalizers(isvc, [*finalizers, FINALIZER])

    async def _finalizers(self, isvc: Object, finalizers: list[str]) -> Object:
        metadata = isvc["metadata"]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": finalizers}}
        result = await self._api.patch(_path(isvc), patch)
        if FINALIZER in finalizers:
            self._isvcs.put(result)
        return result

    async def _release(self, isvc: Object) -> None:
        """Lets go at once, whatever pods are left."""
        finalizers = isvc["metadata"].get("finalizers", [])
        if FINALIZER in finalizers:
            await self._finalizers(isvc, [name for name in finalizers if name != FINALIZER])

    async def _deploy(self, isvc: Object) -> None:
        annotations = isvc["metadata"].get("annotations") or {}
        if (mode := annotations.get(f"{GROUP}/deploymentMode", "Serverless")) not in MODES:
            await self._recorder.emit(isvc, "ServerlessModeRejected", f"mode {mode} needs Knative")
            return
        if annotations.get(f"{GROUP}/disable-auto-update") == "true" and reported.ready(isvc):
            return
        if annotations.get(f"{GROUP}/stop") != "true":
            await self._make(isvc)
        else:
            await self._delete("Deployment", isvc["metadata"]["namespace"], predictor_name(isvc["metadata"]["name"]))
        await self._clean_up(isvc)
        self._status.add_after(key_of(isvc), _LAG)

    async def _make(self, isvc: Object) -> None:
        try:
            wanted = children(self._chosen(isvc))
        except (InvalidSpecError, RefusedError) as error:
            log.info("%s: %s", key_of(isvc), error)
            await self._recorder.emit(isvc, "InternalError", str(error))
            return
        for child in wanted:
            await self._children.ensure(child)
        if isvc["metadata"]["uid"] not in self._warned:
            self._warned.add(isvc["metadata"]["uid"])
            await self._recorder.emit(isvc, "InternalError", _CONFLICT.format(isvc["metadata"]["name"]))

    async def _clean_up(self, isvc: Object) -> None:
        """Deletes what looks like an old part of a predictor, without asking who owns it."""
        namespace, name = key_of(isvc)
        for kind in _CHILDREN:
            for child in self._children.of(kind, namespace, name):
                labels, called = child["metadata"]["labels"], child["metadata"]["name"]
                if labels.get("component") == "predictor" and called != predictor_name(name):
                    await self._delete(kind, namespace, called)

    async def _delete(self, kind: str, namespace: str, name: str) -> None:
        root = {"Deployment": "/apis/apps/v1", "Service": "/api/v1"}[kind]
        try:
            await self._api.delete(f"{root}/namespaces/{namespace}/{kind.lower()}s/{name}")
        except ApiError as error:
            if error.status != 404:
                raise

    def _chosen(self, isvc: Object) -> Chosen:
        namespace = isvc["metadata"]["namespace"]
        own = [one for one in self._runtimes.all() if one["metadata"]["namespace"] == namespace]
        return choose(isvc, own, self._cluster_runtimes.all())

    async def _report(self, key: Key) -> None:
        isvc = self._isvcs.get(*key)
        if isvc is None or "deletionTimestamp" in isvc["metadata"]:
            return
        found = self._told(isvc)
        if found == isvc.get("status", {}):
            return
        try:
            self._isvcs.put(await self._api.update(f"{_path(isvc)}/status", {**isvc, "status": found}))
        except ApiError as error:
            if error.status != 404:
                raise

    def _told(self, isvc: Object) -> Object:
        namespace, name = key_of(isvc)
        if (isvc["metadata"].get("annotations") or {}).get(f"{GROUP}/stop") == "true":
            return reported.stopped(isvc)
        try:
            chosen = self._chosen(isvc)
            children(chosen)
        except InvalidSpecError as error:
            return reported.invalid(isvc, error.reason, str(error))
        except RefusedError as error:
            return reported.refused(self._chosen(isvc), str(error))
        deployments = self._children.of("Deployment", namespace, name)
        mine = next((one for one in deployments if one["metadata"]["name"] == predictor_name(name)), {})
        pods = [p for p in self._pods.all() if key_of(p)[0] == namespace and p["metadata"]["labels"][LABEL] == name]
        return reported.serving(chosen, mine, pods)


def _path(isvc: Object) -> str:
    namespace, name = key_of(isvc)
    return f"{ROOT}/namespaces/{namespace}/inferenceservices/{name}"
