"""What a pod says about its main container: pure reading of a core/v1 Pod."""

from __future__ import annotations

from dataclasses import dataclass

from autotuner.kubernetes_object import Object

_PULL_FAILURES = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")


@dataclass(frozen=True)
class Terminated:
    """The end of a container."""

    exit_code: int
    reason: str
    message: str
    finished_at: str | None


@dataclass(frozen=True)
class PodView:
    """The part of a pod that decisions are made of; times as Kubernetes wrote them."""

    name: str
    uid: str
    created: str
    node: str | None
    scheduled_at: str | None
    unschedulable: str  # the scheduler's words while there is no node
    waiting_reason: str
    waiting_message: str
    started_at: str | None  # the container's first start
    running: bool
    ready_at: str | None
    restarts: int
    ended: Terminated | None  # now or before a restart
    image: str
    image_id: str
    deleting: bool
    port: int

    @property
    def cannot_be_pulled(self) -> bool:
        """Whether the kubelet gave up on the image, or waits ever longer between its attempts."""
        return self.waiting_reason in _PULL_FAILURES


def view(pod: Object, container: str) -> PodView:
    """Read a pod; `container` names the one that matters."""
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
        scheduled_at=scheduled.get("lastTransitionTime") if scheduled.get("status") == "True" else None,
        unschedulable=scheduled.get("message", "") if scheduled.get("status") == "False" else "",
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        started_at=running.get("startedAt") or (terminated or {}).get("startedAt"),
        running=bool(running),
        ready_at=ready.get("lastTransitionTime") if ready.get("status") == "True" else None,
        restarts=main.get("restartCount", 0),
        ended=_terminated(terminated) if terminated else None,
        image=main.get("image") or declared.get("image", ""),
        image_id=main.get("imageID", ""),
        deleting="deletionTimestamp" in meta,
        port=ports[0].get("containerPort", 8080),
    )


def _terminated(state: Object) -> Terminated:
    return Terminated(
        exit_code=state.get("exitCode", -1),
        reason=state.get("reason", ""),
        message=state.get("message", ""),
        finished_at=state.get("finishedAt"),
    )


def node_ready(node: Object) -> bool:
    """Whether a node's kubelet answers."""
    conditions = (node.get("status") or {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
