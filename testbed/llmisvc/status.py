"""What KServe writes into the status of an LLMInferenceService: late, and with less in it than it seems. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from autotuner.kubernetes_object import Object
from testbed.llmisvc.render import deployment_name, service_name

_ALL = ("MainWorkloadReady", "WorkloadsReady", "RouterReady", "Ready")


def condition(kind: str, value: str, reason: str = "", message: str = "") -> Object:
    """Returns a condition."""
    told = {key: text for key, text in (("reason", reason), ("message", message)) if text}
    return {"type": kind, "status": value, **told}


def serving(service: Object, deployment: Object, applied: Sequence[Object]) -> Object:
    """Returns the status by a Deployment.

    Args:
        service: the object.
        deployment: its own, as it is now; empty while there is none.
        applied: references to the configurations that were combined.
    """
    found = {one["type"]: one for one in deployment.get("status", {}).get("conditions", [])}
    available = found.get("Available", {})
    value = "True" if available.get("status") == "True" else "False"
    reason = "" if value == "True" else available.get("reason", "Progressing")
    workloads = [condition(kind, value, reason) for kind in ("MainWorkloadReady", "WorkloadsReady")]
    routed = bool(service["spec"].get("router"))
    router = (
        condition("RouterReady", "False", "RefsInvalid", "no gateway") if routed else condition("RouterReady", "True")
    )
    ready = value if router["status"] == "True" else "False"
    name = service["metadata"]["name"]
    return {
        **_observed(service, [condition("PresetsCombined", "True"), *workloads, router, condition("Ready", ready)]),
        "appliedConfigs": list(applied),
        "workloads": {
            "primary": {"apiGroup": "apps", "kind": "Deployment", "name": deployment_name(name)},
            "service": {"kind": "Service", "name": service_name(name)},
        },
    }


def impossible(service: Object, reason: str, message: str) -> Object:
    """Returns the status of what can never be deployed."""
    unknown = [condition(kind, "Unknown") for kind in ("WorkloadsReady", "RouterReady")]
    failed = [condition(kind, "False", reason, message) for kind in ("PresetsCombined", "Ready")]
    return _observed(service, [*failed, *unknown])


def refused(service: Object, message: str) -> Object:
    """Returns the status of what the API server refused."""
    reason = "ReconcileSingleNodeWorkloadError"
    failed = [condition(kind, "False", reason, message) for kind in ("MainWorkloadReady", "WorkloadsReady", "Ready")]
    return _observed(service, [condition("PresetsCombined", "True"), *failed])


def stopped(service: Object) -> Object:
    """Returns the status of what was stopped."""
    return _observed(service, [condition(kind, "False", "Stopped") for kind in _ALL])


def _observed(service: Object, conditions: list[Object]) -> Object:
    before = {key: value for key, value in service.get("status", {}).items() if key in ("appliedConfigs", "workloads")}
    return {**before, "observedGeneration": service["metadata"]["generation"], "conditions": conditions}
