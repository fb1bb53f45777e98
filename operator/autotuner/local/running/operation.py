"""The operator's controllers at work on one machine: on an API in this process, kept in a folder, with a node here."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from autotuner import clock
from autotuner.api.common import EXPERIMENT_UID_LABEL, FINISHED_LABEL
from autotuner.controllers.preset_catalogue import shipped
from autotuner.kube import CONFIG_MAP, DEPLOYMENT, EVENT, EXPERIMENT, JOB, NAMESPACE, POD, TASK
from autotuner.kubernetes_object import Object, Resource
from autotuner.local.running.kept_objects import KeptObjects
from autotuner.local.running.local_deployments import backends
from autotuner.local.running.node import LocalNode
from autotuner.local.running.run_folder import RunFolder
from autotuner.local.running.workload_controllers import WorkloadControllers
from autotuner.log_excerpt import LogExcerpt
from autotuner.memory_api.api import MemoryApi
from autotuner.memory_api.history import Change
from autotuner.memory_api.store import Store
from autotuner.process.machinery import Machinery
from autotuner.process.wakes import Wake, watches
from autotuner.serving.deployment.deployments import SERVICE
from autotuner.serving.target.snapshots import CONTROLLER_REVISION
from autotuner.settings import Settings

KEPT = (TASK, EXPERIMENT, POD, JOB, DEPLOYMENT, SERVICE, CONTROLLER_REVISION, CONFIG_MAP, EVENT, NAMESPACE)
_CLOSE_SECONDS = 5.0


class LocalApi(MemoryApi):
    """The API in this process, whose logs are those of the node."""

    node: LocalNode | None = None

    async def logs(self, namespace: str, pod: str, container: str, *, previous: bool) -> str:
        """See `Kube`."""
        excerpt = LogExcerpt()
        if self.node is not None:
            excerpt.add(await self.node.log(namespace, pod, container, previous=previous))
        return excerpt.text()


def opened(folder: RunFolder) -> Store:
    """The store of a folder, which keeps what changes in it.

    Raises:
        DamagedFolderError: it cannot be read.
    """
    store = Store(clock.now, seed=int.from_bytes(os.urandom(8)))
    KeptObjects(folder.objects, KEPT).load(store)
    return store


class Operation:
    """Works on what a store holds, from `start` to `stop`."""

    def __init__(self, store: Store, node: LocalNode, settings: Settings) -> None:
        self._store, self._node = store, node
        self._controllers = WorkloadControllers(store)
        api = LocalApi(store=store)
        api.node = node
        known = backends()
        self._machinery = Machinery(api, known, settings, shipped(settings))
        self._wakes = watches(known, self._machinery.listeners)
        self._told: set[str] = set()
        self._listening = False
        self._around: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to work, on what is there and on what comes."""
        await self._node.start()
        self._controllers.start()
        await self._machinery.read()
        self._around = asyncio.create_task(self._machinery.look_around())
        self._listening = True
        self._store.listen(self._changed)
        for resource, wake in self._wakes.items():
            for body in self._store.list(resource, None):
                if _watched(resource, body):
                    self._tell(wake, body, there=True)

    async def stop(self) -> None:
        """Stop working; what runs is left as it is."""
        self._listening = False
        await asyncio.gather(*(queue.close(_CLOSE_SECONDS) for queue in self._machinery.queues))
        if self._around is not None:
            self._around.cancel()
            await asyncio.gather(self._around, return_exceptions=True)
        self._controllers.stop()
        await self._node.stop()

    def _changed(self, resource: Resource, change: Change) -> None:
        wake = self._wakes.get(resource)
        body = change.new if change.new is not None else change.old
        if wake is None or body is None or not self._listening:
            return
        self._tell(wake, body, there=change.new is not None and _watched(resource, body))

    def _tell(self, wake: Wake, body: Object, *, there: bool) -> None:
        """Tell as a watch would: what it does not select any more is gone, as far as it knows."""
        uid = body["metadata"]["uid"]
        if not there and uid not in self._told:
            return
        (self._told.add if there else self._told.discard)(uid)
        asyncio.get_running_loop().call_soon(wake, body, not there)


def _watched(resource: Resource, body: Mapping[str, Any]) -> bool:
    """Whether a watch of the operator tells of an object; see `silent_watches.selectors`."""
    labels = body["metadata"].get("labels") or {}
    if resource == EXPERIMENT:
        return FINISHED_LABEL not in labels
    return resource not in (JOB, POD, DEPLOYMENT) or EXPERIMENT_UID_LABEL in labels
