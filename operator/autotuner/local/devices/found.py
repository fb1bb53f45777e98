"""What is known of this machine's accelerators, and which of them experiments may have. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

_MIB = 1024**2
# An accelerator that nobody uses holds less: the driver's own share is not counted as used.
IDLE_BYTES = 1024**3


@dataclass(frozen=True)
class User:
    """A process that uses an accelerator.

    Attributes:
        pid: its id; 0 where the driver counts memory, but shows no process (it runs in another container).
        name: of who runs it; empty if unknown.
        command: its command line, shortened; empty if unknown.
        used_bytes: of the accelerator's memory; 0 if unknown.
    """

    pid: int
    name: str = ""
    command: str = ""
    used_bytes: int = 0

    def __str__(self) -> str:
        """For people."""
        memory = f", {self.used_bytes / _MIB:,.0f} MiB" if self.used_bytes else ""
        if not self.pid:
            return f"processes that this user cannot see{memory}"
        owner = f" of {self.name}" if self.name else ""
        command = f" ({self.command})" if self.command else ""
        return f"process {self.pid}{owner}{command}{memory}"


@dataclass(frozen=True)
class Device:
    """One accelerator, or one slice of one.

    Attributes:
        uuid: by which it is pinned.
        index: as the driver's tools number it, for people: `3`, `3:0` for a slice.
        product: its name as a node's label has it.
        memory_mib: all of its memory.
        slice: the profile of a MIG slice, such as `1g.10gb`; empty for a whole one.
        users: who uses it.
    """

    uuid: str
    index: str
    product: str
    memory_mib: int
    slice: str = ""
    users: Sequence[User] = ()


@dataclass(frozen=True)
class Accelerators:
    """What experiments of this machine may have.

    Attributes:
        vendor: nvidia or amd; empty where there are none.
        resource: by which pods ask for them.
        devices: those that are free and alike.
        labels: of a node with them.
        notes: what is not used and why, and what to know, each a sentence.
    """

    vendor: str = ""
    resource: str = ""
    devices: Sequence[Device] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def uuids(self) -> list[str]:
        """By which they are pinned, in the driver's order."""
        return [device.uuid for device in self.devices]


@dataclass(frozen=True)
class Usable:
    """Accelerators that are free and alike, and why others are not among them."""

    devices: Sequence[Device]
    notes: Sequence[str]


def usable(devices: Sequence[Device]) -> Usable:
    """Which accelerators experiments may have.

    A measurement means something only on one kind of accelerator that nobody else uses: of several kinds the one with
    the most memory in all is taken, the busy ones among it included, so that the kind does not change with the hour.
    """
    kinds: dict[tuple[str, int], list[Device]] = {}
    for device in devices:
        kinds.setdefault((device.product, device.memory_mib), []).append(device)
    if not kinds:
        return Usable((), ())
    chosen = max(kinds, key=lambda kind: (kind[1] * len(kinds[kind]), kind))
    notes = [
        f"{product} ({_listed(others)}) is not used: experiments run on one kind of accelerator, {chosen[0]}"
        for (product, size), others in sorted(kinds.items())
        if (product, size) != chosen
    ]
    free = []
    for device in kinds[chosen]:
        if device.users:
            notes.append(
                f"accelerator {device.index} ({device.product}) is not used: {'; '.join(map(str, device.users))} holds "
                "it; end that first to measure there too"
            )
        else:
            free.append(device)
    if free and free[0].slice:
        notes.append(
            f"accelerators are MIG slices ({free[0].slice}): an engine gets one each, and cannot spread over several"
        )
    return Usable(free, notes)


def _listed(devices: Sequence[Device]) -> str:
    return f"accelerator{'s' * (len(devices) > 1)} {', '.join(device.index for device in devices)}"


def holders(users: Sequence[User], used_bytes: int, own: Callable[[int], bool]) -> Sequence[User]:
    """Who else uses an accelerator: the processes that the driver shows, or else whoever holds so much memory.

    Args:
        users: as the driver shows them.
        used_bytes: of its memory.
        own: whether a process belongs to the run that asks, as that of an engine does which an earlier start left.
    """
    others = [user for user in users if not own(user.pid)]
    if users and not others:
        return ()
    return others or ([User(0, used_bytes=used_bytes)] if used_bytes >= IDLE_BYTES else [])
