"""What nodes could hold: pure reading of Node objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

PRODUCT_LABEL = "nvidia.com/gpu.product"
MEMORY_LABEL = "nvidia.com/gpu.memory"


@dataclass(frozen=True)
class Capacity:
    """The most that one node among those allowed could hold; None where no node says so.

    Attributes:
        accelerators: of one node.
        memory_mib: of one accelerator.
    """

    accelerators: int | None = None
    memory_mib: int | None = None


UNKNOWN = Capacity()


def capacity(
    nodes: Iterable[Mapping[str, Any]], resource: str, selector: Mapping[str, str], product: str | None
) -> Capacity:
    """What the best of the nodes that match a selector could hold if it were empty.

    Args:
        nodes: Node objects.
        resource: the extended resource; empty for engines without one: then nothing is known.
        selector: labels that a node must have.
        product: of the accelerator, once experiment 0 has fixed it.
    """
    wanted = {**selector, **({PRODUCT_LABEL: product} if product else {})}
    matching = [node for node in nodes if _matches(node, wanted)]
    counts = [_whole((node.get("status") or {}).get("allocatable", {}).get(resource, "")) for node in matching]
    held = [count for count in counts if count]
    memories = [
        _whole(node["metadata"]["labels"].get(MEMORY_LABEL, ""))
        for node, count in zip(matching, counts, strict=True)
        if count
    ]
    return Capacity(max(held, default=None), max((memory for memory in memories if memory), default=None))


def any_fits(
    nodes: Iterable[Mapping[str, Any]], names: Iterable[str], selector: Mapping[str, str], product: str | None
) -> bool:
    """Whether one of the nodes called so matches a selector; one that is not known may.

    Args:
        nodes: Node objects.
        names: of the nodes in question.
        selector: labels that a node must have.
        product: of the accelerator, once experiment 0 has fixed it.
    """
    wanted = {**selector, **({PRODUCT_LABEL: product} if product else {})}
    known = {node["metadata"]["name"]: node for node in nodes}
    return any(name not in known or _matches(known[name], wanted) for name in names)


def _matches(node: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    labels = node["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in wanted.items())


def _whole(text: str) -> int | None:
    return int(text) if str(text).isdecimal() else None
