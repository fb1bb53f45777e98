"""What nodes could hold: pure reading of Node objects."""

from __future__ import annotations

from collections import Counter
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
        product: of the accelerator with that memory, or of all where no node tells the memory; empty if unknown.
    """

    accelerators: int | None = None
    memory_mib: int | None = None
    product: str = ""


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
    labels = [node["metadata"].get("labels") or {} for node, count in zip(matching, counts, strict=True) if count]
    memories = [_whole(one.get(MEMORY_LABEL, "")) or 0 for one in labels]
    most = max(memories, default=0)
    products = {one.get(PRODUCT_LABEL, "") for one, memory in zip(labels, memories, strict=True) if memory == most}
    return Capacity(max(held, default=None), most or None, products.pop() if len(products) == 1 else "")


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


def no_place(nodes: Iterable[Mapping[str, Any]], pod_spec: Mapping[str, Any]) -> str:
    """Why none of the nodes could take a pod even if it were empty; empty if one could, or no node is known.

    Looks at the pod's node selector and tolerations alone, not at affinity or free resources.

    Args:
        nodes: Node objects.
        pod_spec: of a core/v1 Pod.
    """
    selector, tolerations = pod_spec.get("nodeSelector") or {}, pod_spec.get("tolerations") or []
    obstacles: Counter[str] = Counter()
    for node in nodes:
        obstacle = _missing_label(node, selector) or _repelling_taint(node, tolerations)
        if not obstacle:
            return ""
        obstacles[obstacle] += 1
    why = "; ".join(f"{count} {words}" for words, count in obstacles.most_common())
    return f"none of {obstacles.total()} nodes can take it ({why})" if obstacles else ""


def _missing_label(node: Mapping[str, Any], selector: Mapping[str, str]) -> str:
    lacking = [f"{key}={value}" for key, value in selector.items() if not _matches(node, {key: value})]
    return f"without the label {lacking[0]}" if lacking else ""


def _repelling_taint(node: Mapping[str, Any], tolerations: Iterable[Mapping[str, Any]]) -> str:
    for taint in (node.get("spec") or {}).get("taints") or []:
        if taint["effect"] != "PreferNoSchedule" and not any(_tolerates(one, taint) for one in tolerations):
            value = f"={taint['value']}" if taint.get("value") else ""
            return f"with the taint {taint['key']}{value}:{taint['effect']}"
    return ""


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    """As the scheduler does it: no key means every key, no effect every effect."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key", "") in ("", taint["key"])
    return bool(toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", ""))


def _matches(node: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    labels = node["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in wanted.items())


def _whole(text: str) -> int | None:
    return int(text) if str(text).isdecimal() else None
