"""The life of one pod on this machine: from bound to gone, also over a restart of this program."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from autotuner import clock
from autotuner.kubernetes_object import Object
from autotuner.local import health, podspec
from autotuner.local.container_record import ContainerRecord
from autotuner.local.pod_status import conditions, entries, phase
from autotuner.local.pod_workload import ADDRESS
from autotuner.local.podspec import ConfigError
from autotuner.local.workload import Host, PullError, StartError, State, Workload

_POLL = 0.1
_FIRST_BACK_OFF, _LAST_BACK_OFF = 10.0, 300.0  # seconds, as the kubelet's
_LOG_BYTES = 64 * 1024**2
_TERMINATION_BYTES = 4096
_LOST = "The container could not be located when autotuner started again"


class Node(Protocol):
    """What a node lends to each of its pods."""

    def host(self, container: Object) -> Host:
        """Where a container runs."""

    def workload(self, pod: Object, container: Object, uid: str, name: str) -> Workload:
        """What runs for it; raises ConfigError."""

    def pod_folder(self, pod: Object) -> Path:
        """For all that is the pod's own."""

    def log_file(self, name: str) -> Path:
        """Where the log of a workload lies once it has ended."""

    def write_status(self, pod: Object, status: Object) -> None:
        """Write the status of a pod, if it is there still."""

    def remove(self, pod: Object) -> None:
        """Take a pod away that was deleted and runs no more."""

    def tell(self, words: str) -> None:
        """Tell people what takes long."""


def workload_name(pod: Object, container: str, restarts: int) -> str:
    """The name of one run of a container, for people and for its log."""
    return f"{pod['metadata']['name']}.{container}.{restarts}"


