"""What nodes say of their accelerators: model, memory, count, sharing and slices. Pure reading of Node objects.

The labels that describe a resource begin with the resource's own name: `nvidia.com/mig-1g.10gb.memory` is the memory of
a slice, `nvidia.com/gpu.memory` beside it that of a whole GPU. Sources: NVIDIA's GPU feature discovery 0.20 (measured),
AMD's node labeller (read), Intel's rules for node feature discovery and GKE's documentation. What no label says is
unknown, never absent: capacity alone says how many accelerators there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from autotuner.api.experiment import Accelerator
from autotuner.serving.nodes import matches, repelling_taint

Labels = Mapping[str, str]

_MIG = "nvidia.com/mig-"
_SHARED_NAME = ".shared"  # what NVIDIA's device plugin appends to the name of a resource that it renames
_SHARED_PRODUCT, _INVALID_PRODUCT = "-SHARED", "-MIG-INVALID"
_SLICE_PRODUCT = re.compile(r"-MIG-(\d\S*?)(?:-SHARED)?$")
_SLICE_SIZE = re.compile(r"\.(\d+)gb")
_GKE_PRODUCT, _GKE_SLICE = "cloud.google.com/gke-accelerator", "cloud.google.com/gke-gpu-partition-size"
_GKE_SHARING = "cloud.google.com/gke-gpu-sharing-strategy"
_GKE_CLIENTS = "cloud.google.com/gke-max-shared-clients-per-gpu"
_MIB_PER_GIB = 1024
_AMD_VRAM = re.compile(r"(\d+)G")  # a G here is a GiB
# Devices that AMD's compute partitions make of one card; a card's memory is split among them.
_AMD_DEVICES = {"dpx": 2, "tpx": 3, "qpx": 4, "cpx": 8}
_AMD_CPX = {"MI300A": 6}


@dataclass(frozen=True)
class Sharing:
    """How several pods share one accelerator.

    Attributes:
        strategy: `time-slicing`, `mps` or the word that the node has for it; empty if it does not say.
        clients: how many may; None if the node does not say.
    """

    strategy: str = ""
    clients: int | None = None

    def __str__(self) -> str:
        """For people: `time-slicing, 4 clients`."""
        clients = f"{self.clients} clients" if self.clients else ""
        return ", ".join(filter(None, (self.strategy, clients))) or "nobody says how"


@dataclass(frozen=True)
class NodeAccelerators:
    """What one node says of one resource.

    Attributes:
        node: its name.
        count: what it can hand out, as its capacity says.
        product: the model of the accelerators, as its label says; empty if it says none, or several.
        label: the label that says so; empty if there is none.
        models: of accelerators, where the node has several and nobody knows which one a pod gets.
        memory_mib: what one engine's share of one accelerator has in MiB; None if unknown.
        sharing: how others share an accelerator with a pod; None if it is the pod's alone, or nobody says.
        mig_slice: the profile of NVIDIA's MIG slices, for example `1g.10gb`; empty for anything else.
        invalid: the node has MIG profiles that its strategy cannot hand out.
        closed: engines cannot go there: it is cordoned, or has a taint that they do not tolerate.
    """

    node: str = ""
    count: int = 0
    product: str = ""
    label: str = ""
    models: tuple[str, ...] = ()
    memory_mib: int | None = None
    sharing: Sharing | None = None
    mig_slice: str = ""
    invalid: bool = False
    closed: bool = False


@dataclass(frozen=True)
class Fleet:
    """What all nodes on which engines may run say of the resource that engines ask for.

    Attributes:
        resource: that they ask for; empty for engines without accelerators.
        nodes: that have it, or could with another MIG profile: one of each kind, by name.
        elsewhere: other extended resources that some node has.
        looked: whether any node is known at all.
    """

    resource: str = ""
    nodes: tuple[NodeAccelerators, ...] = ()
    elsewhere: tuple[str, ...] = ()
    looked: bool = False

    @property
    def offering(self) -> list[NodeAccelerators]:
        """The nodes that can hand the resource out."""
        return [one for one in self.nodes if one.count]

    @property
    def open(self) -> list[NodeAccelerators]:
        """The nodes where engines may come to run as things are."""
        return [one for one in self.nodes if not one.closed]

    @property
    def accelerators(self) -> int | None:
        """The most that one node could hold; None if no node has any."""
        return max((one.count for one in self.offering), default=None)

    @property
    def memory_mib(self) -> int | None:
        """The most memory that an engine may find on one; None if a node does not say, or the resource's name."""
        sizes = [one.memory_mib for one in self.offering]
        known = [size for size in sizes if size is not None]
        if not sizes:
            return _size_of_slice(mig_slice(self.resource))
        return max(known) if len(known) == len(sizes) else None

    @property
    def product(self) -> str:
        """The model with that memory, or of all where memory is unknown; empty if unknown, or if there are several."""
        most = self.memory_mib
        found = {one.product for one in self.offering if most is None or one.memory_mib == most}
        return found.pop() if len(found) == 1 else ""

    @property
    def mig_slice(self) -> str:
        """The profile of the slices, if an engine can get nothing but MIG slices; else empty."""
        profiles = {one.mig_slice for one in self.offering}
        if named := mig_slice(self.resource):
            return named
        return "" if "" in profiles else ", ".join(sorted(profiles))


UNKNOWN = Fleet()


@lru_cache
def product_labels(resource: str) -> tuple[str, ...]:
    """The labels that may say the model of a resource, the resource's own first; empty without a resource."""
    if not resource:
        return ()
    names = [f"{prefix}{name}" for prefix in _prefixes(resource) for name in _product_names(resource)]
    on_gke = resource.startswith("nvidia.com/") and not mig_slice(resource)
    return (*names, *([_GKE_PRODUCT] if on_gke else []))


def pinning(asked: Accelerator) -> dict[str, str]:
    """The label that keeps an engine on one model of accelerator; empty where none is known, or no label says it."""
    label = asked.label or next(iter(product_labels(asked.resource)), "")
    return {label: asked.product} if asked.product and label else {}


def mig_slice(resource: str) -> str:
    """The MIG profile that a resource's name says: `nvidia.com/mig-1g.10gb` is `1g.10gb`; empty for others."""
    return resource.removeprefix(_MIG).removesuffix(_SHARED_NAME) if resource.startswith(_MIG) else ""


def read(node: Mapping[str, Any], resource: str, label: str = "") -> NodeAccelerators:
    """What a node says of a resource.

    Args:
        node: a Node object.
        resource: the extended resource; empty for engines without one: nothing but the model may be known then.
        label: that says the model; empty for the resource's own.
    """
    labels: Labels = node["metadata"].get("labels") or {}
    allocatable = (node.get("status") or {}).get("allocatable") or {}
    name, count = node["metadata"].get("name", ""), _whole(allocatable.get(resource, "")) or 0
    if not resource:  # devices that are claimed another way still have a model where a label says so
        return NodeAccelerators(name, product=labels.get(label, ""), label=label if labels.get(label) else "")
    told = next((key for key in product_labels(resource) if labels.get(key)), "")
    own = labels.get(told, "")
    profile = mig_slice(resource) or labels.get(_GKE_SLICE, "") or _of_product(own)
    key = label or told
    sharing = _sharing(labels, resource, own)
    return NodeAccelerators(
        name,
        count,
        product=labels.get(key, ""),
        label=key if labels.get(key) else "",
        models=() if labels.get(key) else tuple(_counted(labels, product_labels(resource))),
        memory_mib=_memory(labels, resource, profile, sharing),
        sharing=sharing,
        mig_slice="" if own.endswith(_INVALID_PRODUCT) else profile,
        invalid=own.endswith(_INVALID_PRODUCT),
    )


def fleet(
    nodes: Iterable[Mapping[str, Any]],
    resource: str,
    selector: Labels,
    *,
    label: str = "",
    pinned: Labels | None = None,
    tolerations: Sequence[Mapping[str, Any]] = (),
) -> Fleet:
    """What the nodes that match a selector say, each kind once.

    Args:
        nodes: Node objects.
        resource: the extended resource; empty for engines without one.
        selector: labels that a node must have.
        label: that says the model; empty for the resource's own.
        pinned: label -> model, once experiment 0 has fixed it.
        tolerations: of engines. Those of a taint that is called like the resource need not be among them: where nodes
            of accelerators have one, admission usually adds its toleration.
    """
    if not resource:
        return UNKNOWN
    tolerated = [*tolerations, {"key": resource, "operator": "Exists"}]
    every, wanted = list(nodes), {**selector, **(pinned or {})}
    kinds: dict[tuple[Any, ...], NodeAccelerators] = {}
    for node in every:
        if _concerns(node, resource) and matches(node, wanted):
            found, closed = read(node, resource, label), _closed(node, tolerated)
            kind = (closed, *(value for name, value in vars(found).items() if name != "node"))
            if kind not in kinds or found.node < kinds[kind].node:
                kinds[kind] = replace(found, closed=closed)
    others = {name for node in every for name in _extended(node) if name != resource}
    by_name = sorted(kinds.values(), key=lambda one: one.node)
    return Fleet(resource, tuple(by_name), tuple(sorted(others)), bool(every))


def _closed(node: Mapping[str, Any], tolerations: Sequence[Mapping[str, Any]]) -> bool:
    spec = node.get("spec") or {}
    return bool(spec.get("unschedulable") or (spec.get("taints") and repelling_taint(node, tolerations)))


