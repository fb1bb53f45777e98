"""The objects that LWS makes of a LeaderWorkerSet. Pure."""

from __future__ import annotations

import copy
import hashlib
import json

from autotuner.kubernetes_object import Object

GROUP = "leaderworkerset.x-k8s.io"
PREFIX = "leaderworkerset.sigs.k8s.io/"
NAME, INDEX, RANK = f"{PREFIX}name", f"{PREFIX}group-index", f"{PREFIX}worker-index"
REVISION, SIZE, LEADER = f"{PREFIX}template-revision-hash", f"{PREFIX}size", f"{PREFIX}leader-name"
ORDINAL = "apps.kubernetes.io/pod-index"


def size(lws: Object) -> int:
    """How many pods each group has."""
    return int(lws["spec"]["leaderWorkerTemplate"].get("size", 1))


def revision(lws: Object) -> str:
    """What changes when groups have to be made anew."""
    group = lws["spec"]["leaderWorkerTemplate"]
    told = json.dumps([group.get("leaderTemplate"), group["workerTemplate"], size(lws)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:10]


def owned_by(owner: Object, api_version: str, kind: str) -> Object:
    """The reference to an owner whose deletion in the foreground waits."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def service(lws: Object) -> Object:
    """The headless Service of all pods."""
    name = lws["metadata"]["name"]
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {NAME: name}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(lws, name), "spec": spec}


def leaders(lws: Object) -> Object:
    """The StatefulSet of the leaders."""
    group, name = lws["spec"]["leaderWorkerTemplate"], lws["metadata"]["name"]
    template = _template(lws, group.get("leaderTemplate") or group["workerTemplate"], {RANK: "0"}, {})
    own_name = {"name": "LWS_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    address = {"name": "LWS_LEADER_ADDRESS", "value": f"$(LWS_POD_NAME).{name}.{lws['metadata']['namespace']}"}
    _put_first(template, [own_name, address, *_size_variable(lws), {"name": "LWS_WORKER_INDEX", "value": "0"}])
    return _stateful_set(
        _metadata(lws, name), lws["spec"].get("replicas", 1), {NAME: name, RANK: "0"}, template, 0, name
    )


def workers(lws: Object, leader: Object) -> Object:
    """The StatefulSet of the workers of a leader's pod, which owns it."""
    meta, name = leader["metadata"], lws["metadata"]["name"]
    group = meta["name"].rpartition("-")[2]
    template = _template(
        lws, lws["spec"]["leaderWorkerTemplate"]["workerTemplate"], {INDEX: group}, {LEADER: meta["name"]}
    )
    address = {"name": "LWS_LEADER_ADDRESS", "value": f"{meta['name']}.{name}.{meta['namespace']}"}
    rank = {"name": "LWS_WORKER_INDEX", "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{ORDINAL}']"}}}
    _put_first(template, [address, *_size_variable(lws), rank])
    metadata = {
        **_metadata(lws, meta["name"]),
        "ownerReferences": [owned_by(leader, "v1", "Pod")],
    }
    return _stateful_set(metadata, size(lws) - 1, {NAME: name, INDEX: group}, template, 1, name)


def _metadata(lws: Object, name: str) -> Object:
    meta = lws["metadata"]
    return {
        "name": name,
        "namespace": meta["namespace"],
        "labels": {**meta.get("labels", {}), NAME: meta["name"]},
        "annotations": {REVISION: revision(lws)},
        "ownerReferences": [owned_by(lws, f"{GROUP}/v1", "LeaderWorkerSet")],
    }


def _stateful_set(
    metadata: Object, replicas: int, selector: dict[str, str], template: Object, first: int, service_name: str
) -> Object:
    spec: Object = {
        "replicas": replicas,
        "podManagementPolicy": "Parallel",
        "serviceName": service_name,
        "selector": {"matchLabels": selector},
        "template": template,
    }
    if first:
        spec["ordinals"] = {"start": first}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}


def _template(lws: Object, template: Object, labels: dict[str, str], annotations: dict[str, str]) -> Object:
    found = copy.deepcopy(template)
    meta = found.setdefault("metadata", {})
    own = {NAME: lws["metadata"]["name"], REVISION: revision(lws)}
    meta["labels"] = {**meta.get("labels", {}), **own, **labels}
    meta["annotations"] = {**meta.get("annotations", {}), SIZE: str(size(lws)), **annotations}
    return found


def _size_variable(lws: Object) -> list[Object]:
    return [{"name": "LWS_GROUP_SIZE", "value": str(size(lws))}]


def _put_first(template: Object, variables: list[Object]) -> None:
    names = {one["name"] for one in variables}
    for kind in ("initContainers", "containers"):
        for container in template["spec"].get(kind, ()):
            own = [one for one in container.get("env", ()) if one["name"] not in names]
            container["env"] = [*variables, *own]
