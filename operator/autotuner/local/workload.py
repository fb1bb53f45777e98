"""What a machine without a cluster runs for a pod, and what it tells of it: a process or a container alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Mount:
    """A folder of the machine that the workload sees.

    Attributes:
        source, target: absolute paths on the machine and in the workload.
        read_only: whether it may only be read.
    """

    source: str
    target: str
    read_only: bool = True


@dataclass(frozen=True)
class Workload:
    """What to run for one container of a pod.

    Attributes:
        uid: of the pod; what lives bears it, so that a later start finds it.
        run: the identity of the run's folder; what another run started is never touched.
        name: of the pod, for people.
        image: of the container; empty where a process of this machine is meant.
        command: the whole argument vector; empty: the image's own entry point.
        args: what follows it.
        env: variables.
        mounts: folders.
        accelerators: indices or UUIDs of the devices that it may use, as their driver's tools name them.
        vendor: of the accelerators: "nvidia", "amd" or "".
        shared_memory_bytes: size of /dev/shm; 0: as the runtime has it.
        memory_limit_bytes: 0: none.
        port: on which it listens on 127.0.0.1; 0: none.
        cpus: cores to which it is pinned; empty: all.
    """

    uid: str
    run: str
    name: str
    image: str = ""
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    accelerators: Sequence[str] = ()
    vendor: str = ""
    shared_memory_bytes: int = 0
    memory_limit_bytes: int = 0
    port: int = 0
    cpus: Sequence[int] = ()


@dataclass(frozen=True)
class State:
    """Where a workload stands.

    Attributes:
        phase: Absent, Running or Ended.
        exit_code: of one that ended; None where it never ran.
        out_of_memory: whether a process of it was killed for memory.
        words: why it could not start, or what the runtime says of its end.
        started, ended: in seconds since the epoch; 0 where it did not.
    """

    phase: str
    exit_code: int | None = None
    out_of_memory: bool = False
    words: str = ""
    started: float = 0.0
    ended: float = 0.0


class PullError(Exception):
    """An image cannot be had; the text is the registry's or the runtime's own."""


class StartError(Exception):
    """A workload cannot be started; the text says why and what to do."""


class Host(Protocol):
    """Starts, watches and stops workloads on this machine."""

    async def prepare(self, workload: Workload, progress: Callable[[str], None]) -> None:
        """Get what it needs, such as its image; raises PullError."""

    async def start(self, workload: Workload) -> None:
        """Start it; one with this uid that runs already is left as it is. Raises StartError."""

    async def state(self, uid: str) -> State:
        """Where it stands."""

    async def log(self, uid: str, most_bytes: int) -> bytes:
        """The last bytes of what it printed; also after its end, until it is removed."""

    async def stop(self, uid: str, grace_seconds: float) -> None:
        """Stop it, with force after the grace period, and remove it; returns when nothing of it is left."""

    async def mine(self, run: str) -> Sequence[str]:
        """The uids of all that is left of a run, running or ended."""
