"""This machine, as a Node object tells of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from autotuner.kubernetes_object import Object

NODE_NAME = "this-machine"
_HOSTNAME = "kubernetes.io/hostname"
# From so many cores on, the benchmark has some to itself.
_ENOUGH_CORES = 4
_BENCHMARK_SHARE = 8


@dataclass(frozen=True)
class Machine:
    """What there is to run pods on.

    Attributes:
        cpus: cores that this process may use.
        memory_bytes: of the machine.
        resource: by which pods ask for accelerators; empty where there are none.
        devices: accelerators that may be used, as their driver's tools name them.
        vendor: of the devices: nvidia, amd, or empty.
        labels: of the node, as the vendor's own components would set them.
    """

    cpus: Sequence[int]
    memory_bytes: int
    resource: str = ""
    devices: Sequence[str] = ()
    vendor: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def node(self) -> Object:
        """The Node object."""
        amounts = {"cpu": str(len(self.cpus)), "memory": str(self.memory_bytes)}
        if self.resource:
            amounts[self.resource] = str(len(self.devices))
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": NODE_NAME, "labels": {_HOSTNAME: NODE_NAME, **self.labels}},
            "status": {
                "capacity": amounts,
                "allocatable": amounts,
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            },
        }

    def cores(self, *, benchmark: bool) -> Sequence[int]:
        """The cores to which a pod is pinned; empty where there are too few to part them."""
        if len(self.cpus) < _ENOUGH_CORES:
            return ()
        own = max(2, len(self.cpus) // _BENCHMARK_SHARE)
        ordered = sorted(self.cpus)
        return ordered[-own:] if benchmark else ordered[:-own]


_SIMULATED_DEVICES = 8


def simulated(machine: Machine) -> Machine:
    """The machine with the accelerators that the simulated engine plays; nothing of this machine's is used."""
    devices = tuple(f"simulated-{number}" for number in range(_SIMULATED_DEVICES))
    labels = {**machine.labels, "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.memory": "81559"}
    return replace(machine, resource="nvidia.com/gpu", devices=devices, vendor="", labels=labels)
