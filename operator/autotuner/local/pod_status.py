"""Pure rules for a pod's phase and conditions (after the kubelet's getPhase and status generation)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from autotuner.kubernetes_object import Object
from autotuner.local.container_record import ContainerRecord

MESSAGE_BYTES = 12 * 1024  # of all containers of a pod together


def entries(containers: Sequence[ContainerRecord], of_pod: int) -> list[Object]:
    """Returns containers' statuses; each termination message is cut to its share, as the kubelet's status manager does.

    Args:
        containers: the init containers, or the others.
        of_pod: how many containers the pod has in all.
    """
    share, found = MESSAGE_BYTES // of_pod, [copy.deepcopy(container.status()) for container in containers]
    for entry in found:
        for ended in (entry[state].get("terminated") for state in ("state", "lastState")):
            if ended and "message" in ended:
                ended["message"] = ended["message"].encode()[:share].decode(errors="ignore")
    return found


@dataclass(frozen=True)
class Verdict:
    """Why a whole pod failed."""

    reason: str
    message: str


def phase(policy: str, inits: Sequence[ContainerRecord], containers: Sequence[ContainerRecord], final: bool) -> str:
    """Returns a pod's phase.

    Args:
        policy: the pod's restartPolicy.
        inits: its init containers.
        containers: its other containers.
        final: no container will run again, whatever the policy says.
    """
    for init in inits:
        if init.exit_code is None:
            return "Failed" if final else "Pending"
        if init.exit_code != 0:
            return "Failed" if final or policy == "Never" else "Pending"
    codes = [container.exit_code for container in containers]
    if final:
        return "Succeeded" if all(code == 0 for code in codes) else "Failed"
    if any("waiting" in container.state and not container.last for container in containers):
        return "Pending"
    if any(code is None for code in codes) or policy == "Always":
        return "Running"
    if all(code == 0 for code in codes):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def conditions(
    pod_phase: str,
    inits: Sequence[ContainerRecord],
    containers: Sequence[ContainerRecord],
    old: Sequence[Object],
    time: str,
) -> list[Object]:
    """Returns the conditions that a kubelet owns; one that did not change keeps its time."""
    done = pod_phase in ("Succeeded", "Failed")
    unready = [container.name for container in containers if not container.ready]
    uninitialized = [init.name for init in inits if init.exit_code != 0]
    begun = bool(containers) and any("waiting" not in item.state or item.last for item in [*inits, *containers])
    why_not: Object = {
        "reason": "ContainersNotReady",
        "message": f"containers with unready status: [{' '.join(unready)}]",
    }
    if done:
        why_not = {"reason": "PodCompleted" if pod_phase == "Succeeded" else "PodFailed"}
    incomplete = f"containers with incomplete status: [{' '.join(uninitialized)}]"
    wanted: list[tuple[str, bool, Object]] = [
        ("PodReadyToStartContainers", begun and not done, {}),
        ("Initialized", not uninitialized, {"reason": "ContainersNotInitialized", "message": incomplete}),
        ("Ready", not unready and not done, why_not),
        ("ContainersReady", not unready and not done, why_not),
    ]
    before = {condition["type"]: condition for condition in old}
    result = []
    for kind, holds, reasons in wanted:
        status = "True" if holds else "False"
        same = before.get(kind, {}).get("status") == status
        changed = before[kind]["lastTransitionTime"] if same else time
        # A merge patch drops no key by itself: reasons of the past have to be named to go.
        detail = {"reason": None, "message": None} if holds else {"reason": None, "message": None, **reasons}
        result.append({"type": kind, "status": status, "lastTransitionTime": changed, **detail})
    return result
