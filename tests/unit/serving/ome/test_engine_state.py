"""How far OME is with an InferenceService, by pods, events and its Deployment."""

from __future__ import annotations

import pytest

from autotuner.kubernetes_object import Object
from autotuner.serving import pods
from autotuner.serving.backend import Doomed, NotCreated, Serving, ServingEvent, Starting, State
from autotuner.serving.ome.engine_state import state
from autotuner.serving.refusals import Refusal
from tests.unit.builders import make_deployment, make_isvc, make_pod

SILENT = NotCreated("OME says nothing; look at the log of ome-controller-manager in namespace ome")


def warning(reason: str, count: int = 3, kind: str = "Warning") -> ServingEvent:
    return ServingEvent(kind, reason, "words", count)


@pytest.mark.parametrize(
    ("pod", "want"),
    [(make_pod(), Starting()), (make_pod(started=10), Starting()), (make_pod(started=10, ready=20), Serving())],
    ids=["scheduled", "started", "ready"],
)
def test_a_pod_tells_more_than_events(pod: Object, want: State) -> None:
    events = [warning("RuntimeValidationError")]

    assert state([make_isvc()], pods.view(pod, "ome-container"), events) == want


@pytest.mark.parametrize(
    "reason",
    [
        "AcceleratorClassError",
        "DeploymentModeError",
        "MergeSpecsError",
        "ModelReconcileError",
        "RuntimeFetchError",
        "RuntimeNotFound",
        "RuntimeSelectionError",
        "RuntimeValidationError",
    ],
)
def test_warnings_that_doom_are_believed_once_they_repeat(reason: str) -> None:
    assert state([make_isvc()], None, [warning(reason)]) == Doomed(
        "RuntimeIncompatible", f"OME will not deploy it: {reason}: words"
    )
    assert state([make_isvc()], None, [warning(reason, count=2)]) == NotCreated(f"OME says {reason}: words")
    assert state([make_isvc()], None, [warning(reason, kind="Normal")]) == SILENT


def test_healthy_starts_warn_too() -> None:
    events = [warning("UpdateFailed", 9), warning("InternalError", 9)]

    assert state([make_isvc()], None, events) == NotCreated("OME says InternalError: words")


@pytest.mark.parametrize(
    ("deployment", "want"),
    [
        ({"kind": "Deployment"}, SILENT),
        (make_deployment(), SILENT),
        (
            make_deployment(failure=("FailedCreate", "exceeded quota: q")),
            NotCreated("FailedCreate: exceeded quota: q", Refusal("Quota", "exceeded quota: q")),
        ),
    ],
    ids=["no status", "no failure", "a failure"],
)
def test_why_a_deployment_makes_no_pods(deployment: Object, want: State) -> None:
    assert state([make_isvc(), deployment], None, []) == want


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("exceeded quota: services", "Quota"),
        ('isvc "x" is forbidden: by a policy', None),
        ('failed calling webhook "mdeployment.kb.io": connection refused', "Passing"),
        ("Internal error occurred", None),
    ],
)
def test_of_what_ome_is_refused_itself_only_what_others_end_is_told_apart(words: str, kind: str | None) -> None:
    found = state([make_isvc()], None, [ServingEvent("Warning", "InternalError", words, 9)])

    assert isinstance(found, NotCreated)
    assert (found.refusal.kind if found.refusal else None) == kind
