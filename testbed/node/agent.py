"""Registers nodes, keeps them alive in the API, and gives each pod bound to them its life."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from datetime import UTC, datetime

from autotuner.kubernetes_object import Object
from testbed.api import AWAY, Api, ApiError
from testbed.node.container import now
from testbed.node.context import Context
from testbed.node.pod import Pod, fail_orphan

log = logging.getLogger(__name__)

LABEL = "autotuner.io/testbed-node"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_RENEW_SECONDS = 10
_LEASE_SECONDS = 40
_STATUS_EVERY = 6  # renewals between two heartbeats in the node's status
_RESOURCES = {"cpu": "32", "memory": "256Gi", "ephemeral-storage": "500Gi", "pods": "110", "nvidia.com/gpu": "8"}

_INFO = (
    *("architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion"),
    *("machineID", "osImage", "systemUUID"),
)


def node_object(name: str, port: int) -> Object:
    """Returns the Node that is registered; `port` is where its logs are served."""
    time = now()
    checks = ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    conditions = [
        {
            "type": kind,
            "status": "True" if kind == "Ready" else "False",
            "reason": "TestbedNode",
            "message": "pods are local processes",
            "lastHeartbeatTime": time,
            "lastTransitionTime": time,
        }
        for kind in checks
    ]
    labels = {
        LABEL: "true",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.count": "8",
        "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
        "nvidia.com/gpu.memory": "81559",
    }
    status = {
        "capacity": _RESOURCES,
        "allocatable": _RESOURCES,
        "conditions": conditions,
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "nodeInfo": {**dict.fromkeys(_INFO, ""), "kubeletVersion": "v1.34.4-testbed", "operatingSystem": "linux"},
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "status": status}


class Agent:
    """Does a kubelet's work for several nodes."""

    def __init__(self, api: Api, nodes: Iterable[Context], log_port: int = 0) -> None:
        self._api = api
        self._nodes = {node.name: node for node in nodes}
        self._pods: dict[str, Pod] = {}
        self.log_port = log_port

    def find(self, namespace: str, name: str) -> Pod | None:
        """Returns the pod of that name that runs here."""
        for pod in self._pods.values():
            metadata = pod.object["metadata"]
            if metadata["namespace"] == namespace and metadata["name"] == name:
                return pod
        return None

    async def run(self) -> None:
        """Works until cancelled."""
        await self._api.ready()
        async with asyncio.TaskGroup() as group:
            for name in self._nodes:
                await self._register(name)
                group.create_task(self._keep_alive(name))
            print("ready", flush=True)
            group.create_task(self._follow_pods())

    def kill(self) -> None:
        """Kills the processes of all pods."""
        for pod in self._pods.values():
            pod.kill()

    async def unregister(self) -> None:
        """Takes the nodes out of a cluster that goes on without them."""
        for name in self._nodes:
            for path in (f"/api/v1/nodes/{name}", f"{_LEASES}/{name}"):
                try:
                    await self._api.delete(path)
                except (ApiError, *AWAY) as error:
                    log.warning("%s: %s", path, error)

    async def _register(self, name: str) -> None:
        node = node_object(name, self.log_port)
        try:
            await self._api.create("/api/v1/nodes", node)
        except ApiError as error:
            if error.status != 409:
                raise
            await self._api.patch(f"/api/v1/nodes/{name}", {"metadata": node["metadata"]})
            await self._api.patch(f"/api/v1/nodes/{name}/status", {"status": node["status"]})

    async def _keep_alive(self, name: str) -> None:
        turn = 0
        while True:
            try:
                await self._renew(name)
                if turn % _STATUS_EVERY == 0:
                    beat = {"conditions": node_object(name, self.log_port)["status"]["conditions"]}
                    await self._api.patch(f"/api/v1/nodes/{name}/status", {"status": beat})
                turn += 1
                await asyncio.sleep(_RENEW_SECONDS)
            except ApiError as error:
                log.warning("heartbeat of %s: %s", name, error)
                if error.status == 404:
                    with contextlib.suppress(ApiError, *AWAY):
                        await self._register(name)
                await asyncio.sleep(1)
            except AWAY as error:
                log.warning("heartbeat of %s: %s", name, error)
                await asyncio.sleep(1)

    async def _renew(self, name: str) -> None:
        time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": name, "leaseDurationSeconds": _LEASE_SECONDS, "renewTime": time}
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": "kube-node-lease"},
            "spec": spec,
        }
        await self._api.apply(f"{_LEASES}/{name}", lease, "testbed-node")

    async def _follow_pods(self) -> None:
        async for event, pod in self._api.watch("/api/v1/pods", fieldSelector="spec.nodeName!="):
            node = self._nodes.get(pod["spec"].get("nodeName", ""))
            if node is not None:
                self._note(node, event, pod)

    def _note(self, node: Context, event: str, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        known = self._pods.get(uid)
        if event == "DELETED":
            if known is not None:
                known.vanish()
        elif known is not None:
            known.update(pod)
        elif not pod.get("status", {}).get("startTime"):
            self._pods[uid] = Pod(node, pod)
            node.spawn(self._live(uid))
        elif event == "ADDED":  # begun by another process of this program; later events are echoes of our own work
            node.spawn(fail_orphan(node, pod))

    async def _live(self, uid: str) -> None:
        await self._pods[uid].run()
        self._pods.pop(uid, None)
