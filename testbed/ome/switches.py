"""Faults on request: annotations on an InferenceService or on the runtime that it names. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterable

from autotuner.kubernetes_object import Object

SWITCH = "testbed.autotuner.io/ome"
SLOW_STOP_SECONDS = "testbed.autotuner.io/slow-stop-seconds"
SLOW_RELEASE_SECONDS = "testbed.autotuner.io/slow-release-seconds"
SLOW_STOP_FINALIZER = "testbed.autotuner.io/slow-stop"
QUOTA_CLASS = "testbed-over-quota"

KNOWN = {
    "silent",
    "never-ready",
    "unschedulable",
    "quota",
    "slow-release",
    "slow-stop",
    "late-url",
    "stuck-deletion",
    "crash-reported",
    "warn",
}


def switches(*objects: Object | None) -> frozenset[str]:
    """Returns what is switched on by any of the objects.

    Raises:
        ValueError: a switch that does not exist, so that a typo in a test does not pass silently.
    """
    found: set[str] = set()
    for obj in objects:
        value = _annotations(obj).get(SWITCH, "")
        found |= {word.strip() for word in value.split(",") if word.strip()}
    if unknown := found - KNOWN:
        raise ValueError(f"unknown switches {sorted(unknown)}; there are {sorted(KNOWN)}")
    return frozenset(found)


def slow_stop_seconds(*objects: Object | None) -> float:
    """Returns how long a stopped pod stays visible with the switch slow-stop: as the first of the objects says."""
    return _seconds(SLOW_STOP_SECONDS, objects)


def slow_release_seconds(*objects: Object | None) -> float:
    """Returns how long OME keeps its finalizer with the switch slow-release: as the first of the objects says."""
    return _seconds(SLOW_RELEASE_SECONDS, objects)


def _seconds(annotation: str, objects: Iterable[Object | None]) -> float:
    return next((float(told[annotation]) for told in map(_annotations, objects) if annotation in told), 5.0)


def _annotations(obj: Object | None) -> dict[str, str]:
    return ((obj or {}).get("metadata") or {}).get("annotations") or {}


def sabotage(template: Object, active: frozenset[str], seconds: float) -> Object:
    """Returns a pod template with the faults that live in the pod itself."""
    result = copy.deepcopy(template)
    spec = result["spec"]
    if "never-ready" in active:
        spec["containers"][0]["readinessProbe"] = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    if "unschedulable" in active:
        spec.setdefault("nodeSelector", {})["testbed.autotuner.io/nowhere"] = "true"
    if "quota" in active:
        spec["priorityClassName"] = QUOTA_CLASS
    if "slow-stop" in active:
        result["metadata"]["finalizers"] = [SLOW_STOP_FINALIZER]
        result["metadata"]["annotations"][SLOW_STOP_SECONDS] = f"{seconds:g}"
    return result


def quota(namespace: str, owner: Object) -> tuple[Object, Object]:
    """Returns a priority class and a ResourceQuota that lets no pod of that class exist."""
    priority = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": QUOTA_CLASS},
        "value": 0,
        "description": "Pods that the testbed wants refused for their namespace's quota.",
    }
    selector = {"operator": "In", "scopeName": "PriorityClass", "values": [QUOTA_CLASS]}
    limit = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": QUOTA_CLASS, "namespace": namespace, "ownerReferences": [owner]},
        "spec": {"hard": {"pods": "0"}, "scopeSelector": {"matchExpressions": [selector]}},
    }
    return priority, limit
