"""How far KServe is with an InferenceService, by the pods of this very one, and by the two conditions that are final.

Nothing else of its status tells: Ready and PredictorReady stay True over a rollout that cannot be scheduled, and they
say the same of a slow start and of a crash. Events of reason InternalError come with healthy objects too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from autotuner.kubernetes_object import Object
from autotuner.serving import refusals
from autotuner.serving.backend import Doomed, NotCreated, Serving, ServingEvent, Starting, State
from autotuner.serving.kserve.resource_kinds import DEPLOYMENT, INFERENCE_SERVICE
from autotuner.serving.pods import PodView
from autotuner.serving.refusals import Refusal

_SILENT = "KServe says nothing; look at the log of kserve-controller-manager in namespace kserve"
# KServe's own words for a name of which it can make no host name.
_TOO_LONG = re.compile(r"must be no more than \d+ characters")


def state(objects: Sequence[Object], pod: PodView | None, events: Sequence[ServingEvent]) -> State:
    """How far the engine is; see `Backend.observe`."""
    if pod is not None:
        return Serving() if pod.ready else Starting()
    for found in objects:
        if found.get("kind") == INFERENCE_SERVICE.kind and (final := _final(found.get("status") or {})):
            return final
    for found in objects:
        if found.get("kind") == DEPLOYMENT.kind and (words := refusals.replica_failure(found)):
            return NotCreated(words, refusals.read(words))
    warnings = [event for event in events if event.kind == "Warning"]
    return NotCreated(f"KServe says {warnings[-1].reason}: {warnings[-1].message}" if warnings else _SILENT)


def _final(status: Mapping[str, Any]) -> State | None:
    """What KServe has said for good: only an edit of the object or of its runtime would change it."""
    model = status.get("modelStatus") or {}
    if model.get("transitionStatus") == "InvalidSpec":
        failure = model.get("lastFailureInfo") or {}
        words = ": ".join(filter(None, (failure.get("reason"), failure.get("message"))))
        return Doomed("RuntimeIncompatible", f"KServe will not deploy it: {words or 'InvalidSpec'}")
    for condition in status.get("conditions") or ():
        if (condition.get("type"), condition.get("reason")) == ("PredictorReady", "ReconcileFailed"):
            return _refused(str(condition.get("message") or ""))
    return None


def _refused(words: str) -> NotCreated:
    """What the API server refused KServe; what passes is tried again by KServe itself."""
    refusal = Refusal("Policy", words) if _TOO_LONG.search(words) else refusals.read(words)
    return NotCreated(f"KServe says ReconcileFailed: {words}", refusal)
