"""Nodes as the labellers of accelerators describe them, a row for each way to configure one.

NVIDIA's labels are those of its GPU feature discovery 0.20 on mock devices, AMD's are read in its node labeller, GKE's
and Intel's in their documentation.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from autotuner.kubernetes_object import Object
from testbed.api import Api

H100 = "NVIDIA-H100-80GB-HBM3"


@dataclass(frozen=True)
class Described:
    """How a node describes its accelerators.

    Attributes:
        resources: extended resource -> how many.
        labels: of the node.
    """

    resources: dict[str, str]
    labels: dict[str, str] = field(default_factory=dict)

    def node(self, name: str = "node-a", **labels: str) -> Object:
        """A Node object that says so."""
        return {
            "metadata": {"name": name, "labels": {**self.labels, **labels}},
            "status": {"allocatable": {"cpu": "32", **self.resources}},
        }


def nvidia(prefix: str = "gpu", **labels: str) -> dict[str, str]:
    """Labels of one of NVIDIA's resources; an underscore in a name is a dash."""
    return {f"nvidia.com/{prefix}.{name.replace('_', '-')}": value for name, value in labels.items()}


_WHOLE = nvidia(product=H100, memory="81559", count="2", replicas="1", sharing_strategy="none")
_TIME_SLICED = {**_WHOLE, **nvidia(count="1", replicas="4", sharing_strategy="time-slicing")}
_MIXED_WHOLE = {
    **nvidia(product=H100, memory="81559", count="1", replicas="0", sharing_strategy="none"),
    "nvidia.com/mig.strategy": "mixed",
}


def _slices(profile: str, memory: str, product: str = "", **labels: str) -> dict[str, str]:
    own = {"count": "1", "replicas": "1", "sharing_strategy": "none", **labels}
    return nvidia(f"mig-{profile}", product=product or f"{H100}-MIG-{profile}", memory=memory, **own)


AMD_WHOLE = {
    "amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM",
    "amd.com/gpu.vram": "192G",
    "amd.com/gpu.family": "AI",
    "amd.com/gpu.cu-count": "304",
    "amd.com/gpu.compute-memory-partition": "spx_nps1",
}

DESCRIBED = {
    "two whole GPUs": Described({"nvidia.com/gpu": "2"}, _WHOLE),
    "time slicing": Described({"nvidia.com/gpu": "4"}, {**_TIME_SLICED, **nvidia(product=f"{H100}-SHARED")}),
    "time slicing, renamed": Described({"nvidia.com/gpu": "0", "nvidia.com/gpu.shared": "4"}, _TIME_SLICED),
    "MPS": Described(
        {"nvidia.com/gpu": "4"},
        {**_TIME_SLICED, **nvidia(product=f"{H100}-SHARED", sharing_strategy="mps")},
    ),
    "MIG single": Described(
        {"nvidia.com/gpu": "2"},
        {**_WHOLE, **nvidia(product=f"{H100}-MIG-3g.40gb", memory="40192"), "nvidia.com/mig.strategy": "single"},
    ),
    "MIG single, different profiles": Described(
        {"nvidia.com/gpu": "0"},
        {
            **nvidia(product=f"{H100}-MIG-INVALID", memory="0", count="0", replicas="0", sharing_strategy=""),
            "nvidia.com/mig.strategy": "single",
        },
    ),
    "MIG mixed": Described(
        {"nvidia.com/gpu": "0", "nvidia.com/mig-3g.40gb": "1", "nvidia.com/mig-1g.10gb": "4"},
        {**_MIXED_WHOLE, **_slices("3g.40gb", "40192"), **_slices("1g.10gb", "9856", count="4")},
    ),
    "MIG mixed, slices shared": Described(
        {"nvidia.com/gpu": "0", "nvidia.com/mig-1g.10gb": "8"},
        {
            **_MIXED_WHOLE,
            **_slices("1g.10gb", "9856", f"{H100}-MIG-1g.10gb-SHARED", replicas="2", sharing_strategy="time-slicing"),
        },
    ),
    "unlabelled": Described({"nvidia.com/gpu": "8"}),
    "unlabelled slices": Described({"nvidia.com/mig-1g.10gb": "7"}),
    "GKE": Described({"nvidia.com/gpu": "1"}, {"cloud.google.com/gke-accelerator": "nvidia-h100-80gb"}),
    "GKE, shared": Described(
        {"nvidia.com/gpu": "3"},
        {
            "cloud.google.com/gke-accelerator": "nvidia-tesla-t4",
            "cloud.google.com/gke-gpu-sharing-strategy": "time-sharing",
            "cloud.google.com/gke-max-shared-clients-per-gpu": "3",
        },
    ),
    "GKE, slices": Described(
        {"nvidia.com/gpu": "7"},
        {
            "cloud.google.com/gke-accelerator": "nvidia-a100-80gb",
            "cloud.google.com/gke-gpu-partition-size": "1g.10gb",
        },
    ),
    "AMD": Described({"amd.com/gpu": "8"}, AMD_WHOLE),
    "AMD, beta labels": Described({"amd.com/gpu": "8"}, {f"beta.{key}": value for key, value in AMD_WHOLE.items()}),
    "AMD, partitions": Described(
        {"amd.com/gpu": "64"}, {**AMD_WHOLE, "amd.com/gpu.compute-memory-partition": "cpx_nps4"}
    ),
    "AMD, named partitions": Described({"amd.com/cpx_nps4": "64"}, AMD_WHOLE),
    "AMD, two models": Described(
        {"amd.com/gpu": "8"},
        {
            "amd.com/gpu.product-name.AMD_Instinct_MI210": "4",
            "amd.com/gpu.product-name.AMD_Instinct_MI300X_OAM": "4",
            "amd.com/gpu.vram.64G": "4",
            "amd.com/gpu.vram.192G": "4",
        },
    ),
    "AMD, unlabelled": Described({"amd.com/gpu": "8"}),
    "Intel": Described(
        {"gpu.intel.com/i915": "2"},
        {
            "gpu.intel.com/product": "Max_1100",
            "gpu.intel.com/family": "Max_Series",
            "gpu.intel.com/device.count": "2",
        },
    ),
    "Gaudi": Described({"habana.ai/gaudi": "8"}),
    "no accelerators": Described({}),
}


@contextlib.asynccontextmanager
async def described_nodes(api: Api, nodes: Mapping[str, Described]) -> AsyncIterator[None]:
    """Nodes of a cluster describe their accelerators so while this is open; what else they say stays."""
    before = {name: await api.get(f"/api/v1/nodes/{name}") for name in nodes}

    async def describe(name: str, labels: Mapping[str, str | None], amounts: Mapping[str, str | None]) -> None:
        await api.patch(f"/api/v1/nodes/{name}", {"metadata": {"labels": labels}})
        await api.patch(f"/api/v1/nodes/{name}/status", {"status": {"capacity": amounts, "allocatable": amounts}})

    try:
        for name, described in nodes.items():
            await describe(name, described.labels, described.resources)
        yield
    finally:
        for name, described in nodes.items():
            labels, amounts = before[name]["metadata"]["labels"], before[name]["status"]["capacity"]
            await describe(
                name,
                {key: labels.get(key) for key in described.labels},
                {key: amounts.get(key) for key in described.resources},
            )
