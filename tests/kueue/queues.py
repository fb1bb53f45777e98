"""Queues of one story, and what others put into them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from autotuner.kubernetes_object import Object
from testbed.api import Api, ApiError
from tests.e2e.story import Story
from tests.support.waiting import wait_for

VERSION = "kueue.x-k8s.io/v1beta2"
KUEUE = f"/apis/{VERSION}"
LABEL = "kueue.x-k8s.io/queue-name"
PRIORITY = "kueue.x-k8s.io/priority-class"
# The name of a story's LocalQueue.
QUEUE = "team"
IN_QUEUE = {"spec.service.queueName": QUEUE}


class Queues:
    """A ClusterQueue of the namespace's name with a LocalQueue, and the classes `low` and `high` of priority."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api, self._namespace = api, namespace
        self._made: list[str] = []
        self._hogs: set[str] = set()

    async def _make(self, kind: str, path: str, name: str, **body: object) -> None:
        identity = {"apiVersion": VERSION, "kind": kind, "metadata": {"name": name}}
        await self._api.create(path, {**identity, **body})
        self._made.append(f"{path}/{name}")

    async def make(self, gpus: int, cpu: str = "64", node: str = "") -> None:
        """A queue with so much quota, on one node if that is named; it is in force when this returns."""
        name = self._namespace
        quota = {"nvidia.com/gpu": str(gpus), "cpu": cpu, "memory": "512Gi"}
        labels = {"nodeLabels": {"kubernetes.io/hostname": node}} if node else {}
        await self._make("ResourceFlavor", f"{KUEUE}/resourceflavors", name, spec=labels)
        flavor = {"name": name, "resources": [{"name": key, "nominalQuota": value} for key, value in quota.items()]}
        spec: Object = {
            "namespaceSelector": {},
            "resourceGroups": [{"coveredResources": list(quota), "flavors": [flavor]}],
            "preemption": {"withinClusterQueue": "LowerPriority"},
        }
        await self._make("ClusterQueue", f"{KUEUE}/clusterqueues", name, spec=spec)
        await self._make("LocalQueue", f"{KUEUE}/namespaces/{name}/localqueues", QUEUE, spec={"clusterQueue": name})
        for priority, value in (("low", -10), ("high", 10)):
            await self._make(
                "WorkloadPriorityClass", f"{KUEUE}/workloadpriorityclasses", f"{name}-{priority}", value=value
            )
        await wait_for(self._active, "the queue admits")

    def priority(self, word: str) -> str:
        """The name of the class `low` or `high`."""
        return f"{self._namespace}-{word}"

    async def _active(self) -> bool:
        queue = await self._api.get(f"{KUEUE}/namespaces/{self._namespace}/localqueues/{QUEUE}")
        conditions = queue.get("status", {}).get("conditions") or []
        return any(one["type"] == "Active" and one["status"] == "True" for one in conditions)

    async def hog(
        self, name: str, limits: Mapping[str, str], *, priority: str = "", script: str = "sleep 600", grace: int = 1
    ) -> None:
        """A Job of somebody else in the queue, which runs when this returns."""
        container = {"name": "hog", "image": "testbed/shell", "command": ["sh", "-c", script]}
        pod = {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": grace,
            "containers": [{**container, "resources": {"limits": dict(limits)}}],
        }
        labels = {LABEL: QUEUE, **({PRIORITY: self.priority(priority)} if priority else {})}
        path = f"/apis/batch/v1/namespaces/{self._namespace}/jobs"
        body = {"metadata": {"name": name, "labels": labels}, "spec": {"backoffLimit": 0, "template": {"spec": pod}}}
        await self._api.create(path, body)
        self._hogs.add(name)

        async def runs() -> bool:
            status = (await self._api.get(f"{path}/{name}")).get("status", {})
            return bool(status.get("ready") or status.get("succeeded"))

        await wait_for(runs, f"{name} runs")

    async def remove_hog(self, name: str) -> None:
        """Takes that Job away; returns when it is gone."""
        self._hogs.remove(name)
        path = f"/apis/batch/v1/namespaces/{self._namespace}/jobs/{name}"
        await self._api.delete(path, {"propagationPolicy": "Foreground"})

        async def gone() -> bool:
            try:
                await self._api.get(path)
            except ApiError as problem:
                return problem.status == 404
            return False

        await wait_for(gone, f"{name} is gone")

    async def end(self) -> None:
        """Takes away what the others put there, and what a namespace does not take along."""
        for name in sorted(self._hogs):
            await self.remove_hog(name)
        for path in reversed(self._made):
            await self._api.delete(path)


async def says(story: Story, name: str, words: str, seconds: float = 60) -> Object:
    """The experiment once its message matches."""

    async def look() -> Object | None:
        body = await story.experiment(name)
        return body if body and re.search(words, body.get("status", {}).get("message", "")) else None

    return await wait_for(look, f"{name} says {words}", seconds)


async def ended(story: Story, name: str, reason: str, words: str, seconds: float = 90) -> Object:
    """The experiment once it is over, which it is for this reason, saying this, holding nothing."""
    body = await story.experiment_finished(name, seconds)
    assert body["status"].get("reason") == reason, body["status"]["message"]
    assert re.search(words, body["status"]["message"]), body["status"]["message"]
    assert not [item for item in await story.left() if name in item]
    return body
