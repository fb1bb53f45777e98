"""What KServe writes into the status of an InferenceService: late, and with less in it than it seems. Pure."""

from __future__ import annotations

from autotuner.kubernetes_object import Object
from testbed.kserve.render import CONTAINER, Chosen

_INGRESS = {"type": "IngressReady", "status": "True"}


def condition(kind: str, value: str, reason: str = "", message: str = "") -> Object:
    """Returns a condition."""
    told = {key: text for key, text in (("reason", reason), ("message", message)) if text}
    return {"type": kind, "status": value, **told}


def serving(chosen: Chosen, deployment: Object, pods: list[Object]) -> Object:
    """Returns the status by a Deployment and its pods."""
    found = {one["type"]: one for one in deployment.get("status", {}).get("conditions", [])}
    available = found.get("Available", {"status": "Unknown"})
    value, reason = available["status"], available.get("reason", "")
    result: Object = {
        **_runtime(chosen),
        "deploymentMode": "Standard",
        "conditions": [_INGRESS, condition("PredictorReady", value, reason), condition("Ready", value)],
        # Of the Deployment, as in KServe, so that it tells nothing.
        "observedGeneration": deployment.get("status", {}).get("observedGeneration", 0),
        "modelStatus": _model(value == "True", pods),
    }
    if value == "True":
        result["url"] = f"http://{chosen.name}.{chosen.isvc['metadata']['namespace']}.svc.cluster.local"
    return result


def invalid(isvc: Object, reason: str, message: str) -> Object:
    """Returns the status of what can never be deployed."""
    unknown = [condition("PredictorReady", "Unknown"), condition("Ready", "Unknown")]
    failure = {"reason": reason, "message": message}
    model = {"transitionStatus": "InvalidSpec", "lastFailureInfo": failure}
    return {**isvc.get("status", {}), "conditions": unknown, "modelStatus": model}


def refused(chosen: Chosen, message: str) -> Object:
    """Returns the status of what the API server refused."""
    failed = [condition(kind, "False", "ReconcileFailed", message) for kind in ("PredictorReady", "Ready")]
    return {**_runtime(chosen), "conditions": failed}


def stopped(isvc: Object) -> Object:
    """Returns the status of what was stopped."""
    told = [condition(kind, "False", "Stopped") for kind in ("PredictorReady", "Ready")]
    return {**isvc.get("status", {}), "conditions": told}


def ready(isvc: Object) -> bool:
    """Tells whether an InferenceService says Ready."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in isvc.get("status", {}).get("conditions", []))


def _runtime(chosen: Chosen) -> Object:
    if chosen.runtime is None:
        return {}
    clusterwide = chosen.runtime["kind"] == "ClusterServingRuntime"
    return {"clusterServingRuntimeName" if clusterwide else "servingRuntimeName": chosen.runtime["metadata"]["name"]}


def _model(available: bool, pods: list[Object]) -> Object:
    if available:
        return {"transitionStatus": "UpToDate", "states": {"activeModelState": "Loaded", "targetModelState": "Loaded"}}
    for pod in pods:
        for one in pod.get("status", {}).get("containerStatuses", []):
            ended = one.get("state", {}).get("terminated") or one.get("lastState", {}).get("terminated") or {}
            if one["name"] == CONTAINER and ended.get("exitCode"):
                failure = {"reason": "ModelLoadFailed", "exitCode": ended["exitCode"]}
                return {"transitionStatus": "BlockedByFailedLoad", "lastFailureInfo": failure}
    return {"transitionStatus": "InProgress"}
