"""The life of one pod on a node: from bound to gone."""

from __future__ import annotations

import asyncio
import copy
import logging
import shutil
import signal
from collections.abc import Awaitable, Callable, Sequence

from autotuner.kubernetes_object import Object
from autotuner.local.pod_status import Verdict, conditions, entries, phase
from testbed.api import AWAY, STRATEGIC, ApiError
from testbed.node.container import Container, now
from testbed.node.context import Context, local
from testbed.node.lifecycle import Lifecycle
from testbed.node.volumes import VolumeError, Volumes

log = logging.getLogger(__name__)


async def insist(request: Callable[[], Awaitable[Object]]) -> Object | None:
    """Repeats a request until the API server answers; None where it answers that the object is gone or another one."""
    delay = 0.05
    while True:
        try:
            return await request()
        except ApiError as error:
            passing = error.status in (429, 409) or error.status >= 500
            if not passing or "UID in precondition" in error.message:
                if error.status not in (404, 409):
                    log.error("%s", error)
                return None
        except AWAY as error:
            log.warning("API server away: %s", error)
        await asyncio.sleep(delay)
        delay = min(2 * delay, 1.0)


class Pod:
    """Runs one pod; told of its changes by `update` and `vanish`."""

    def __init__(self, node: Context, pod: Object) -> None:
        self._node = node
        self.object = pod
        metadata = pod["metadata"]
        self.uid: str = metadata["uid"]
        self._path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        self._folder = node.folder / self.uid
        logs = node.logs / f"{metadata['namespace']}_{metadata['name']}_{self.uid}"
        self.inits = [
            Container(spec, True, f"{self.uid}/{spec['name']}", logs=logs / spec["name"])
            for spec in pod["spec"].get("initContainers") or []
        ]
        self.containers = [
            Container(spec, False, f"{self.uid}/{spec['name']}", logs=logs / spec["name"])
            for spec in pod["spec"]["containers"]
        ]
        if self.inits:
            for container in self.containers:
                container.wait_for("PodInitializing")
        self._started = now()
        self._address: str | None = None
        self._ending = asyncio.Event()
        self._final = False
        self._verdict: Verdict | None = None
        self._gone = False
        self._sent: Object = {}
        self._conditions: list[Object] = pod.get("status", {}).get("conditions") or []
        self._writing = asyncio.Lock()
        self.update(pod)

    @property
    def all(self) -> Sequence[Container]:
        """All containers, in the order of their start."""
        return [*self.inits, *self.containers]

    def update(self, pod: Object) -> None:
        """Takes note of a new version of the pod; starts its end when it was deleted."""
        self.object = pod
        metadata = pod["metadata"]
        if metadata.get("deletionTimestamp"):
            grace = metadata.get("deletionGracePeriodSeconds") or 0
            asyncio.get_running_loop().call_later(grace, self.kill)  # a second deletion may shorten the first one's
            self._ending.set()

    def vanish(self) -> None:
        """Takes note that the pod is gone from the API: nothing of it may run."""
        self._gone = True
        self.kill()
        self._ending.set()

    def kill(self) -> None:
        """Kills what runs."""
        for container in self.all:
            if container.run is not None:
                container.run.send(signal.SIGKILL)

    async def run(self) -> None:
        """Lives the pod's life; returns when nothing of it is left."""
        try:
            await self._live_and_end()
        except Exception:
            log.exception("pod %s", self._path)
            self._verdict = Verdict("NodeError", "the node failed; its log says why")
            self.kill()
        await self._settle()
        await self._ending.wait()
        await asyncio.to_thread(shutil.rmtree, self._folder, True)
        if not self._gone:
            options = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
            await insist(lambda: self._node.api.delete(self._path, options))

    async def _live_and_end(self) -> None:
        if self._ending.is_set():
            return
        self._address = self._node.addresses.take()
        live = asyncio.create_task(self._live())
        ending = asyncio.create_task(self._ending.wait())
        deadline = self.object["spec"].get("activeDeadlineSeconds")
        await asyncio.wait({live, ending}, timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if live.done():
            live.result()
            return
        if not self._ending.is_set():
            self._verdict = Verdict("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
            grace = self.object["spec"].get("terminationGracePeriodSeconds", 30)
            asyncio.get_running_loop().call_later(grace, self.kill)
        live.cancel()
        await asyncio.wait({live})

    async def _settle(self) -> None:
        """Ends what still runs (the killing after the grace period is under way) and says how it all ended."""
        running = [container for container in self.all if container.run is not None and container.run.alive]
        for container in running:
            assert container.run is not None
            container.run.send(signal.SIGTERM)
        for container in running:
            assert container.run is not None
            self._lifecycle(container).record_end(container, await container.run.wait())
        self._final = True
        await self.publish()
        if self._address is not None:
            self._node.addresses.give_back(self._address)

    def _lifecycle(self, container: Container, volumes: dict[str, str] | None = None) -> Lifecycle:
        assert self._address is not None
        return Lifecycle(self._node, self, self._folder, local(self._address), volumes or {})

    async def _live(self) -> None:
        """Starts everything and returns when no container will run again."""
        self.changed()
        volumes = await self._volumes()
        spec = self.object["spec"]
        policy = spec.get("restartPolicy", "Always")
        for init in self.inits:
            lifecycle = self._lifecycle(init, volumes)
            if await lifecycle.live(init, "Never" if policy == "Never" else "OnFailure") != 0:
                return
        async with asyncio.TaskGroup() as group:
            for container in self.containers:
                group.create_task(self._lifecycle(container, volumes).live(container, policy))

    async def _volumes(self) -> dict[str, str]:
        assert self._address is not None
        maker = Volumes(self._node.api, self.object, self._folder / "volumes", local(self._address))
        delay, told = 0.1, ""
        while True:
            try:
                return await maker.make()
            except VolumeError as error:
                if str(error) != told:
                    told = str(error)
                    self._node.warn(self.object, "FailedMount", told)
            except (ApiError, *AWAY) as error:
                log.warning("volumes of %s: %s", self._path, error)
            await asyncio.sleep(delay)
            delay = min(2 * delay, 2.0)

    def status(self) -> Object:
        """Returns the status as of now."""
        policy = self.object["spec"].get("restartPolicy", "Always")
        final = self._final or self._verdict is not None
        now_phase = "Failed" if self._verdict else phase(policy, self.inits, self.containers, final)
        self._conditions = conditions(now_phase, self.inits, self.containers, self._conditions, now())
        count = len(self.inits) + len(self.containers)
        status: Object = {
            "phase": now_phase,
            "conditions": self._conditions,
            "startTime": self._started,
            "hostIP": "127.0.0.1",
            "hostIPs": [{"ip": "127.0.0.1"}],
            "containerStatuses": entries(self.containers, count),
        }
        if self.inits:
            status["initContainerStatuses"] = entries(self.inits, count)
        if self._address is not None:
            status |= {"podIP": self._address, "podIPs": [{"ip": self._address}]}
        if self._verdict is not None:
            status |= {"reason": self._verdict.reason, "message": self._verdict.message}
        return copy.deepcopy(status)

    def changed(self) -> None:
        """Has the status written, in the background."""
        self._node.spawn(self.publish())

    async def publish(self) -> None:
        """Writes the status if it is not the one written last; waits for an API server that is away."""
        async with self._writing:
            status = self.status()
            if self._gone or status == self._sent:
                return
            patch = {"metadata": {"uid": self.uid}, "status": status}
            if await insist(lambda: self._node.api.patch(f"{self._path}/status", patch, STRATEGIC)) is not None:
                self._sent = status


async def fail_orphan(node: Context, pod: Object) -> None:
    """Ends a pod whose processes are unknown because the node started anew."""
    metadata, status = pod["metadata"], pod["status"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
    if status.get("phase") not in ("Succeeded", "Failed"):
        message = "The container could not be located when the node started"
        ended = {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": message, "finishedAt": now()}
        entries = status.get("containerStatuses") or []
        lost = [
            {**entry, "ready": False, "started": False, "state": {"terminated": ended}}
            if "terminated" not in entry["state"]
            else entry
            for entry in entries
        ]
        wanted = conditions("Failed", [], [], status.get("conditions") or [], now())
        new = {"phase": "Failed", "reason": "NodeRestarted", "conditions": wanted, "containerStatuses": lost}
        patch = {"metadata": {"uid": metadata["uid"]}, "status": new}
        await insist(lambda: node.api.patch(f"{path}/status", patch, STRATEGIC))
    if metadata.get("deletionTimestamp"):
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        await insist(lambda: node.api.delete(path, options))
