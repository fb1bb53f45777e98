"""Nodes whose pods are only said to run: their states are written by this script, and no process is started. It imports
nothing of this project, so that another revision's operator can be measured with them, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_RENEW_SECONDS = 10.0
_RESOURCES = {"cpu": "256", "memory": "2Ti", "ephemeral-storage": "10Ti", "pods": "250", "nvidia.com/gpu": "64"}
_INFO = (
    *("architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion"),
    *("machineID", "osImage", "systemUUID"),
)


def now() -> str:
    """The time as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class ScriptedNodes:
    """Says of each pod that is bound to its nodes that it runs, and of a deleted one that it is gone.

    Attributes:
        running: pods of Jobs that are said to run, by the label of their experiment.
    """

    def __init__(self, api: Any, count: int, image_ids: Mapping[str, str]) -> None:
        """Nodes that are registered by `run`.

        Args:
            api: of the cluster.
            count: how many nodes.
            image_ids: what an image was pulled as, by its name; a task notices when it changes.
        """
        self._api, self._image_ids = api, image_ids
        self._names = [f"scripted-{number}" for number in range(count)]
        self.running: dict[str, Object] = {}
        self._seen: set[str] = set()
        self._writing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Register the nodes, and work until cancelled."""
        for name in self._names:
            await self._api.create("/api/v1/nodes", _node(name))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_alive())
            group.create_task(self._follow())

    async def end(self, pod: Object, message: str) -> None:
        """Say that a Job's pod has ended well, with this termination message."""
        self._forget(pod)
        time = now()
        ended = {"exitCode": 0, "reason": "Completed", "message": message, "startedAt": time, "finishedAt": time}
        await self._write(pod, "Succeeded", {"terminated": ended})

    async def _keep_alive(self) -> None:
        while True:
            for name in self._names:
                time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                lease = {
                    "apiVersion": "coordination.k8s.io/v1",
                    "kind": "Lease",
                    "metadata": {"name": name, "namespace": "kube-node-lease"},
                    "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": time},
                }
                await self._api.apply(f"{_LEASES}/{name}", lease, "scripted-nodes")
            await asyncio.sleep(_RENEW_SECONDS)

    async def _follow(self) -> None:
        async for event, pod in self._api.watch("/api/v1/pods", fieldSelector="spec.nodeName!="):
            if pod["spec"]["nodeName"] not in self._names:
                continue
            meta = pod["metadata"]
            if event == "DELETED":
                self._forget(pod)
            elif "deletionTimestamp" in meta:
                self._forget(pod)
                self._later(self._gone(pod))
            elif meta["uid"] not in self._seen:
                self._seen.add(meta["uid"])
                self._later(self._begin(pod))

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _begin(self, pod: Object) -> None:
        await self._write(pod, "Running", {"running": {"startedAt": now()}})
        experiment = pod["metadata"].get("labels", {}).get("autotuner.io/experiment")
        if experiment and any(one["kind"] == "Job" for one in pod["metadata"].get("ownerReferences", [])):
            self.running[experiment] = pod

    def _forget(self, pod: Object) -> None:
        experiment = pod["metadata"].get("labels", {}).get("autotuner.io/experiment")
        known = self.running.get(experiment or "")
        if known is not None and known["metadata"]["uid"] == pod["metadata"]["uid"]:
            del self.running[experiment]

    async def _gone(self, pod: Object) -> None:
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        try:
            await self._api.delete(path, {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}})
        except Exception as problem:
            if getattr(problem, "status", None) not in (404, 409):
                raise

    async def _write(self, pod: Object, phase: str, state: Object) -> None:
        meta, time, runs = pod["metadata"], now(), phase == "Running"
        conditions = [
            {"type": kind, "status": "True" if runs or kind == "Initialized" else "False", "lastTransitionTime": time}
            for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
        ]
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": time}
        containers = [
            {
                "name": one["name"],
                "image": one["image"],
                "imageID": self._image_ids.get(one["image"], "scripted"),
                "containerID": f"scripted://{meta['uid']}/{one['name']}",
                "ready": runs,
                "started": runs,
                "restartCount": 0,
                "state": state,
            }
            for one in pod["spec"]["containers"]
        ]
        status = {
            "phase": phase,
            "conditions": [scheduled, *conditions],
            "containerStatuses": containers,
            "hostIP": "127.0.0.1",
            "podIP": "127.0.0.1",
            "startTime": time,
        }
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/status"
        try:
            await self._api.patch(path, {"status": status})
        except Exception as problem:
            if getattr(problem, "status", None) != 404:
                raise


def _node(name: str) -> Object:
    conditions = [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Scripted",
            "lastHeartbeatTime": now(),
            "lastTransitionTime": now(),
        }
    ]
    labels = {
        "autotuner.io/testbed-node": "true",  # the stand-in for OME's model agent looks for it
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
        "nvidia.com/gpu.memory": "81559",
        "nvidia.com/gpu.count": "64",
    }
    status = {
        "capacity": _RESOURCES,
        "allocatable": _RESOURCES,
        "conditions": conditions,
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 1}},  # where nobody listens: who asks for a log is refused
        "nodeInfo": {**dict.fromkeys(_INFO, ""), "kubeletVersion": "v1.34.4-scripted", "operatingSystem": "linux"},
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "status": status}
