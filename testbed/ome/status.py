"""What OME writes into the status of an InferenceService, from its Deployment and pods. Pure."""

from __future__ import annotations

from autotuner.kubernetes_object import Object
from testbed.ome.render import CONTAINER, engine_service_name

_INITIALIZING = {"reason": "Initializing", "message": "engine component initializing"}
_INGRESS = {
    "type": "IngressReady",
    "status": "True",
    "reason": "IngressDisabled",
    "message": "Ingress creation is disabled, using external service for access",
}


def status(isvc: Object, port: int, deployment: Object, pods: list[Object], late_url: bool, now: str) -> Object:
    """Returns the status of an InferenceService.

    Args:
        isvc: the InferenceService, with its present status.
        port: the first port of the engine.
        deployment: the engine's, as it is now.
        pods: the engine's.
        late_url: whether the address is told only together with Ready.
        now: the time, for conditions that change.
    """
    name, namespace = isvc["metadata"]["name"], isvc["metadata"]["namespace"]
    available = _available(deployment)
    old = isvc.get("status", {})
    result: Object = {"conditions": _conditions(available, deployment, old.get("conditions", []), now)}
    if available or not late_url:
        result["url"] = f"http://{name}.{namespace}.svc.cluster.local:{port}"
        result["address"] = {"url": result["url"]}
    if available is not None:
        result["observedGeneration"] = deployment["status"]["observedGeneration"]
        result["components"] = {"engine": _component(name, namespace, deployment, available)}
        result["modelStatus"] = _model_status(pods, available)
    return result


def ready(isvc_status: Object) -> bool:
    """Tells whether a status says Ready."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in isvc_status.get("conditions", []))


def failed_exit(pod: Object) -> int | None:
    """Returns the exit code with which the engine's container of a pod ended, or None while it has not."""
    for container in pod.get("status", {}).get("containerStatuses", []):
        state, last = container.get("state", {}), container.get("lastState", {})
        if container["name"] != CONTAINER:
            continue
        if (ended := state.get("terminated")) and ended["exitCode"]:
            return int(ended["exitCode"])
        if state.get("waiting", {}).get("reason") == "CrashLoopBackOff" and "terminated" in last:
            return int(last["terminated"]["exitCode"])
    return None


def _available(deployment: Object) -> bool | None:
    for condition in deployment.get("status", {}).get("conditions", []):
        if condition["type"] == "Available":
            return bool(condition["status"] == "True")
    return None


def _conditions(available: bool | None, deployment: Object, old: list[Object], now: str) -> list[Object]:
    if available is None:
        found = [_INGRESS, {"type": "Ready", "status": "Unknown"}]
    elif not available:
        engine = {"type": "EngineReady", "status": "False", **_INITIALIZING}
        found = [engine, _INGRESS, {"type": "Ready", "status": "False", **_INITIALIZING}]
    else:
        deployed = next(c for c in deployment["status"]["conditions"] if c["type"] == "Available")
        told = {key: deployed[key] for key in ("reason", "message") if key in deployed}
        found = [{"type": "EngineReady", "status": "True", **told}, _INGRESS, {"type": "Ready", "status": "True"}]
    # The times of all conditions move together.
    known = [{key: value for key, value in c.items() if key != "lastTransitionTime"} for c in old]
    since = old[0].get("lastTransitionTime", now) if old and known == found else now
    return [{**condition, "lastTransitionTime": since} for condition in found]


def _component(name: str, namespace: str, deployment: Object, available: bool) -> Object:
    revision = deployment["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision", "1")
    component = {"latestCreatedRevision": revision}
    if available:
        component["url"] = f"http://{engine_service_name(name)}.{namespace}.svc.cluster.local"
    return component


def _model_status(pods: list[Object], available: bool) -> Object:
    if not pods:
        return {"transitionStatus": ""}
    copies = {"failedCopies": 0, "totalCopies": len(pods)}
    if available:
        states = {"activeModelState": "Loaded", "targetModelState": "Loaded"}
        return {"transitionStatus": "UpToDate", "modelRevisionStates": states, "modelCopies": copies}
    exits = [code for code in map(failed_exit, pods) if code is not None]
    if not exits:
        states = {"activeModelState": "", "targetModelState": "Pending"}
        return {"transitionStatus": "InProgress", "modelRevisionStates": states, "modelCopies": copies}
    return {
        "transitionStatus": "BlockedByFailedLoad",
        "modelRevisionStates": {"activeModelState": "", "targetModelState": "FailedToLoad"},
        "modelCopies": {**copies, "failedCopies": len(exits)},
        "lastFailureInfo": {"reason": "ModelLoadFailed", "exitCode": exits[0]},
    }
