"""An API server of one dictionary: enough to see what a controller asks for, and in which order."""

from __future__ import annotations

import copy
from typing import Any, cast

from autotuner.kube import AlreadyExistsError, ConflictError, Kube, RejectedError
from autotuner.kubernetes_object import Object, Resource
from tests.unit.builders import at, merged

READS = ("get", "list", "logs", "dry run")


class FakeKube:
    """Objects by kind and name; `refuse` is raised by the call of that name and kind."""

    def __init__(self, *objects: Object) -> None:
        self.objects = {(body["kind"], body["metadata"]["name"]): copy.deepcopy(body) for body in objects}
        self.calls: list[tuple[str, str]] = []
        self.refuse: dict[tuple[str, str], Exception] = {}
        self.log = ""
        self._version = 100

    def as_kube(self) -> Kube:
        return cast(Kube, self)

    @property
    def writes(self) -> list[str]:
        """What was written, in order, but for events."""
        return [f"{verb} {kind}" for verb, kind in self.calls if verb not in READS and kind != "Event"]

    @property
    def events(self) -> list[str]:
        return [body["reason"] for (kind, _), body in self.objects.items() if kind == "Event"]

    def _called(self, verb: str, resource: Resource) -> None:
        self.calls.append((verb, resource.kind))
        if problem := self.refuse.get((verb, resource.kind)):
            raise problem

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object | None:
        self._called("get", resource)
        return copy.deepcopy(self.objects.get((resource.kind, name)))

    async def list(self, resource: Resource, namespace: str | None, **selectors: str) -> list[Object]:
        self._called("list", resource)
        return [
            copy.deepcopy(body)
            for (kind, _), body in self.objects.items()
            if kind == resource.kind and _selected(body, selectors.get("labels", ""))
        ]

    async def list_metadata(self, resource: Resource, namespace: str | None, labels: str = "") -> list[Object]:
        return [body["metadata"] for body in await self.list(resource, namespace, labels=labels)]

    async def logs(self, *_: Any, **__: Any) -> str:
        self.calls.append(("logs", "Pod"))
        return self.log

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        self._called("create", resource)
        self._version += 1
        name = body["metadata"].get("name") or f"{body['metadata']['generateName']}{self._version}"
        if (resource.kind, name) in self.objects:
            raise AlreadyExistsError(409, "AlreadyExists", f"{resource.plural} {name!r} already exists")
        server = {
            "uid": f"uid-{resource.kind}-{name}",
            "creationTimestamp": at(1),
            "resourceVersion": str(self._version),
        }
        self.objects[resource.kind, name] = merged({"status": {}}, {**body, "metadata": {**body["metadata"], **server}})
        return copy.deepcopy(self.objects[resource.kind, name])

    async def dry_run(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        self._called("dry run", resource)
        return copy.deepcopy(body)

    async def apply_status(self, resource: Resource, seen: Object, status: Object) -> Object:
        self._called("status", resource)
        live = self.objects[resource.kind, seen["metadata"]["name"]]
        if live["metadata"]["resourceVersion"] != seen["metadata"]["resourceVersion"]:
            raise ConflictError(409, "Conflict", "the object has been modified")
        self._version += 1
        live["status"] = copy.deepcopy(status)
        live["metadata"]["resourceVersion"] = str(self._version)
        return copy.deepcopy(live)

    async def replace(self, resource: Resource, body: Object) -> Object:
        self._called("replace", resource)
        live = self.objects[resource.kind, body["metadata"]["name"]]
        if live["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            raise ConflictError(409, "Conflict", "the object has been modified")
        self._version += 1
        metadata = {**body["metadata"], "resourceVersion": str(self._version)}
        self.objects[resource.kind, body["metadata"]["name"]] = copy.deepcopy({**body, "metadata": metadata})
        return copy.deepcopy(self.objects[resource.kind, body["metadata"]["name"]])

    async def apply(self, resource: Resource, body: Object) -> Object:
        self._called("apply", resource)
        self.objects[resource.kind, body["metadata"]["name"]] = copy.deepcopy(body)
        return copy.deepcopy(body)

    async def merge(self, resource: Resource, namespace: str, name: str, body: Object) -> Object:
        self._called("merge", resource)
        if (resource.kind, name) not in self.objects:
            raise RejectedError(404, "NotFound", name)
        self.objects[resource.kind, name] = merged(self.objects[resource.kind, name], body)
        return copy.deepcopy(self.objects[resource.kind, name])

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        self._called("delete", resource)
        assert self.objects[resource.kind, name]["metadata"]["uid"] == uid
        self.objects[resource.kind, name]["metadata"]["deletionTimestamp"] = at(1)


def _selected(body: Object, selector: str) -> bool:
    """Whether the labels match `name=value`, `name`, `!name` or nothing in particular."""
    labels = body["metadata"].get("labels", {})
    if selector.startswith("!"):
        return selector[1:] not in labels
    name, equals, value = selector.partition("=")
    return not selector or (labels.get(name) == value if equals else name in labels)
