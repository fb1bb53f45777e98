"""How far an LLMInferenceService is, by what was measured of its controller."""

from __future__ import annotations

import pytest

from autotuner.kubernetes_object import Object
from autotuner.serving.backend import Doomed, NotCreated, Serving, ServingEvent, Starting, State
from autotuner.serving.llm_inference_service.service_state import state
from autotuner.serving.pods import PodView, view
from tests.unit.builders import make_deployment, make_pod

QUOTA = 'pods "x" is forbidden: exceeded quota: gpus'
IMMUTABLE = 'Deployment.apps "n-kserve" is invalid: spec.selector: Invalid value: field is immutable'
CONFLICT = "Operation cannot be fulfilled on deployments.apps: the object has been modified"


def root(**conditions: str) -> Object:
    """Conditions as `Type="Status Reason"`."""
    found = []
    for kind, words in conditions.items():
        status, _, reason = words.partition(" ")
        found.append({"type": kind, "status": status, "reason": reason, "message": "words"})
    return {"kind": "LLMInferenceService", "metadata": {}, "status": {"conditions": found}}


def said(kind: str, reason: str, message: str) -> Object:
    return {"status": {"conditions": [{"type": kind, "status": "False", "reason": reason, "message": message}]}}


def engine(*, ready: bool, deleting: bool = False) -> PodView:
    return view(make_pod(started=4, ready=5 if ready else None, deleting=deleting), "ome-container")


@pytest.mark.parametrize(
    ("service", "pod", "expected"),
    [
        (root(WorkloadsReady="True"), engine(ready=True), Serving),
        (root(WorkloadsReady="True", Ready="False", RouterReady="False RefsInvalid"), engine(ready=True), Serving),
        (root(WorkloadsReady="True", Ready="True"), engine(ready=False), Starting),
        (root(WorkloadsReady="True", Ready="True"), engine(ready=True, deleting=True), Starting),
        (root(WorkloadsReady="False Progressing"), engine(ready=True), Starting),
        (root(), engine(ready=True), Starting),  # no condition at all for the first seconds
        (root(WorkloadsReady="True", Ready="True"), None, NotCreated),  # as with no replica at all
        (root(), None, NotCreated),
        ({"metadata": {}}, None, NotCreated),
        (root(PresetsCombined="False CombineBaseError"), None, Doomed),
        (root(PresetsCombined="False ConfigNotFound"), engine(ready=True), Doomed),
        (root(PresetsCombined="Unknown ValidationUnavailable"), None, NotCreated),
    ],
)
def test_pods_and_workloads_tell_and_ready_does_not(
    service: Object, pod: PodView | None, expected: type[State]
) -> None:
    assert isinstance(state([service], pod, []), expected)


def test_what_ends_it_is_quoted() -> None:
    found = state([said("PresetsCombined", "CombineBaseError", "function messages not defined")], None, [])
    assert isinstance(found, Doomed)
    assert found.reason == "RuntimeIncompatible"
    assert "CombineBaseError: function messages not defined" in found.message


@pytest.mark.parametrize(
    ("message", "kind"), [(IMMUTABLE, "Policy"), (QUOTA, "Quota"), (CONFLICT, "Passing"), ("", "Passing")]
)
def test_a_refused_child_is_a_refusal_of_the_api_server(message: str, kind: str) -> None:
    found = state([said("MainWorkloadReady", "ReconcileSingleNodeWorkloadError", message)], None, [])
    assert isinstance(found, NotCreated)
    assert found.refusal is not None
    assert (found.refusal.kind, message in found.why) == (kind, True)


def test_the_deployment_says_why_there_is_no_pod() -> None:
    deployment = make_deployment(failure=("FailedCreate", QUOTA))
    found = state([root(WorkloadsReady="False MinimumReplicasUnavailable"), deployment], None, [])
    assert isinstance(found, NotCreated)
    assert found.refusal is not None
    assert found.refusal.kind == "Quota"


@pytest.mark.parametrize(
    ("service", "events", "why"),
    [
        (root(WorkloadsReady="False Progressing"), [], "KServe says Progressing: words"),
        (root(), [ServingEvent("Warning", "Odd", "thing", 1)], "KServe says Odd: thing"),
        (root(), [ServingEvent("Normal", "Fine", "thing", 1)], "look at the log of Deployment llmisvc-controller"),
    ],
)
def test_silence_is_explained_as_far_as_it_can_be(service: Object, events: list[ServingEvent], why: str) -> None:
    found = state([service, make_deployment()], None, events)
    assert isinstance(found, NotCreated)
    assert why in found.why
    assert found.refusal is None
