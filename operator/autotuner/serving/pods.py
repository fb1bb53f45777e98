"""What a pod says about its main container: pure reading of a core/v1 Pod."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from autotuner.kubernetes_object import Object
from autotuner.serving import kueue

_PULL_FAILURES = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")


@dataclass(frozen=True)
class Terminated:
    """The end of a container."""

    exit_code: int
    reason: str
    message: str
    finished: str = ""  # as Kubernetes wrote it: says which container ended first, never how long ago


@dataclass(frozen=True)
class Disruption:
    """Why Kubernetes takes a pod away from outside."""

    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}" if self.message else self.reason


@dataclass(frozen=True)
class PodView:
    """The part of a pod that decisions are made of."""

    name: str
    uid: str
    created: str  # as Kubernetes wrote it: says which pod is newer, never how old one is
    node: str | None
    gates: tuple[str, ...]  # that keep the scheduler from looking for a node
    unschedulable: str  # the scheduler's words while there is no node
    waiting_reason: str
    waiting_message: str
    started: bool  # the container has run, if only once
    running: bool
    ready: bool
    restarts: int
    ended: Terminated | None  # now or before a restart
    image: str
    image_id: str
    deleting: bool
    finalizers: tuple[str, ...]
    disruption: Disruption | None
    port: int
    container: str  # the one that was read
    rank: int  # in the group of pods that one engine has; 0 leads it
    group_size: int  # pods that the engine has

    @property
    def queued(self) -> bool:
        """Whether it waits for Kueue to admit it."""
        return kueue.ADMISSION_GATE in self.gates and not self.deleting

    @property
    def cannot_be_pulled(self) -> bool:
        """Whether the kubelet gave up on the image, or waits ever longer between its attempts."""
        return self.waiting_reason in _PULL_FAILURES


def view(pod: Object, container: str, *, rank: int = 0, group_size: int = 1) -> PodView:
    """Read a pod.

    Args:
        pod: a core/v1 Pod.
        container: the one that matters.
        rank: of the pod in the group that one engine has; 0 leads.
        group_size: pods of that group.
    """
    spec, status, meta = pod["spec"], pod.get("status", {}), pod["metadata"]
    conditions = {item["type"]: item for item in status.get("conditions", [])}
    main: Object = next((item for item in status.get("containerStatuses", []) if item["name"] == container), {})
    state, last = main.get("state") or {}, main.get("lastState") or {}
    scheduled, ready = conditions.get("PodScheduled", {}), conditions.get("Ready", {})
    terminated = state.get("terminated") or last.get("terminated")
    waiting, running = state.get("waiting") or {}, state.get("running") or {}
    declared: Object = next((item for item in spec["containers"] if item["name"] == container), {})
    ports = declared.get("ports") or [{}]
    return PodView(
        name=meta["name"],
        uid=meta["uid"],
        created=meta["creationTimestamp"],
        node=spec.get("nodeName"),
        gates=tuple(gate["name"] for gate in spec.get("schedulingGates") or []),
        unschedulable=scheduled.get("message", "") if scheduled.get("status") == "False" else "",
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        started=bool(running or terminated),
        running=bool(running),
        ready=ready.get("status") == "True",
        restarts=main.get("restartCount", 0),
        ended=_terminated(terminated) if terminated else None,
        image=main.get("image") or declared.get("image", ""),
        image_id=main.get("imageID", ""),
        deleting="deletionTimestamp" in meta,
        finalizers=tuple(meta.get("finalizers") or ()),
        disruption=_disruption(conditions, status, terminated or {}),
        port=ports[0].get("containerPort", 8080),
        container=container,
        rank=rank,
        group_size=group_size,
    )


# Kubernetes' own, and Kueue's, which goes seconds later.
_DISRUPTION_CONDITIONS = ("DisruptionTarget", "TerminationTarget")
_KUBELET_REASONS = ("Evicted", "NodeShutdown", "Terminated", "Preempting", "NodeAffinity")
# What becomes of a container whose node stopped: the kubelet's word for one that it does not find any more, which it
# gives exit code 137, and containerd's for one of which it has no exit code, 255.
_LOST_REASONS = ("ContainerStatusUnknown", "Unknown")
_LOST = "its node stopped and knows no more of the container"


def _disruption(conditions: Mapping[str, Object], status: Object, terminated: Object) -> Disruption | None:
    for name in _DISRUPTION_CONDITIONS:
        found = conditions.get(name, {})
        if found.get("status") == "True":
            return Disruption(found.get("reason", ""), found.get("message", ""))
    # A kubelet that takes a pod away says so in the pod's own reason, with or without the condition.
    if status.get("phase") == "Failed" and status.get("reason") in _KUBELET_REASONS:
        return Disruption(status["reason"], status.get("message", ""))
    if terminated.get("reason") in _LOST_REASONS:
        return Disruption(terminated["reason"], terminated.get("message") or _LOST)
    return None


def _terminated(state: Object) -> Terminated:
    return Terminated(
        exit_code=state.get("exitCode", -1),
        reason=state.get("reason", ""),
        message=state.get("message", ""),
        finished=state.get("finishedAt") or "",
    )


def node_ready(node: Object) -> bool:
    """Whether a node's kubelet answers."""
    conditions = (node.get("status") or {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
