"""The part of LWS's controller that serves LeaderWorkerSets."""

from __future__ import annotations

import asyncio
import logging

from autotuner.kubernetes_object import Object
from testbed.api import JSON_PATCH, Api, ApiError
from testbed.lws import groups
from testbed.lws.render import GROUP, NAME, RANK, REVISION, leaders, revision, service, size, workers
from testbed.ome.cache import Cache, Key, key_of
from testbed.ome.events import Recorder, timestamp
from testbed.ome.queue import WorkQueue

log = logging.getLogger("lws")
_LAG = 1.0  # seconds by which the status comes after what it tells of


class Sets:
    """Watches LeaderWorkerSets, their StatefulSets and pods."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._recorder = Recorder(api, "leaderworkerset")
        self._queue: WorkQueue[Key] = WorkQueue(self._reconcile)
        self._status: WorkQueue[Key] = WorkQueue(self._report)
        self._sets = Cache(api, f"/apis/{GROUP}/v1/leaderworkersets", lambda lws: self._changed(key_of(lws)))
        self._stateful = Cache(api, "/apis/apps/v1/statefulsets", self._child_changed, labelSelector=NAME)
        self._pods = Cache(api, "/api/v1/pods", self._child_changed, labelSelector=NAME)

    async def fill(self) -> None:
        """Reads everything once."""
        for cache in (self._sets, self._stateful, self._pods):
            await cache.fill()
        for lws in self._sets.all():
            self._changed(key_of(lws))

    async def run(self) -> None:
        """Works for ever."""
        async with asyncio.TaskGroup() as group:
            for cache in (self._sets, self._stateful, self._pods):
                group.create_task(cache.run())
            group.create_task(self._queue.run())
            group.create_task(self._status.run())

    def _child_changed(self, child: Object) -> None:
        self._changed((child["metadata"]["namespace"], child["metadata"]["labels"][NAME]))

    def _changed(self, key: Key) -> None:
        self._queue.add(key)
        self._status.add_after(key, _LAG)

    async def _reconcile(self, key: Key) -> None:
        lws = self._sets.get(*key)
        if lws is None or "deletionTimestamp" in lws["metadata"]:
            return  # the garbage collector follows the owners
        try:
            await self._ensure("/api/v1", "services", service(lws))
            if not await self._ensure("/apis/apps/v1", "statefulsets", leaders(lws)):
                return
            for pod in self._of(lws):
                if labels := groups.missing_labels(pod):
                    await self._api.patch(_path(pod), {"metadata": {"labels": labels}})
            for leader, group in self._groups(lws):
                await self._serve_group(lws, leader, group)
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            log.info("%s: %s", key, error)
            self._queue.add_after(key, 0.2)

    async def _serve_group(self, lws: Object, leader: Object, group: list[Object]) -> None:
        if "deletionTimestamp" in leader["metadata"]:
            return
        if failed := groups.to_recreate(lws, leader, group):
            name, index = leader["metadata"]["name"], leader["metadata"]["name"].rpartition("-")[2]
            told = (
                f"Worker pod {failed['metadata']['name']} failed, deleted leader pod {name} to recreate group {index}"
            )
            options = {"propagationPolicy": "Foreground", "preconditions": {"uid": leader["metadata"]["uid"]}}
            await self._api.delete(_path(leader), options)
            await self._recorder.emit(lws, "RecreateGroup", told, "Normal")
            return
        early = lws["spec"].get("startupPolicy", "LeaderCreated") == "LeaderCreated"
        current = leader["metadata"]["labels"].get(REVISION) == revision(lws)
        if size(lws) > 1 and current and (early or groups.is_ready(leader)):
            await self._ensure("/apis/apps/v1", "statefulsets", workers(lws, leader))

    def _of(self, lws: Object) -> list[Object]:
        meta = lws["metadata"]
        return [
            pod
            for pod in self._pods.all()
            if (pod["metadata"]["namespace"], pod["metadata"]["labels"][NAME]) == (meta["namespace"], meta["name"])
        ]

    def _groups(self, lws: Object) -> list[tuple[Object, list[Object]]]:
        pods = self._of(lws)
        leading = [pod for pod in pods if pod["metadata"]["labels"].get(RANK) == "0"]
        return [
            (leader, [pod for pod in pods if pod["metadata"]["name"].startswith(f"{leader['metadata']['name']}-")])
            for leader in leading
        ]

    async def _ensure(self, root: str, plural: str, wanted: Object) -> bool:
        """Creates an object or brings its template up to date; returns whether it is there and of this very owner."""
        metadata = wanted["metadata"]
        collection = f"{root}/namespaces/{metadata['namespace']}/{plural}"
        live = self._stateful.get(metadata["namespace"], metadata["name"]) if plural == "statefulsets" else None
        if live is None:
            try:
                made = await self._api.create(collection, wanted)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
                live = await self._api.get(f"{collection}/{metadata['name']}")
            else:
                self._stateful.put(made) if plural == "statefulsets" else None
                return True
        if live["metadata"]["ownerReferences"][0]["uid"] != metadata["ownerReferences"][0]["uid"]:
            log.info("%s %s belongs to another", plural, metadata["name"])
            self._queue.add_after((metadata["namespace"], metadata["labels"][NAME]), 0.2)
            return False
        same = live["metadata"].get("annotations", {}).get(REVISION) == metadata["annotations"][REVISION]
        if plural == "statefulsets" and not (same and live["spec"]["replicas"] == wanted["spec"]["replicas"]):
            changes = [
                {"op": "replace", "path": "/spec/template", "value": wanted["spec"]["template"]},
                {"op": "replace", "path": "/spec/replicas", "value": wanted["spec"]["replicas"]},
                {"op": "replace", "path": "/metadata/annotations", "value": metadata["annotations"]},
            ]
            self._stateful.put(await self._api.patch(f"{collection}/{metadata['name']}", changes, JSON_PATCH))
        return True

    async def _report(self, key: Key) -> None:
        lws = self._sets.get(*key)
        if lws is None:
            return
        found = groups.status(lws, self._groups(lws), timestamp())
        if found == lws.get("status"):
            return
        try:
            self._sets.put(await self._api.patch(f"{_path(lws)}/status", {"status": {"readyReplicas": None, **found}}))
        except ApiError as error:
            if error.status != 404:
                raise


def _path(item: Object) -> str:
    meta = item["metadata"]
    if item.get("kind") == "LeaderWorkerSet":
        return f"/apis/{GROUP}/v1/namespaces/{meta['namespace']}/leaderworkersets/{meta['name']}"
    return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