def _concerns(node: Mapping[str, Any], resource: str) -> bool:
    """Whether a node has the resource, or could have it; most of a large cluster have not."""
    if _whole(((node.get("status") or {}).get("allocatable") or {}).get(resource, "")):
        return True
    labels: Labels = node["metadata"].get("labels") or {}
    return any(labels.get(key, "").endswith(_INVALID_PRODUCT) for key in product_labels(resource))


def _extended(node: Mapping[str, Any]) -> Iterator[str]:
    """The extended resources that a node has."""
    for name, amount in ((node.get("status") or {}).get("allocatable") or {}).items():
        if "/" in name and "kubernetes.io/" not in name and _whole(amount):
            yield name


@lru_cache
def _prefixes(resource: str) -> tuple[str, ...]:
    """With what the labels of a resource may begin, the resource's own name first."""
    domain, _, name = resource.removesuffix(_SHARED_NAME).partition("/")
    if domain == "gpu.intel.com":
        return ("gpu.intel.com/",)
    own = [f"{domain}/{name}."]
    # A resource that its device plugin renamed keeps the labels of a whole GPU; so does a partition of AMD's.
    if domain in ("nvidia.com", "amd.com") and name != "gpu" and not name.startswith("mig-"):
        own.append(f"{domain}/gpu.")
    return (*own, *(f"beta.{prefix}" for prefix in own if domain == "amd.com"))


def _product_names(resource: str) -> tuple[str, ...]:
    return ("product-name", "product") if resource.startswith("amd.com/") else ("product", "product-name")


def _first(labels: Labels, resource: str, name: str) -> str:
    """The value of a resource's label; empty if no prefix has it."""
    return next((labels[key] for prefix in _prefixes(resource) if labels.get(key := f"{prefix}{name}")), "")


def _counted(labels: Labels, keys: Iterable[str]) -> list[str]:
    """What AMD writes into the keys where cards differ: `amd.com/gpu.vram.192G: "4"` says `192G`."""
    for key in keys:
        found = sorted(one.removeprefix(f"{key}.") for one in labels if one.startswith(f"{key}."))
        if found:
            return found
    return []


def _of_product(product: str) -> str:
    """The MIG profile in `NVIDIA-H100-80GB-HBM3-MIG-1g.10gb`; empty if it names none."""
    found = _SLICE_PRODUCT.search(product)
    return found.group(1) if found else ""


def _sharing(labels: Labels, resource: str, product: str) -> Sharing | None:
    clients = _whole(_first(labels, resource, "replicas") or labels.get(_GKE_CLIENTS, ""))
    strategy = _first(labels, resource, "sharing-strategy") or labels.get(_GKE_SHARING, "")
    strategy = "" if strategy == "none" else strategy
    named = resource.endswith(_SHARED_NAME) or product.endswith(_SHARED_PRODUCT)
    if not (strategy or named or (clients or 0) > 1):
        return None
    return Sharing(strategy, clients if clients and clients > 1 else None)


def _memory(labels: Labels, resource: str, profile: str, sharing: Sharing | None) -> int | None:
    """MiB that one engine finds; of a GPU that is shared in time the whole, for nobody divides that."""
    if resource.startswith("amd.com/"):
        return _amd_memory(labels, resource)
    told = _whole(_first(labels, resource, "memory")) or _size_of_slice(profile)
    if told and sharing and sharing.strategy == "mps" and sharing.clients:
        return told // sharing.clients
    return told


def _size_of_slice(profile: str) -> int | None:
    """MiB of a MIG slice by its profile's name, which rounds up a little; None without a profile."""
    found = _SLICE_SIZE.search(profile)
    return int(found.group(1)) * _MIB_PER_GIB if found else None


def _amd_memory(labels: Labels, resource: str) -> int | None:
    """MiB of one device: of the largest card, divided among the devices that a compute partition makes of it."""
    plain = _first(labels, resource, "vram")
    keys = [f"{prefix}vram" for prefix in _prefixes(resource)]
    sizes = [
        int(found.group(1))
        for text in ([plain] if plain else _counted(labels, keys))
        if (found := _AMD_VRAM.fullmatch(text))
    ]
    if not sizes:
        return None
    mode = _amd_partition(labels, resource)
    product = _first(labels, resource, "product-name")
    devices = next((count for card, count in _AMD_CPX.items() if mode == "cpx" and card in product), 0)
    return max(sizes) * _MIB_PER_GIB // (devices or _AMD_DEVICES.get(mode, 1))


def _amd_partition(labels: Labels, resource: str) -> str:
    """The compute partition in a resource's name (`amd.com/cpx_nps4`), else in its label; empty if neither says."""
    name = resource.partition("/")[2]
    text = name if "_nps" in name else _first(labels, resource, "compute-memory-partition")
    return text.partition("_")[0].lower()


def _whole(text: Any) -> int | None:
    return int(text) if str(text).isdecimal() else None
