"""A pod template that somebody runs, without what would give its copy the original's traffic or share what breaks.

What selects pods selects them by labels: Services, PodDisruptionBudgets, autoscalers, monitors, network policies. So no
label of the original stays. Labels of serving products are refused or acted on by their controllers, too
(LeaderWorkerSet's webhook denies such pods, KServe deletes such objects).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotuner.kubernetes_object import Object

# Their controllers and webhooks act on pods by these.
_PRODUCTS = ("serving.kserve.io/", "leaderworkerset.sigs.k8s.io/", "kueue.x-k8s.io/", "internal.serving.kserve.io/")
# What the API server or kubectl keeps for itself.
_BOOKKEEPING = ("kubectl.kubernetes.io/last-applied-configuration", "kubectl.kubernetes.io/restartedAt")
_OF_ONE_POD = ("nodeName", "hostname", "subdomain", "schedulingGates", "ephemeralContainers", "activeDeadlineSeconds")


@dataclass(frozen=True)
class PodCopy:
    """A pod template for experiments.

    Attributes:
        template: without labels.
        dropped: what it lacks of the original besides labels, by field, in words for people.
    """

    template: Object
    dropped: tuple[str, ...]


def without_traffic(template: Mapping[str, Any]) -> PodCopy:
    """The copy of a pod template.

    Service account, volumes, init containers, sidecars, tolerations, pull secrets, probes and security context stay.
    """
    pod: Object = copy.deepcopy(dict(template["spec"]))
    metadata = template.get("metadata") or {}
    dropped = [field for field in _OF_ONE_POD if pod.pop(field, None) is not None]
    dropped += _without_host_network(pod)
    for kind in ("initContainers", "containers"):
        for container in pod.get(kind) or ():
            dropped += _without_host_ports(container)
    dropped += _without_own_company(pod, metadata.get("labels") or {})
    annotations = {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if not key.startswith(_PRODUCTS) and key not in _BOOKKEEPING
    }
    kept = {"metadata": {"annotations": annotations}} if annotations else {}
    return PodCopy({**kept, "spec": pod}, tuple(dropped))


def _without_host_network(pod: Object) -> list[str]:
    """Two pods with the node's network cannot have the same port on one node."""
    return ["hostNetwork"] if pod.pop("hostNetwork", None) else []


def _without_host_ports(container: Object) -> list[str]:
    found = [port for port in container.get("ports") or () if port.pop("hostPort", None) is not None]
    for port in found:
        port.pop("hostIP", None)
    return [f"{container['name']}: hostPort {port['containerPort']}" for port in found]


def _without_own_company(pod: Object, labels: Mapping[str, str]) -> list[str]:
    """Drop what keeps the original's pods together or apart: a copy is none of them."""
    dropped = []
    affinity = pod.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        terms: Object = affinity.get(kind) or {}
        for strength in list(terms):
            others = [term for term in terms[strength] if not _selects(_selector(term), labels)]
            if len(others) < len(terms[strength]):
                dropped.append(f"affinity.{kind}")
            terms[strength] = others
            if not others:
                del terms[strength]
        if kind in affinity and not terms:
            del affinity[kind]
    if "affinity" in pod and not affinity:
        del pod["affinity"]
    spread: Sequence[Object] = pod.get("topologySpreadConstraints") or ()
    others = [one for one in spread if not _selects(one.get("labelSelector"), labels)]
    if len(others) < len(spread):
        dropped.append("topologySpreadConstraints")
        pod["topologySpreadConstraints"] = others
        if not others:
            del pod["topologySpreadConstraints"]
    return list(dict.fromkeys(dropped))


def _selector(term: Mapping[str, Any]) -> Any:
    """The selector of a term, which a weight may stand around."""
    return (term.get("podAffinityTerm") or term).get("labelSelector")


def _selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a selector selects pods with these labels. None selects none, an empty one all."""
    if selector is None:
        return False
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    expressions: Iterable[Mapping[str, Any]] = selector.get("matchExpressions") or ()
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _meets(one, labels) for one in expressions
    )


def _meets(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels
