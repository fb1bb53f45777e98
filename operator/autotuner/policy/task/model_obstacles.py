"""What keeps a task's engines from their model: why it is not Ready, and what stands in the way although it is."""

from __future__ import annotations

from typing import NamedTuple

from autotuner.policy.evidence.observed import ObservedTask
from autotuner.serving import nodes


class Obstacle(NamedTuple):
    """Why no engine can be started yet: a reason of the condition ModelReady, and what to do."""

    reason: str
    message: str


def not_ready(seen: ObservedTask) -> str:
    """Why a task waits for its model, which has not failed."""
    state = seen.model_state
    message = f"waiting for {seen.model_reference} to be Ready (it is {state}): {state.why}"
    if volume := seen.spec.model.volume:
        message += (
            f"; its weights are on PersistentVolumeClaim {volume.claim_name}, but {seen.backend.capabilities.name} puts"
            " engines only on nodes where the model is Ready"
        )
    return message


def find(seen: ObservedTask) -> Obstacle | None:
    """What keeps engines from a model that is Ready; None for nothing."""
    if storage := seen.storage:
        if fault := storage.fault("model"):
            return Obstacle("NotFound" if fault.reason == "NotFound" else "Failed", fault.sentence)
        if storage.waiting:
            return Obstacle("Waiting", storage.waiting)
    placement, ready = seen.spec.placement, seen.model_state.nodes
    selector = placement.node_selector or {}
    pinned = seen.pinned
    if ready and not nodes.any_fits(seen.nodes, ready, {**selector, **pinned.selector}):
        wanted = [f"{key}={value}" for key, value in sorted(selector.items())]
        wanted += [pinned.product] if pinned.product else []
        return Obstacle(
            "Waiting",
            f"{seen.model_reference} is Ready on {', '.join(ready[:5])}, but on no node with {', '.join(wanted)}, where"
            " the engines shall run: change placement.nodeSelector, or the model's storage.nodeSelector",
        )
    return None
