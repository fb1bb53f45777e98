"""How far OME is with an InferenceService, by its pods, its events and its Deployment.

OME's own status is not used: it stays empty on most failures and stays Ready through some.
"""

from __future__ import annotations

from collections.abc import Sequence

from autotuner.kubernetes_object import Object
from autotuner.serving import refusals
from autotuner.serving.backend import Doomed, NotCreated, Serving, ServingEvent, Starting, State
from autotuner.serving.pods import PodView

# Warnings that mean "this can never be deployed". Healthy starts emit other warnings (InternalError, UpdateFailed),
# and even these are believed only once they repeat.
_DOOMED = (
    "AcceleratorClassError",
    "DeploymentModeError",
    "MergeSpecsError",
    "ModelReconcileError",
    "RuntimeFetchError",
    "RuntimeNotFound",
    "RuntimeSelectionError",
    "RuntimeValidationError",
)
_DOOMED_COUNT = 3
_SILENT = "OME says nothing; look at the log of ome-controller-manager in namespace ome"


def state(objects: Sequence[Object], pod: PodView | None, events: Sequence[ServingEvent]) -> State:
    """How far the engine is; see `Backend.observe`."""
    if pod is not None:
        return Serving() if pod.ready else Starting()
    for event in events:
        if event.kind == "Warning" and event.reason in _DOOMED and event.count >= _DOOMED_COUNT:
            return Doomed("RuntimeIncompatible", f"OME will not deploy it: {event.reason}: {event.message}")
    return _silence(objects, events)


def _silence(objects: Sequence[Object], events: Sequence[ServingEvent]) -> NotCreated:
    for found in objects:
        if found.get("kind") == "Deployment" and (words := refusals.replica_failure(found)):
            return NotCreated(words, refusals.read(words))
    warnings = [event for event in events if event.kind == "Warning"]
    if warnings:
        refusal = refusals.read(warnings[-1].message)
        # OME tries again by itself whatever it was refused; of a quota and a webhook it is known that others end it.
        waits = refusal.kind == "Quota" or refusal.webhook
        return NotCreated(f"OME says {warnings[-1].reason}: {warnings[-1].message}", refusal if waits else None)
    return NotCreated(_SILENT)
