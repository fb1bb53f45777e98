"""The node that this machine is: it takes pods as far as its accelerators go, and lives their lives."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from autotuner import clock
from autotuner.api.common import GROUP
from autotuner.benchmark.job import measures
from autotuner.kube import NODE, POD, KubeError
from autotuner.kubernetes_object import Object
from autotuner.local.machine import NODE_NAME, Machine
from autotuner.local.pod_life import PodLife, workload_name
from autotuner.local.pod_workload import SHARED_MEMORY, Surroundings, requested, workload
from autotuner.local.podspec import ConfigError, Source
from autotuner.local.programs import Programs
from autotuner.local.workload import Host, Workload
from autotuner.memory_api.store import Store
from autotuner.serving.deployment.model_source import VOLUME as MODEL_VOLUME

log = logging.getLogger(__name__)

_MANAGER = "kubelet"
_DEVICES = f"{GROUP}/devices"  # of a pod: container=device,device;...
_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Hosts:
    """Where containers run.

    Attributes:
        processes: of this machine.
        containers: of a container engine; None where there is none.
        why_none: why, and what to do.
    """

    processes: Host
    containers: Host | None = None
    why_none: str = "no Docker or Podman was found"

    def all(self) -> Sequence[Host]:
        """Those that there are."""
        return [self.processes, *([self.containers] if self.containers is not None else [])]


@dataclass(frozen=True)
class Places:
    """Folders of a run.

    Attributes:
        pods: for what belongs to pods.
        logs: for what containers printed.
        hub: the cache of models that were downloaded.
    """

    pods: Path
    logs: Path
    hub: Path


class LocalNode:
    """Schedules pods here and runs them.

    Args:
        store: of the API.
        machine: what there is.
        hosts: where containers run.
        programs: that stand for images.
        places: folders.
        run: identity of the run.
        tell: told what takes long.
    """

    def __init__(
        self,
        store: Store,
        machine: Machine,
        hosts: Hosts,
        programs: Programs,
        places: Places,
        run: str,
        tell: Callable[[str], None],
    ) -> None:
        self._store, self._machine, self._hosts, self._programs = store, machine, hosts, programs
        self._places, self._run, self.tell = places, run, tell
        self._lives: dict[str, tuple[PodLife, asyncio.Task[None]]] = {}
        self._looking = self._stopped = False

    async def start(self) -> None:
        """Register, end what belongs to no pod any more, and take pods from now on."""
        node = self._machine.node()
        if self._store.find(NODE, None, NODE_NAME) is not None:
            self._store.delete(NODE, None, NODE_NAME)
        self._store.create(NODE, None, node, manager=_MANAGER)
        self._store.merge(NODE, None, NODE_NAME, {"status": node["status"]}, subresource="status", manager=_MANAGER)
        known = {pod["metadata"]["uid"] for pod in self._store.list(POD, None)}
        for host in self._hosts.all():
            for uid in await host.mine(self._run):
                if uid.partition(".")[0] not in known:
                    await host.stop(uid, 0)
        self._store.listen(lambda resource, _: self._soon() if resource == POD else None)
        self._soon()

    async def stop(self) -> None:
        """Take no more pods; what still runs is left to the next start."""
        self._stopped = True
        tasks = [task for _, task in self._lives.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def kill(self) -> None:
        """End all that runs, at once."""
        await self.stop()
        for host in self._hosts.all():
            await asyncio.gather(*(host.stop(uid, 0) for uid in await host.mine(self._run)))

    def _soon(self) -> None:
        if not self._looking and not self._stopped:
            self._looking = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        """Give each pod that has none its place, and begin and end lives."""
        self._looking = False
        if self._stopped:
            return
        found = self._store.list(POD, None)
        there = {pod["metadata"]["uid"] for pod in found}
        for uid in self._lives.keys() - there:  # that had ended, and went at once
            self._lives[uid][0].end()
        free = self._free(found)
        for seen in sorted(found, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"])):
            leaving = "deletionTimestamp" in seen["metadata"]
            pod = seen if leaving or seen["spec"].get("nodeName") else self._bound(seen, free)
            if pod is None:
                continue
            uid = pod["metadata"]["uid"]
            if uid not in self._lives:
                life = PodLife(self, pod)
                task = asyncio.create_task(life.run())
                task.add_done_callback(partial(self._over, uid))
                self._lives[uid] = (life, task)
            if leaving:
                self._lives[uid][0].end()

    def _over(self, uid: str, task: asyncio.Task[None]) -> None:
        self._lives.pop(uid, None)
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("pod %s", uid, exc_info=problem)
        self._soon()

    def _free(self, found: Sequence[Object]) -> list[str]:
        """The devices that no pod holds."""
        taken = Counter(
            device
            for pod in found
            if (pod.get("status") or {}).get("phase") not in _ENDED
            for devices in _devices(pod).values()
            for device in devices
        )
        return [device for device in self._machine.devices if not taken[device]]

    def _bound(self, pod: Object, free: list[str]) -> Object | None:
        """The pod with its place; None while there is none."""
        resource, given, short = self._machine.resource, {}, ""
        for container in pod["spec"]["containers"]:
            for name, count in requested(container).items():
                if name != resource or count > len(free):
                    short = short or name
                else:
                    given[container["name"]] = [free.pop(0) for _ in range(count)]
        moment = clock.second_stamp(clock.now())
        if short:
            for devices in given.values():
                free[:0] = devices
            words = f"0/1 nodes are available: 1 Insufficient {short}."
            waits = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}
            if not (pod.get("status") or {}).get("conditions"):
                self.write_status(pod, {"conditions": [{**waits, "lastTransitionTime": moment}]})
            return None
        meta, place = pod["metadata"], (pod["metadata"]["namespace"], pod["metadata"]["name"])
        told = ";".join(f"{name}={','.join(devices)}" for name, devices in given.items())
        patch: Object = {"spec": {"nodeName": NODE_NAME}}
        if told:
            patch["metadata"] = {"annotations": {**(meta.get("annotations") or {}), _DEVICES: told}}
        self._store.merge(POD, *place, patch, manager=_MANAGER)
        placed = {"type": "PodScheduled", "status": "True", "lastTransitionTime": moment}
        self.write_status(pod, {"conditions": [placed]})
        return self._store.find(POD, *place)

    # What each pod is lent.

    def host(self, container: Object) -> Host:
        """See `pod_life.Node`."""
        if self._programs.runs(container["image"]) or self._hosts.containers is None:
            return self._hosts.processes
        return self._hosts.containers

    def workload(self, pod: Object, container: Object, uid: str, name: str) -> Workload:
        """See `pod_life.Node`."""
        if not self._programs.runs(container["image"]) and self._hosts.containers is None:
            raise ConfigError(f"image {container['image']}: {self._hosts.why_none}")
        volumes = {one["name"]: path for one in pod["spec"].get("volumes") or () if (path := self._volume(pod, one))}
        ending = self.pod_folder(pod) / f"{container['name']}.termination"
        ending.parent.mkdir(parents=True, exist_ok=True)
        ending.touch()
        devices = _devices(pod).get(container["name"], ())
        around = Surroundings(
            run=self._run,
            environment=os.environ,
            programs=self._programs,
            volumes=volumes,
            termination_log=str(ending),
            data=_secrets(container, os.environ),
            accelerators=devices,
            vendor=self._machine.vendor if devices else "",
            cpus=self._machine.cores(benchmark=measures(pod)),
        )
        return workload(pod, container, uid, name, around)

    def _volume(self, pod: Object, volume: Object) -> str:
        """The folder of a volume.

        Raises:
            ConfigError: there are no volumes of its kind here.
        """
        if host := volume.get("hostPath"):
            if not Path(host["path"]).exists():
                raise ConfigError(f"there is no {host['path']} on this machine, which holds the model's files")
            return str(host["path"])
        if "emptyDir" not in volume:
            kinds = ", ".join(key for key in volume if key != "name")
            raise ConfigError(f"volume {volume['name']}: there are no volumes of kind {kinds} on one machine")
        if volume["emptyDir"].get("medium") == "Memory":
            return SHARED_MEMORY
        folder = self._places.hub if volume["name"] == MODEL_VOLUME else self.pod_folder(pod) / str(volume["name"])
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    def pod_folder(self, pod: Object) -> Path:
        """See `pod_life.Node`."""
        return self._places.pods / str(pod["metadata"]["uid"])

    def log_file(self, name: str) -> Path:
        """See `pod_life.Node`."""
        return self._places.logs / f"{name}.log"

    def write_status(self, pod: Object, status: Object) -> None:
        """See `pod_life.Node`."""
        meta = pod["metadata"]
        live = self._store.find(POD, meta["namespace"], meta["name"])
        if live is None or live["metadata"]["uid"] != meta["uid"]:
            return
        patch = {"status": status}
        self._store.merge(POD, meta["namespace"], meta["name"], patch, subresource="status", manager=_MANAGER)

    def remove(self, pod: Object) -> None:
        """See `pod_life.Node`."""
        meta = pod["metadata"]
        live = self._store.find(POD, meta["namespace"], meta["name"])
        if live is not None and live["metadata"]["uid"] == meta["uid"]:
            self._store.delete(POD, meta["namespace"], meta["name"], grace_seconds=0, uid=meta["uid"])

    async def log(self, namespace: str, name: str, container: str, *, previous: bool) -> bytes:
        """What a container printed, or the one before its restart."""
        try:
            pod = self._store.get(POD, namespace, name)
        except KubeError:
            return b""
        entries = (pod.get("status") or {}).get("containerStatuses") or ()
        count = next((one["restartCount"] for one in entries if one["name"] == container), 0)
        run = count - int(previous or "waiting" in next((o["state"] for o in entries if o["name"] == container), {}))
        path = self.log_file(workload_name(pod, container, run))
        if path.exists():
            return path.read_bytes()
        spec = next((one for one in pod["spec"]["containers"] if one["name"] == container), None)
        uid = f"{pod['metadata']['uid']}.{container}.{run}"
        return await self.host(spec).log(uid, 64 * 1024**2) if spec is not None else b""


def _devices(pod: Object) -> dict[str, list[str]]:
    """The devices of a pod's containers."""
    told = (pod["metadata"].get("annotations") or {}).get(_DEVICES, "")
    pairs = (part.partition("=") for part in told.split(";") if part)
    return {name: [device for device in devices.split(",") if device] for name, _, devices in pairs}


def _secrets(container: Object, environment: Mapping[str, str]) -> dict[Source, Mapping[str, str] | None]:
    """What Secrets would fill: each such variable has the value of this program's variable of the same name.

    Raises:
        ConfigError: there is none.
    """
    found: dict[Source, dict[str, str]] = {}
    for entry in container.get("env") or ():
        reference = (entry.get("valueFrom") or {}).get("secretKeyRef")
        if reference is None:
            continue
        if entry["name"] in environment:
            found.setdefault(("Secret", reference["name"]), {})[reference["key"]] = environment[entry["name"]]
        elif not reference.get("optional"):
            words = f"secret {reference['name']}: there are no Secrets on one machine"
            raise ConfigError(f"{words}; export {entry['name']} before you run autotuner")
    return dict(found)
