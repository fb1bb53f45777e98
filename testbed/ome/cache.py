"""A local copy of the objects of one kind, kept by a watch."""

from __future__ import annotations

from collections.abc import Callable, ValuesView

from autotuner.kubernetes_object import Object
from testbed.api import Api

Key = tuple[str, str]


def key_of(obj: Object) -> Key:
    """Returns namespace ("" for cluster-scoped objects) and name."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


class Cache:
    """Objects by namespace and name. `changed` is called with each object that came, changed or went."""

    def __init__(self, api: Api, path: str, changed: Callable[[Object], None], **params: str) -> None:
        self._api, self._path, self._params = api, path, params
        self._changed = changed
        self._objects: dict[Key, Object] = {}

    def get(self, namespace: str, name: str) -> Object | None:
        """Returns an object, or None."""
        return self._objects.get((namespace, name))

    def all(self) -> ValuesView[Object]:
        """Returns every object."""
        return self._objects.values()

    def put(self, obj: Object) -> None:
        """Takes over what a write returned, so that the next pass does not work on older news."""
        known = self._objects.get(key_of(obj))
        if known is None or _version(known) <= _version(obj):
            self._objects[key_of(obj)] = obj

    def forget(self, obj: Object) -> None:
        """Drops an object that a write did not find any more."""
        known = self._objects.get(key_of(obj))
        if known and known["metadata"]["uid"] == obj["metadata"]["uid"]:
            del self._objects[key_of(obj)]

    async def fill(self) -> None:
        """Reads everything once, without calling `changed`: no controller may act on half of the picture."""
        listing = await self._api.list(self._path, **self._params)
        for item in listing["items"]:
            item.setdefault("apiVersion", listing["apiVersion"])
            item.setdefault("kind", listing["kind"].removesuffix("List"))
            self._objects[key_of(item)] = item

    async def run(self) -> None:
        """Follows the changes for ever."""
        async for event, obj in self._api.watch(self._path, **self._params):
            if event == "DELETED":
                self.forget(obj)
            else:
                self.put(obj)
            self._changed(obj)


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])
