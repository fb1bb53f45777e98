"""The parts of OME that make a model ready: its controller, and its agent on every node."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable

from autotuner.kubernetes_object import Object
from testbed.api import Api, ApiError
from testbed.ome.cache import Cache, key_of
from testbed.ome.queue import WorkQueue
from testbed.ome.render import model_key, model_label

ModelKey = tuple[str, str, str]

ROOT = "/apis/ome.io/v1beta1"
NAMESPACE = "ome"
ENTRY_LABEL = "models.ome/basemodel-status"
NODE_LABEL = "autotuner.io/testbed-node"
FATE = "testbed.autotuner.io/model"
DELAY = "testbed.autotuner.io/model-delay-seconds"
FATES = ("Ready", "Failed", "Never")

_FINALIZERS = {
    "ClusterBaseModel": "clusterbasemodels.ome.io/finalizer",
    "BaseModel": "basemodels.ome.io/finalizer",
}
# What OME's agent makes of a storage scheme; it skips pvc and does not know the last four.
_SCHEMES = {"pvc": None, "s3": "Updating", "az": "Updating", "gs": "Updating", "github": "Updating"}


def path_of(model: Object) -> str:
    """Returns the API path of a model."""
    namespace, name = key_of(model)
    if model["kind"] == "BaseModel":
        return f"{ROOT}/namespaces/{namespace}/basemodels/{name}"
    return f"{ROOT}/clusterbasemodels/{name}"


def outcome(model: Object) -> str | None:
    """Returns the state that the agent reports for a model, or None if it never says anything.

    Raises:
        ValueError: the annotation that decides it holds something else.
    """
    scheme = model["spec"]["storage"]["storageUri"].partition("://")[0]
    fate = model["metadata"].get("annotations", {}).get(FATE, "Ready")
    if fate not in FATES:
        raise ValueError(f"unknown fate {fate!r} of a model; there are {FATES}")
    if fate == "Never":
        return None
    return "Failed" if fate == "Failed" else _SCHEMES.get(scheme, "Ready")


def aggregate(key: str, nodes: Iterable[Object], entries: Iterable[Object]) -> Object:
    """Returns the status of a model from the ConfigMaps of the nodes.

    Args:
        key: the model's in those ConfigMaps.
        nodes: the nodes that exist.
        entries: the ConfigMaps.
    """
    known = {node["metadata"]["name"] for node in nodes}
    found: dict[str, list[str]] = {"Ready": [], "Failed": []}
    for entry in entries:
        text = entry.get("data", {}).get(key)
        if text and entry["metadata"]["name"] in known:
            found.setdefault(json.loads(text)["status"], []).append(entry["metadata"]["name"])
    state = "Ready" if found["Ready"] else "Failed" if found["Failed"] else "In_Transit"
    status: Object = {"state": state}
    if found["Ready"]:
        status["nodesReady"] = sorted(found["Ready"])
    if found["Failed"]:
        status["nodesFailed"] = sorted(found["Failed"])
    return status


class Models:
    """Watches models, nodes and the nodes' ConfigMaps; plays the controller and, if wanted, the agents.

    Attributes:
        base_models, cluster_models: the models, for who wants to look them up.
    """

    def __init__(self, api: Api, agent_delay: float | None) -> None:
        """With `agent_delay` None there are no agents; else it is how many seconds a download takes."""
        self._api = api
        self._agent_delay = agent_delay
        self._queue: WorkQueue[ModelKey] = WorkQueue(self._reconcile)
        self.base_models = Cache(api, f"{ROOT}/basemodels", self._model_changed)
        self.cluster_models = Cache(api, f"{ROOT}/clusterbasemodels", self._model_changed)
        self._nodes = Cache(api, "/api/v1/nodes", lambda _: self._all_changed())
        entries = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
        self._entries = Cache(api, entries, lambda _: self._all_changed(), labelSelector=f"{ENTRY_LABEL}=true")
        self._downloads: dict[str, float] = {}

    async def fill(self) -> None:
        """Reads everything once."""
        for cache in self._caches():
            await cache.fill()

    async def run(self) -> None:
        """Works for ever."""
        self._all_changed()
        async with asyncio.TaskGroup() as group:
            for cache in self._caches():
                group.create_task(cache.run())
            group.create_task(self._queue.run())

    def _caches(self) -> tuple[Cache, ...]:
        return self.base_models, self.cluster_models, self._nodes, self._entries

    def _model_changed(self, model: Object) -> None:
        self._queue.add((model["kind"], *key_of(model)))

    def _all_changed(self) -> None:
        for model in (*self.base_models.all(), *self.cluster_models.all()):
            self._model_changed(model)

    async def _reconcile(self, key: ModelKey) -> None:
        kind, namespace, name = key
        cache = self.base_models if kind == "BaseModel" else self.cluster_models
        model = cache.get(namespace, name)
        if model is None:
            return
        try:
            if self._agent_delay is not None:
                await self._act_as_agents(key, model)
            await self._act_as_controller(cache, model)
        except ApiError as error:
            if error.status != 404:
                raise
            cache.forget(model)

    async def _act_as_controller(self, cache: Cache, model: Object) -> None:
        finalizer = _FINALIZERS[model["kind"]]
        finalizers = model["metadata"].get("finalizers", [])
        if "deletionTimestamp" in model["metadata"]:
            mentioned = any(model_key(model) in entry.get("data", {}) for entry in self._entries.all())
            if finalizer in finalizers and not mentioned:
                await self._set_finalizers(model, [name for name in finalizers if name != finalizer])
            return
        if finalizer not in finalizers:
            model = await self._set_finalizers(model, [*finalizers, finalizer])
            cache.put(model)
        status = aggregate(model_key(model), self._nodes.all(), self._entries.all())
        if status != model.get("status"):
            cache.put(await self._api.update(f"{path_of(model)}/status", {**model, "status": status}))

    async def _set_finalizers(self, model: Object, finalizers: list[str]) -> Object:
        version = model["metadata"]["resourceVersion"]
        return await self._api.patch(
            path_of(model), {"metadata": {"resourceVersion": version, "finalizers": finalizers}}
        )

    async def _act_as_agents(self, key: ModelKey, model: Object) -> None:
        state = None if "deletionTimestamp" in model["metadata"] else outcome(model)
        if state is not None and (wait := self._download_time(model)) > 0:
            self._queue.add_after(key, wait)
            return
        for node in self._agent_nodes(model):
            await self._tell(node, model, state)

    def _download_time(self, model: Object) -> float:
        """Returns the seconds until a model, first seen now or before, is there."""
        now = asyncio.get_running_loop().time()
        seconds = float(model["metadata"].get("annotations", {}).get(DELAY, self._agent_delay))
        return self._downloads.setdefault(model["metadata"]["uid"], now + seconds) - now

    def _agent_nodes(self, model: Object) -> list[Object]:
        nodes = list(self._nodes.all())
        ours = [node for node in nodes if node["metadata"].get("labels", {}).get(NODE_LABEL) == "true"]
        selector = model["spec"]["storage"].get("nodeSelector", {})
        return [node for node in ours or nodes if selector.items() <= node["metadata"].get("labels", {}).items()]

    async def _tell(self, node: Object, model: Object, state: str | None) -> None:
        """Makes a node's ConfigMap and label say what the agent found; None means that the model is not there."""
        name, key, label = node["metadata"]["name"], model_key(model), model_label(model)
        text = json.dumps({"name": model["metadata"]["name"], "status": state}) if state else None
        entry = self._entries.get(NAMESPACE, name)
        if (entry or {}).get("data", {}).get(key) != text:
            self._entries.put(await self._write_entry(name, {key: text}))
        value = "Ready" if state == "Ready" else None
        if node["metadata"].get("labels", {}).get(label) != value:
            patch = {"metadata": {"labels": {label: value}}}
            self._nodes.put(await self._api.patch(f"/api/v1/nodes/{name}", patch))

    async def _write_entry(self, node: str, data: dict[str, str | None]) -> Object:
        path = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
        try:
            return await self._api.patch(f"{path}/{node}", {"data": data})
        except ApiError as error:
            if error.status != 404:
                raise
        metadata = {"name": node, "namespace": NAMESPACE, "labels": {ENTRY_LABEL: "true"}}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        return await self._api.create(path, body)
