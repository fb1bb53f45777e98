"""What nodes could hold: pure reading of Node objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any


def any_fits(nodes: Iterable[Mapping[str, Any]], names: Iterable[str], wanted: Mapping[str, str]) -> bool:
    """Whether one of the nodes called so has the labels; one that is not known may.

    Args:
        nodes: Node objects.
        names: of the nodes in question.
        wanted: labels that a node must have.
    """
    known = {node["metadata"]["name"]: node for node in nodes}
    return any(name not in known or matches(known[name], wanted) for name in names)


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
        obstacle = _missing_label(node, selector) or repelling_taint(node, tolerations)
        if not obstacle:
            return ""
        obstacles[obstacle] += 1
    why = "; ".join(f"{count} {words}" for words, count in obstacles.most_common())
    return f"none of {obstacles.total()} nodes can take it ({why})" if obstacles else ""


def _missing_label(node: Mapping[str, Any], selector: Mapping[str, str]) -> str:
    lacking = [f"{key}={value}" for key, value in selector.items() if not matches(node, {key: value})]
    return f"without the label {lacking[0]}" if lacking else ""


def repelling_taint(node: Mapping[str, Any], tolerations: Iterable[Mapping[str, Any]]) -> str:
    """The taint that keeps a pod with these tolerations off a node, in words; empty if none does."""
    tolerations = list(tolerations)
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


def matches(node: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    """Whether a node has these labels."""
    labels = node["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in wanted.items())
