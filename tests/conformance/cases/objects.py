"""Objects of the conformance cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotuner.kube import TASK
from autotuner.kubernetes_object import Object, Resource
from tests.conformance.server import Server
from tests.support.objects import make_task

# The status of one of our objects before anybody has written it.
UNSEEN: Object = {"observedGeneration": 0}


async def create_seen(server: Server, name: str = "chat", **options: Any) -> Object:
    """A task whose status somebody has written, if only a word.

    Before, a real API server keeps no status, shows its default, and keeps that with the first write of anything: a
    write that changes nothing has a new version once.
    """
    await server.create(TASK, make_task(name), **options)
    return await server.merge(TASK, name, {"status": {"message": "seen"}}, subresource="status")


def config_map(name: str = "notes", data: Mapping[str, str] | None = None, **metadata: Any) -> Object:
    """A ConfigMap."""
    body: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}
    return {**body, "data": dict(data)} if data is not None else body


def pod(name: str = "engine", node: str = "", **metadata: Any) -> Object:
    """A pod that runs nothing: its node is not there."""
    spec: Object = {"containers": [{"name": "main", "image": "none"}], "schedulerName": "nobody"}
    if node:
        spec["nodeName"] = node
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}


def lease(name: str = "leader", holder: str = "a") -> Object:
    """A Lease."""
    meta = {"name": name}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": meta,
        "spec": {"holderIdentity": holder},
    }


def event(about: Object, **metadata: Any) -> Object:
    """An Event about an object."""
    meta = about["metadata"]
    involved = {"kind": about["kind"], "apiVersion": about["apiVersion"], "name": meta["name"], "uid": meta["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": metadata,
        "involvedObject": {**involved, "namespace": meta["namespace"]},
        "reason": "Noted",
        "message": "so it is",
        "type": "Normal",
        "reportingComponent": "tests",
        "source": {"component": "tests"},
    }


def reference(owner: Object, *, blocking: bool = True, controller: bool = True, **changes: Any) -> Object:
    """An owner reference."""
    meta = owner["metadata"]
    result: Object = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": controller,
        "blockOwnerDeletion": blocking,
    }
    return {**result, **changes}


def at(resource: Resource, name: str, version: str = "", **more: Any) -> Object:
    """An object of a request that names an object and, if it is given, its version."""
    metadata = {"name": name, **({"resourceVersion": version} if version else {})}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **more}


def version(body: Object) -> str:
    """An object's version."""
    return str(body["metadata"]["resourceVersion"])
