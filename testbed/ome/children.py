"""Makes and keeps the objects that belong to InferenceServices; KServe's stand-in uses it too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from autotuner.kubernetes_object import Object
from testbed.api import Api, ApiError
from testbed.ome.cache import Cache
from testbed.ome.render import LABEL

_GROUPS = {
    "ConfigMap": ("/api/v1", "configmaps"),
    "Service": ("/api/v1", "services"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets"),
}


class Children:
    """The children of all InferenceServices. A change of any of them calls `changed` with it.

    Args:
        api: of the cluster.
        changed: called with each child that came, changed or went.
        label: whose value is the name of the InferenceService.
        kinds: of the children.
    """

    def __init__(
        self,
        api: Api,
        changed: Callable[[Object], None],
        label: str = LABEL,
        kinds: Sequence[str] = tuple(_GROUPS),
    ) -> None:
        self._api = api
        self._label = label
        self._caches = {
            kind: Cache(api, f"{root}/{plural}", changed, labelSelector=label)
            for kind, (root, plural) in _GROUPS.items()
            if kind in kinds
        }
        self._written: dict[str, tuple[str, int | None]] = {}

    def caches(self) -> Iterator[Cache]:
        """Yields the caches, which somebody has to run."""
        yield from self._caches.values()

    def of(self, kind: str, namespace: str, name: str) -> list[Object]:
        """Returns what bears the label of an InferenceService, whoever made it."""
        return [
            child
            for child in self._caches[kind].all()
            if child["metadata"]["namespace"] == namespace and child["metadata"]["labels"][self._label] == name
        ]

    async def ensure(self, wanted: Object) -> Object:
        """Creates an object, or gives an existing one of that name the wanted content; returns it.

        Raises:
            ApiError: refused.
        """
        metadata = wanted["metadata"]
        cache = self._caches[wanted["kind"]]
        root, plural = _GROUPS[wanted["kind"]]
        path = f"{root}/namespaces/{metadata['namespace']}/{plural}"
        digest = json.dumps(wanted, sort_keys=True)
        live = cache.get(metadata["namespace"], metadata["name"])
        if live and self._written.get(live["metadata"]["uid"]) == (digest, live["metadata"].get("generation")):
            return live
        result = await self._create(path, wanted) if live is None else None
        if result is None:
            live = live or await self._api.get(f"{path}/{metadata['name']}")
            result = await self._api.update(f"{path}/{metadata['name']}", overlay(live, wanted))
        cache.put(result)
        self._written[result["metadata"]["uid"]] = (digest, result["metadata"].get("generation"))
        return result

    async def _create(self, path: str, wanted: Object) -> Object | None:
        try:
            return await self._api.create(path, wanted)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                return None
            raise


def overlay(live: Object, wanted: Object) -> Object:
    """Returns an object with the wanted content that keeps what others decided: replicas, addresses, annotations."""
    result = {**live, **{key: value for key, value in wanted.items() if key not in ("metadata", "spec")}}
    old, new = live["metadata"], wanted["metadata"]
    maps = {key: {**old.get(key, {}), **new.get(key, {})} for key in ("labels", "annotations")}
    result["metadata"] = {**old, **maps, "ownerReferences": new["ownerReferences"]}
    if "spec" in wanted:
        kept = {"replicas": live["spec"]["replicas"]} if wanted["kind"] == "Deployment" else {}
        result["spec"] = {**live["spec"], **wanted["spec"], **kept}
    return result