class PodLife:
    """Lives one pod's life."""

    def __init__(self, node: Node, pod: Object) -> None:
        self._node, self.pod = node, pod
        self.uid = str(pod["metadata"]["uid"])
        spec, status = pod["spec"], pod.get("status") or {}
        self._inits = [self._record(one, status.get("initContainerStatuses"), init=True) for one in _inits(spec)]
        self._containers = [
            self._record(one, status.get("containerStatuses"), init=False) for one in spec["containers"]
        ]
        if self._inits and not status.get("containerStatuses"):
            for container in self._containers:
                container.wait_for("PodInitializing")
        self._policy = spec.get("restartPolicy", "Always")
        self._ending, self._final = asyncio.Event(), False
        self._conditions: list[Object] = status.get("conditions") or []
        self._started = status.get("startTime") or _now()
        self._killed: set[str] = set()

    def _record(self, spec: Object, told: Sequence[Mapping[str, object]] | None, *, init: bool) -> ContainerRecord:
        record = ContainerRecord(spec, init, f"{self.uid}/{spec['name']}")
        for entry in told or ():
            if entry["name"] == spec["name"]:
                record.restore(entry)
        return record

    def end(self) -> None:
        """The pod was deleted."""
        self._ending.set()

    async def run(self) -> None:
        """Live until nothing of the pod is left."""
        live, ending = asyncio.create_task(self._live()), asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait({live, ending}, return_when=asyncio.FIRST_COMPLETED)
            if live.done():
                live.result()
                self._final = True
                self._publish()
                await self._stop_all(0)
                await ending
        finally:
            for task in (live, ending):
                task.cancel()
            await asyncio.gather(live, ending, return_exceptions=True)
        await self._stop_all(self.pod["spec"].get("terminationGracePeriodSeconds", 30))
        await asyncio.to_thread(shutil.rmtree, self._node.pod_folder(self.pod), True)
        self._node.remove(self.pod)

    async def _stop_all(self, grace: float) -> None:
        """Stop what runs, and forget what has run."""

        async def stop(container: ContainerRecord) -> None:
            host, uid = self._node.host(container.spec), self._workload_uid(container)
            await self._keep_log(container, host, uid)
            await host.stop(uid, grace)

        await asyncio.gather(*(stop(container) for container in (*self._inits, *self._containers)))

    async def _live(self) -> None:
        self._publish()
        for init in self._inits:
            policy = "Never" if self._policy == "Never" else "OnFailure"
            if init.exit_code != 0 and await self._contain(init, policy) != 0:
                return
        async with asyncio.TaskGroup() as group:
            for container in self._containers:
                group.create_task(self._contain(container, self._policy))

    async def _contain(self, container: ContainerRecord, policy: str) -> int:
        """Run a container until its restart policy lets it rest; returns its last exit code."""
        delay = _FIRST_BACK_OFF * 2 ** (container.restarts - 1) if container.restarts else 0.0
        while True:
            code = container.exit_code
            if code is None or "running" in container.state:
                code = await self._one_run(container)
            self._publish()
            if not podspec.wants_restart(policy, code):
                return code
            await self._forget(container)
            delay = min(2 * delay, _LAST_BACK_OFF) if delay else _FIRST_BACK_OFF
            container.wait_for(
                "CrashLoopBackOff", f"back-off {delay:.0f}s restarting failed container={container.name}"
            )
            container.restarts += 1
            self._publish()
            await asyncio.sleep(delay)

    async def _forget(self, container: ContainerRecord) -> None:
        await self._node.host(container.spec).stop(self._workload_uid(container), 0)

    async def _one_run(self, container: ContainerRecord) -> int:
        """Start a container, or take over the one that runs; returns its exit code once it has ended."""
        host, uid = self._node.host(container.spec), self._workload_uid(container)
        state = await host.state(uid)
        if state.phase == "Absent":
            if "running" in container.state:
                container.end(137, "ContainerStatusUnknown", _LOST, _now())
                return 137
            if not await self._start(container, host, uid):
                return 128
            state = await host.state(uid)
        if "running" not in container.state:
            container.begin(_stamp(state.started))
            container.image_id = container.image_id or f"local:{container.spec['image']}"
        state = await self._until_ended(container, host, uid)
        await self._record_end(container, host, uid, state)
        return container.exit_code or 0

    async def _start(self, container: ContainerRecord, host: Host, uid: str) -> bool:
        """Whether it could be started; waits for its image as long as that takes."""
        workload = await self._configured(container, uid)
        delay = _FIRST_BACK_OFF
        while True:
            try:
                await host.prepare(workload, self._node.tell)
                break
            except PullError as problem:
                container.wait_for("ErrImagePull", str(problem))
                self._publish()
                words = f'Back-off pulling image "{workload.image}": ErrImagePull: {problem}'
                container.wait_for("ImagePullBackOff", words)
                self._publish()
                await asyncio.sleep(delay)
                delay = min(2 * delay, _LAST_BACK_OFF)
        try:
            await host.start(workload)
        except StartError as problem:
            words = f'failed to start container "{container.name}": {problem}'
            container.end(128, "StartError", words, _now())
            return False
        return True

    async def _configured(self, container: ContainerRecord, uid: str) -> Workload:
        """What is to run; a container that cannot be made from its spec waits for the pod's end."""
        name = workload_name(self.pod, container.name, container.restarts)
        while True:
            try:
                return self._node.workload(self.pod, container.spec, uid, name)
            except ConfigError as problem:
                container.wait_for("CreateContainerConfigError", str(problem))
                self._publish()
                await asyncio.sleep(_FIRST_BACK_OFF)

    async def _until_ended(self, container: ContainerRecord, host: Host, uid: str) -> State:
        async def kill() -> None:
            self._killed.add(uid)
            await host.stop(uid, self.pod["spec"].get("terminationGracePeriodSeconds", 30))

        self._publish()
        probes = asyncio.create_task(health.follow(container, self._publish, kill))
        try:
            while (state := await host.state(uid)).phase == "Running":
                await asyncio.sleep(_POLL)
        finally:
            if uid not in self._killed:
                probes.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await probes
        if state.phase == "Absent":
            return State("Ended", 137, words="" if uid in self._killed else _LOST)
        return state

    async def _record_end(self, container: ContainerRecord, host: Host, uid: str, state: State) -> None:
        await self._keep_log(container, host, uid)
        code = 128 if state.exit_code is None else state.exit_code
        written = _tail(self.termination_log(container.name), _TERMINATION_BYTES)
        message = podspec.termination_message(
            container.spec.get("terminationMessagePolicy"), code, written, await host.log(uid, 2048)
        )
        reason = "OOMKilled" if state.out_of_memory else "Error" if code else "Completed"
        if state.exit_code is None:
            reason = "StartError"
        container.end(code, reason, message or state.words, _stamp(state.ended))

    async def _keep_log(self, container: ContainerRecord, host: Host, uid: str) -> None:
        """Keep the log of a container whose host forgets it."""
        path = self._node.log_file(workload_name(self.pod, container.name, container.restarts))
        if not path.exists() and (text := await host.log(uid, _LOG_BYTES)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)

    def termination_log(self, container: str) -> Path:
        """Where a container leaves its last words."""
        return self._node.pod_folder(self.pod) / f"{container}.termination"

    def _workload_uid(self, container: ContainerRecord) -> str:
        return f"{self.uid}.{container.name}.{container.restarts}"

    def _publish(self) -> None:
        """Write the status."""
        now_phase = phase(self._policy, self._inits, self._containers, self._final)
        told = conditions(now_phase, self._inits, self._containers, self._conditions, _now())
        others = [one for one in self._conditions if one["type"] not in {mine["type"] for mine in told}]
        self._conditions = [*others, *({k: v for k, v in one.items() if v is not None} for one in told)]
        count = len(self._inits) + len(self._containers)
        status: Object = {
            "phase": now_phase,
            "conditions": self._conditions,
            "startTime": self._started,
            "hostIP": ADDRESS,
            "podIP": ADDRESS,
            "containerStatuses": entries(self._containers, count),
        }
        if self._inits:
            status["initContainerStatuses"] = entries(self._inits, count)
        self._node.write_status(self.pod, status)


def _inits(spec: Object) -> Sequence[Object]:
    return spec.get("initContainers") or ()


def _now() -> str:
    return clock.second_stamp(clock.now())


def _stamp(seconds: float) -> str:
    return clock.second_stamp(datetime.fromtimestamp(seconds, UTC)) if seconds else _now()


def _tail(path: Path, size: int) -> bytes:
    try:
        return path.read_bytes()[-size:]
    except OSError:
        return b""
