"""Pods as the API server has them, and the small changes that kubelets and schedulers write into them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotuner.api.common import EXPERIMENT_UID_LABEL
from autotuner.benchmark.job import measures
from autotuner.kubernetes_object import Object

GPU = "nvidia.com/gpu"


def make(name: str, owner: Object, labels: Mapping[str, str], container: Object) -> Object:
    """A pod of one container, controlled by its owner."""
    meta = owner["metadata"]
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "labels": dict(labels),
            "ownerReferences": [reference],
        },
        "spec": {"containers": [container]},
        "status": {"phase": "Pending"},
    }


def experiment_of(pod: Object) -> str:
    """The uid of the experiment that a pod belongs to."""
    return str(pod["metadata"]["labels"].get(EXPERIMENT_UID_LABEL, ""))


def is_engine(pod: Object) -> bool:
    """Whether an engine runs in the pod; in the others a benchmark does."""
    return not measures(pod)


def gpus(pod: Object) -> int:
    """The GPUs that a pod asks for."""
    limits = (pod["spec"]["containers"][0].get("resources") or {}).get("limits") or {}
    return int(limits.get(GPU, 0))


def node_of(pod: Object) -> str:
    """The node that took the pod; empty for none."""
    return str(pod["spec"].get("nodeName") or "")


def is_over(pod: Object) -> bool:
    """Whether its containers have ended for good."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def going(body: Object) -> bool:
    """Whether an object is being deleted."""
    return "deletionTimestamp" in body["metadata"]


def container_status(pod: Object) -> dict[str, Any]:
    """The status of its container, made if it is missing."""
    status = pod.setdefault("status", {})
    if not status.get("containerStatuses"):
        declared = pod["spec"]["containers"][0]
        status["containerStatuses"] = [
            {"name": declared["name"], "image": declared["image"], "imageID": "", "restartCount": 0, "state": {}}
        ]
    found: dict[str, Any] = status["containerStatuses"][0]
    return found


def restarts(pod: Object) -> int:
    """How often its container was started again."""
    return sum(one["restartCount"] for one in pod.get("status", {}).get("containerStatuses", ()))


def is_running(pod: Object) -> bool:
    """Whether its container runs."""
    return any("running" in one["state"] for one in pod.get("status", {}).get("containerStatuses", ()))


def set_condition(pod: Object, kind: str, status: str, reason: str = "", message: str = "") -> None:
    """Set a condition of the pod."""
    conditions = pod.setdefault("status", {}).setdefault("conditions", [])
    conditions[:] = [one for one in conditions if one["type"] != kind]
    conditions.append({"type": kind, "status": status, "reason": reason, "message": message})


def run(pod: Object, started: str) -> None:
    """Its container runs."""
    status = container_status(pod)
    status["state"] = {"running": {"startedAt": started}}
    status["imageID"] = f"sha256:{status['image']}"
    pod["status"]["phase"] = "Running"


def wait(pod: Object, reason: str, message: str) -> None:
    """Its container waits."""
    container_status(pod)["state"] = {"waiting": {"reason": reason, "message": message}}


def end(pod: Object, exit_code: int, reason: str, message: str, finished: str) -> None:
    """Its container has ended, and is not started again."""
    ended = {"exitCode": exit_code, "reason": reason, "message": message, "finishedAt": finished}
    container_status(pod)["state"] = {"terminated": ended}
    set_condition(pod, "Ready", "False")
    pod["status"]["phase"] = "Failed" if exit_code else "Succeeded"


def fall(pod: Object, exit_code: int, reason: str, finished: str) -> None:
    """Its container has ended and will be started again."""
    status = container_status(pod)
    status["lastState"] = {
        "terminated": {"exitCode": exit_code, "reason": reason, "message": "", "finishedAt": finished}
    }
    status["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}}
    status["restartCount"] += 1
    set_condition(pod, "Ready", "False")
