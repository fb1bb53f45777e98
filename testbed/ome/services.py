"""The part of OME's controller that serves InferenceServices."""

from __future__ import annotations

import asyncio

from autotuner.kubernetes_object import Object
from testbed.api import Api, ApiError
from testbed.ome import status as reported
from testbed.ome import switches as faults
from testbed.ome.cache import Cache, Key, key_of
from testbed.ome.checks import choose_model, refusal
from testbed.ome.children import Children
from testbed.ome.events import Recorder, timestamp
from testbed.ome.queue import RetryError, WorkQueue
from testbed.ome.render import (
    LABEL,
    Service,
    SilentError,
    children,
    first_port,
    model_config,
    owner_reference,
)

Models = tuple[Object | None, Object | None]

FINALIZER = "inferenceservice.finalizers"
ROOT = "/apis/ome.io/v1beta1"


class Services:
    """Watches InferenceServices and what belongs to them; models and runtimes wake nobody, as in OME."""

    def __init__(self, api: Api, base_models: Cache, cluster_models: Cache) -> None:
        self._api = api
        self._recorder = Recorder(api)
        self._queue: WorkQueue[Key] = WorkQueue(self._reconcile)
        self._base_models, self._cluster_models = base_models, cluster_models
        self._isvcs = Cache(api, f"{ROOT}/inferenceservices", lambda isvc: self._queue.add(key_of(isvc)))
        self._runtimes = Cache(api, f"{ROOT}/servingruntimes", lambda _: None)
        self._cluster_runtimes = Cache(api, f"{ROOT}/clusterservingruntimes", lambda _: None)
        self._pods = Cache(api, "/api/v1/pods", self._pod_changed, labelSelector=LABEL)
        self._children = Children(api, self._child_changed)
        self._slow_stops: WorkQueue[Key] = WorkQueue(self._stop_slowly)
        self._stopping: dict[str, float] = {}
        self._warned: set[str] = set()

    async def run(self) -> None:
        """Works for ever."""
        caches = [self._isvcs, self._runtimes, self._cluster_runtimes, self._pods, *self._children.caches()]
        for cache in caches:
            await cache.fill()
        for isvc in self._isvcs.all():
            self._queue.add(key_of(isvc))
        async with asyncio.TaskGroup() as group:
            for cache in caches:
                group.create_task(cache.run())
            group.create_task(self._queue.run())
            group.create_task(self._slow_stops.run())

    def _child_changed(self, child: Object) -> None:
        self._queue.add((child["metadata"]["namespace"], child["metadata"]["labels"][LABEL]))

    def _pod_changed(self, pod: Object) -> None:
        """Pods wake OME only on request: see the switch crash-reported."""
        metadata = pod["metadata"]
        key = (metadata["namespace"], metadata["labels"][LABEL])
        if faults.SLOW_STOP_FINALIZER in metadata.get("finalizers", []) and "deletionTimestamp" in metadata:
            self._slow_stops.add(key_of(pod))
        isvc = self._isvcs.get(*key)
        if isvc and "crash-reported" in faults.switches(isvc, self._runtime(isvc)):
            self._queue.add(key)

    def _models(self, isvc: Object) -> Models:
        name = isvc.get("spec", {}).get("model", {}).get("name", "")
        return self._base_models.get(isvc["metadata"]["namespace"], name), self._cluster_models.get("", name)

    def _runtime(self, isvc: Object) -> Object | None:
        name = isvc.get("spec", {}).get("runtime", {}).get("name", "")
        return self._runtimes.get(isvc["metadata"]["namespace"], name) or self._cluster_runtimes.get("", name)

    async def _reconcile(self, key: Key) -> None:
        isvc = self._isvcs.get(*key)
        if isvc is None:
            return
        try:
            active = faults.switches(isvc, self._runtime(isvc))
        except ValueError as error:
            await self._recorder.emit(isvc, "UnknownSwitch", str(error))
            return
        try:
            if "deletionTimestamp" in isvc["metadata"]:
                await self._release(isvc, active)
            else:
                await self._deploy(await self._with_finalizer(isvc), active)
        except ApiError as error:
            if error.status != 404:
                raise
            self._isvcs.forget(isvc)

    async def _with_finalizer(self, isvc: Object) -> Object:
        finalizers = isvc["metadata"].get("finalizers", [])
        return isvc if FINALIZER in finalizers else await self._finalizers(isvc, [*finalizers, FINALIZER])

    async def _finalizers(self, isvc: Object, finalizers: list[str]) -> Object:
        metadata = isvc["metadata"]
        path = f"{ROOT}/namespaces/{metadata['namespace']}/inferenceservices/{metadata['name']}"
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": finalizers}}
        result = await self._api.patch(path, patch)
        if FINALIZER in finalizers:
            self._isvcs.put(result)
        return result

    async def _release(self, isvc: Object, active: frozenset[str]) -> None:
        finalizers = isvc["metadata"].get("finalizers", [])
        if FINALIZER not in finalizers:
            return
        if "stuck-deletion" in active:
            raise RetryError("deletion is stuck on request")
        if isvc.get("spec", {}).get("model") and not any(self._models(isvc)):
            raise RetryError("OME's validator refuses the update: the model does not exist")
        if "slow-release" in active and (wait := self._until_release(isvc)) > 0:
            self._queue.add_after(key_of(isvc), wait)
            return
        await self._finalizers(isvc, [name for name in finalizers if name != FINALIZER])

    def _until_release(self, isvc: Object) -> float:
        """Returns the seconds for which the finalizer stays, from when the deletion was first seen."""
        now = asyncio.get_running_loop().time()
        seconds = faults.slow_release_seconds(isvc, self._runtime(isvc))
        return self._stopping.setdefault(isvc["metadata"]["uid"], now + seconds) - now

    async def _deploy(self, isvc: Object, active: frozenset[str]) -> None:
        models, runtime = self._models(isvc), self._runtime(isvc)
        if refused := refusal(isvc, models, runtime):
            if refused.reason:
                await self._recorder.emit(isvc, refused.reason, refused.message)
            if refused.retried:
                raise RetryError(refused.message)
            return
        model = choose_model(isvc["spec"]["model"], models)
        assert model is not None
        assert runtime is not None
        await self._children.ensure(model_config(isvc, model))
        if "silent" in active:
            raise RetryError("silent on request")
        service = Service(isvc, model, runtime)
        try:
            engine = service.engine()
        except SilentError as error:
            raise RetryError(str(error)) from error
        if "quota" in active:
            await self._forbid_pods(isvc)
        for child in children(service, engine):
            if child["kind"] == "Deployment":
                seconds = faults.slow_stop_seconds(isvc, runtime)
                child["spec"]["template"] = faults.sabotage(child["spec"]["template"], active, seconds)
                deployment = await self._children.ensure(child)
            else:
                await self._children.ensure(child)
        if "warn" in active:
            await self._warn(isvc)
        await self._report(isvc, first_port(engine), deployment, "late-url" in active)

    async def _report(self, isvc: Object, port: int, deployment: Object, late_url: bool) -> None:
        metadata = isvc["metadata"]
        name, namespace = metadata["name"], metadata["namespace"]
        pods = [p for p in self._pods.all() if key_of(p)[0] == namespace and p["metadata"]["labels"][LABEL] == name]
        status = reported.status(isvc, port, deployment, pods, late_url, timestamp())
        old = isvc.get("status", {})
        if status == old:
            return
        path = f"{ROOT}/namespaces/{namespace}/inferenceservices/{name}/status"
        self._isvcs.put(await self._api.update(path, {**isvc, "status": status}))
        if reported.ready(status) and not reported.ready(old):
            await self._recorder.emit(isvc, "InferenceServiceReady", f"InferenceService [{name}] is Ready", "Normal")
        if reported.ready(old) and not reported.ready(status):
            message = f"InferenceService [{name}] is no longer Ready because of: EngineReady"
            await self._recorder.emit(isvc, "InferenceServiceNotReady", message)

    async def _warn(self, isvc: Object) -> None:
        """Emits the two warnings that healthy services of the real OME emit too."""
        metadata = isvc["metadata"]
        if metadata["uid"] in self._warned:
            return
        self._warned.add(metadata["uid"])
        conflict = (
            f'Operation cannot be fulfilled on inferenceservices.ome.io "{metadata["name"]}": the object has been '
            "modified; please apply your changes to the latest version and try again"
        )
        await self._recorder.emit(isvc, "InternalError", f'Service "{metadata["name"]}" not found')
        await self._recorder.emit(isvc, "UpdateFailed", f"Failed to update status for InferenceService: {conflict}")

    async def _forbid_pods(self, isvc: Object) -> None:
        namespace = isvc["metadata"]["namespace"]
        # Not as controller: one quota serves all services of a namespace, each of which keeps it alive.
        owner = {**owner_reference(isvc), "controller": False, "blockOwnerDeletion": False}
        _, limit = await self._api.apply_all(faults.quota(namespace, owner), manager=isvc["metadata"]["uid"])
        if "used" not in limit.get("status", {}):
            raise RetryError("the quota is not in force yet")

    async def _stop_slowly(self, key: Key) -> None:
        pod = self._pods.get(*key)
        if pod is None:
            return
        metadata = pod["metadata"]
        now = asyncio.get_running_loop().time()
        seconds = float(metadata.get("annotations", {}).get(faults.SLOW_STOP_SECONDS, 0))
        due = self._stopping.setdefault(metadata["uid"], now + seconds)
        if now < due:
            self._slow_stops.add_after(key, due - now)
            return
        finalizers = [name for name in metadata["finalizers"] if name != faults.SLOW_STOP_FINALIZER]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        try:
            await self._api.patch(path, {"metadata": {"finalizers": finalizers or None}})
        except ApiError as error:
            if error.status != 404:
                raise
