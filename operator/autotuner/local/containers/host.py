"""Workloads as containers of Docker or Podman."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from autotuner.local.containers import container_config, ends
from autotuner.local.containers.docker_api import ApiError, DaemonGoneError, DockerApi
from autotuner.local.containers.finding import Engine, find, places
from autotuner.local.containers.memory_watch import MemoryWatch
from autotuner.local.containers.pulls import Pull, name_and_tag, too_little
from autotuner.local.containers.registry_login import header
from autotuner.local.workload import PullError, StartError, State, Workload

_PATIENCE_SECONDS = 60.0
_POLL = 0.1
_BYTES_PER_LINE = 40


class Containers:
    """Implements `workload.Host`. All that it must know is in the containers' labels.

    Args:
        api: of the container engine.
        engine: which one it is.
    """

    def __init__(self, api: DockerApi, engine: Engine) -> None:
        self._api, self.engine, self._introduced = api, engine, False
        self._ids: dict[str, str] = {}
        self._watches: dict[str, MemoryWatch] = {}
        self._start_errors: dict[str, str] = {}

    @classmethod
    async def found(cls) -> Containers:
        """With the container engine of this machine; to be closed.

        Raises:
            NoEngineError: there is none.
        """
        engine = await find(places(os.environ, os.geteuid(), os.path.expanduser("~")))  # noqa: PTH111 - a text, as all are
        return cls(DockerApi(engine.place.socket), engine)

    async def close(self) -> None:
        """Close the connection; containers run on."""
        for watch in self._watches.values():
            watch.close()
        await self._api.close()

    async def prepare(self, workload: Workload, progress: Callable[[str], None]) -> None:
        """See `Host`."""
        if not self._introduced:
            self._introduced = True
            progress(f"images run in {self.engine}")
        try:
            if await self._get(f"/images/{quote(workload.image, safe='')}/json") is None:
                await self._pull(workload.image, progress)
        except (ApiError, DaemonGoneError) as problem:
            raise PullError(f"image {workload.image}: {problem}") from None

    async def _pull(self, image: str, progress: Callable[[str], None]) -> None:
        if words := too_little(image, self._free(), self.engine.root):
            raise PullError(words)
        pull, (name, tag) = Pull(image), name_and_tag(image)
        query = {"fromImage": name, "tag": tag}
        async for event in self._api.lines("POST", "/images/create", query=query, headers=await header(image)):
            if words := pull.hear(event) or pull.too_big(self._free(), self.engine.root):
                raise PullError(words if image in words else f"image {image}: {words}")
            if words := pull.line(time.monotonic()):
                progress(words)
        if await self._get(f"/images/{quote(image, safe='')}/json") is None:
            raise PullError(f"image {image}: {self.engine.name} ended its pull without it and without a word")

    def _free(self) -> int:
        """Bytes for images; nothing is known of a disk that this machine does not show, such as a virtual machine's."""
        try:
            return shutil.disk_usage(self.engine.root).free
        except OSError:
            return 1 << 62

    async def start(self, workload: Workload) -> None:
        """See `Host`."""
        # Podman makes an empty folder of one that is not there.
        if missing := [one.source for one in workload.mounts if not Path(one.source).exists()]:
            raise StartError(
                f"there is no {missing[0]} on this machine, which {workload.name} is to see; correct the path"
            )
        try:
            container = await self._container(workload.uid) or await self._create(workload)
            inspected = await self._inspect(container)
            if inspected is not None and ends.read(inspected, 0, "").started == 0:
                await self._api.call("POST", f"/containers/{container}/start")
        except (ApiError, DaemonGoneError) as problem:
            words = f"{self.engine.name}: {problem}"
            self._start_errors[workload.uid] = words
            raise StartError(words) from None
        self._start_errors.pop(workload.uid, None)
        await self._watch(workload.uid, await self._inspect(container))

    async def _create(self, workload: Workload) -> str:
        path, query = "/containers/create", {"name": container_config.name(workload)}
        made = await self._api.call("POST", path, query=query, body=container_config.body(workload, self.engine))
        self._ids[workload.uid] = made["Id"]
        return str(made["Id"])

    async def _watch(self, uid: str, inspected: Mapping[str, Any] | None) -> None:
        """Count what the kernel kills in it, from now on."""
        pid = int(((inspected or {}).get("State") or {}).get("Pid") or 0)
        if pid and uid not in self._watches:
            self._watches[uid] = await asyncio.to_thread(MemoryWatch, pid)

    async def state(self, uid: str) -> State:
        """See `Host`."""
        try:
            container = await self._patiently(self._container, uid)
            inspected = None if container is None else await self._patiently(self._inspect, container)
        except (ApiError, DaemonGoneError) as problem:
            return State("Ended", None, words=str(problem))
        if inspected is None:
            return ends.ABSENT
        state = ends.read(inspected, 0, self._start_errors.get(uid, ""))
        if state.phase == "Running":
            await self._watch(uid, inspected)
        watch = self._watches.get(uid)
        if state.phase != "Ended" or watch is None:
            return state
        await asyncio.to_thread(watch.join, 1.0)
        return ends.read(inspected, watch.kills, "")

    async def log(self, uid: str, most_bytes: int) -> bytes:
        """See `Host`."""
        try:
            container = await self._container(uid)
            if container is None:
                return b""
            lines = most_bytes // _BYTES_PER_LINE + 1
            text = await self._api.log(container, lines, most_bytes)
            if len(text) < most_bytes and text.count(b"\n") >= lines:
                text = await self._api.log(container, most_bytes, most_bytes)
        except (ApiError, DaemonGoneError):
            return b""
        return text

    async def stop(self, uid: str, grace_seconds: float) -> None:
        """See `Host`."""
        container = await self._patiently(self._container, uid)
        if container is not None:
            await self._end(container, grace_seconds)
        if (watch := self._watches.pop(uid, None)) is not None:
            watch.close()
        self._ids.pop(uid, None)
        self._start_errors.pop(uid, None)

    async def _end(self, container: str, grace_seconds: float) -> None:
        path = f"/containers/{container}"
        if grace_seconds > 0:
            try:
                query = {"t": str(max(1, round(grace_seconds)))}
                await self._api.call("POST", f"{path}/stop", query=query, seconds=grace_seconds + _PATIENCE_SECONDS)
            except ApiError:  # it never ran, or has ended
                pass
        patience = time.monotonic() + _PATIENCE_SECONDS
        while await self._inspect(container) is not None:
            try:
                await self._api.call("DELETE", path, query={"force": "true", "v": "true"})
            except ApiError as problem:  # such as 409: its removal is in progress
                if problem.status != 404 and time.monotonic() > patience:
                    raise
            await asyncio.sleep(_POLL)

    async def mine(self, run: str) -> Sequence[str]:
        """See `Host`."""
        found = await self._listed(f"{container_config.RUN}={run}")
        return sorted(str(one["Labels"][container_config.WORKLOAD]) for one in found)

    async def ids(self, run: str) -> Sequence[str]:
        """The ids of a run's containers."""
        return [str(one["Id"]) for one in await self._listed(f"{container_config.RUN}={run}")]

    async def _container(self, uid: str) -> str | None:
        """The id of a workload's container; None if there is none."""
        if uid not in self._ids:
            found = await self._listed(f"{container_config.WORKLOAD}={uid}")
            if not found:
                return None
            self._ids[uid] = str(found[0]["Id"])
        return self._ids[uid]

    async def _listed(self, label: str) -> Sequence[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = await self._api.call(
            "GET", "/containers/json", query={"all": "true", "filters": {"label": [label]}}
        )
        return found

    async def _inspect(self, container: str) -> Mapping[str, Any] | None:
        return await self._get(f"/containers/{container}/json")

    async def _get(self, path: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = await self._api.call("GET", path)
        except ApiError as problem:
            if problem.status != 404:
                raise
            return None
        return found

    async def _patiently(self, ask: Callable[[str], Any], about: str) -> Any:
        """Ask again while the daemon is away, as it is when it is updated."""
        patience = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return await ask(about)
            except DaemonGoneError:
                if time.monotonic() > patience:
                    raise
            await asyncio.sleep(1)
