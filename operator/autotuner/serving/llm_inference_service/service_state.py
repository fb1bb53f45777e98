"""How far KServe is with an LLMInferenceService, by its conditions and by its engine's pod.

Its condition Ready says that something answers, not that this spec runs: it stays True over a rollout that no node can
take, and with no replica at all. A crash, a missing image and a lack of nodes look alike in all conditions; only pods
tell them apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from autotuner.kubernetes_object import Object
from autotuner.serving import refusals
from autotuner.serving.backend import Doomed, NotCreated, Serving, ServingEvent, Starting, State
from autotuner.serving.pods import PodView

_SILENT = "KServe says nothing; look at the log of Deployment llmisvc-controller-manager in namespace kserve"


def state(objects: Sequence[Object], pod: PodView | None, events: Sequence[ServingEvent]) -> State:
    """How far the engine is; see `Backend.observe`."""
    root, *related = objects
    conditions = {one["type"]: one for one in (root.get("status") or {}).get("conditions") or ()}
    combined = conditions.get("PresetsCombined", {})
    if combined.get("status") == "False":  # until somebody edits it
        return Doomed("RuntimeIncompatible", f"KServe cannot make it of its presets: {_words(combined)}")
    if pod is not None:
        serves = pod.ready and not pod.deleting and conditions.get("WorkloadsReady", {}).get("status") == "True"
        return Serving() if serves else Starting()
    for condition in conditions.values():
        reason = condition.get("reason") or ""
        if condition.get("status") == "False" and reason.startswith("Reconcile") and reason.endswith("Error"):
            return NotCreated(f"KServe says {_words(condition)}", refusals.read(condition.get("message") or ""))
    for found in related:
        if words := refusals.replica_failure(found):
            return NotCreated(words, refusals.read(words))
    return _silence(conditions.get("WorkloadsReady", {}), events)


def _silence(workloads: Object, events: Sequence[ServingEvent]) -> NotCreated:
    warnings = [event for event in events if event.kind == "Warning"]
    if warnings:
        return NotCreated(f"KServe says {warnings[-1].reason}: {warnings[-1].message}")
    return NotCreated(f"KServe says {_words(workloads)}" if workloads.get("reason") else _SILENT)


def _words(condition: Object) -> str:
    return f"{condition.get('reason', '')}: {condition.get('message', '')}"
