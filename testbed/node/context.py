"""What a node lends to each of its pods."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from autotuner.kubernetes_object import Object
from testbed.api import AWAY, Api, ApiError
from testbed.node.container import now
from testbed.node.images import Images

# By which a pod reaches services here: its network, which it cannot choose.
NETWORK = ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY")


class Addresses:
    """Pod addresses of one node: 10.NET.NODE.x in the API, 127.NET.NODE.x for the processes.

    The API refuses loopback addresses as endpoints, and a process may bind no others without root.
    """

    def __init__(self, net: int, node: int) -> None:
        self._prefix = f"{net}.{node}"
        self._used: set[int] = set()
        self._next = 0

    def take(self) -> str:
        """Returns a free address in the API's form; one used before comes back as late as possible."""
        for _ in range(254):
            self._next = self._next % 254 + 1
            if self._next not in self._used:
                self._used.add(self._next)
                return f"10.{self._prefix}.{self._next}"
        raise RuntimeError(f"no free address in 10.{self._prefix}.0/24")

    def give_back(self, address: str) -> None:
        """Makes an address free."""
        self._used.discard(int(address.rsplit(".", 1)[1]))


def local(address: str) -> str:
    """Returns the address on which a pod's process listens."""
    return "127." + address.partition(".")[2]


@dataclass
class Context:
    """One node's means."""

    name: str
    api: Api
    probes: aiohttp.ClientSession
    images: Images
    addresses: Addresses
    folder: Path
    logs: Path
    variables: dict[str, str]  # of every container
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs something in the background and keeps it from being collected."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def warn(self, pod: Object, reason: str, message: str) -> None:
        """Posts a Warning event on a pod, in the background."""
        self.spawn(self._post(pod, reason, message))

    async def _post(self, pod: Object, reason: str, message: str) -> None:
        metadata, time = pod["metadata"], now()
        about = {"apiVersion": "v1", "kind": "Pod"} | {key: metadata[key] for key in ("name", "namespace", "uid")}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{metadata['name'][:200]}.", "namespace": metadata["namespace"]},
            "involvedObject": about,
            "type": "Warning",
            "reason": reason,
            "message": message[:1024],
            "count": 1,
            "firstTimestamp": time,
            "lastTimestamp": time,
            "source": {"component": "kubelet", "host": self.name},
            "reportingComponent": "kubelet",
            "reportingInstance": self.name,
        }
        with contextlib.suppress(ApiError, *AWAY):
            await self.api.create(f"/api/v1/namespaces/{metadata['namespace']}/events", event)
