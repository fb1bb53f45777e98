"""How far KServe is: by pods of this very object, and by what it says for good."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from autotuner.serving.backend import Doomed, NotCreated, Serving, ServingEvent, Starting
from autotuner.serving.pods import view
from tests.unit.builders import make_experiment, make_pod
from tests.unit.serving.kserve.stored import BACKEND, experiment

READY = {"type": "Ready", "status": "True"}
LONG = 'invalid domain name "x": must be no more than 63 characters'


def root(**status: Any) -> Object:
    return {"kind": "InferenceService", "metadata": {"finalizers": ["inferenceservice.finalizers"]}, "status": status}


def failed(words: str) -> Object:
    condition = {"type": "PredictorReady", "status": "False", "reason": "ReconcileFailed", "message": words}
    return root(conditions=[READY, condition])


def event(reason: str, kind: str = "Warning") -> ServingEvent:
    return ServingEvent(kind, reason, "words", 9)


def test_the_pod_alone_says_whether_it_serves() -> None:
    serving = root(conditions=[READY, {**READY, "type": "PredictorReady"}])
    starting, ready = (view(make_pod(started=1, ready=at), "kserve-container") for at in (None, 5))

    assert isinstance(BACKEND.observe([serving], starting, []), Starting)
    assert isinstance(BACKEND.observe([root()], ready, []), Serving)


@pytest.mark.parametrize(
    ("objects", "words", "refusal"),
    [
        ([root()], "KServe says nothing", None),
        ([root(conditions=[READY])], "KServe says nothing", None),
        ([failed(LONG)], LONG, "Policy"),
        ([failed('Deployment.apps "x" is invalid: spec: Invalid value')], "ReconcileFailed", "Policy"),
        (
            [failed("the object has been modified; please apply your changes to the latest version")],
            "modified",
            "Passing",
        ),
        ([failed('failed calling webhook "w": timed out')], "webhook", "Passing"),
        (
            [
                root(),
                {
                    "kind": "Deployment",
                    "status": {
                        "conditions": [
                            {
                                "type": "ReplicaFailure",
                                "status": "True",
                                "reason": "FailedCreate",
                                "message": "pods is forbidden: exceeded quota: gpus",
                            }
                        ]
                    },
                },
            ],
            "exceeded quota",
            "Quota",
        ),
    ],
)
def test_what_keeps_the_pod_away_is_told(objects: list[Object], words: str, refusal: str | None) -> None:
    found = BACKEND.observe(objects, None, [])

    assert isinstance(found, NotCreated)
    assert words in found.why
    assert (found.refusal.kind if found.refusal else None) == refusal


def test_an_invalid_spec_is_final() -> None:
    model = {
        "transitionStatus": "InvalidSpec",
        "lastFailureInfo": {"reason": "RuntimeNotRecognized", "message": "no runtime vllm"},
    }

    assert BACKEND.observe([root(modelStatus=model)], None, []) == Doomed(
        "RuntimeIncompatible", "KServe will not deploy it: RuntimeNotRecognized: no runtime vllm"
    )


def test_an_event_alone_dooms_nothing() -> None:
    """InternalError comes with harmless write conflicts of healthy objects too."""
    found = BACKEND.observe([root()], None, [event("InternalError"), event("Created", "Normal")])

    assert isinstance(found, NotCreated)
    assert "KServe says InternalError: words" in found.why


def test_a_failed_load_that_is_over_dooms_nothing() -> None:
    model = {"transitionStatus": "UpToDate", "lastFailureInfo": {"reason": "ModelLoadFailed"}}

    assert isinstance(BACKEND.observe([root(modelStatus=model)], None, []), NotCreated)


def test_where_an_engine_answers_and_what_says_why_there_is_none() -> None:
    body = make_experiment()
    found = view(make_pod(), "engine")

    assert BACKEND.endpoint(body, found).host == "chat-1-engine.team.svc"
    assert [(one.resource.kind, one.name) for one in BACKEND.related(body)] == [("Deployment", "chat-1-predictor")]


def test_a_controller_that_is_away_is_named_while_its_finalizer_is_there() -> None:
    _, served = experiment([])

    assert "kserve-controller-manager" in BACKEND.release_advice(served, root(), None)
    assert BACKEND.release_advice(served, {"metadata": {"finalizers": ["foregroundDeletion"]}}, None) == ""


@pytest.mark.parametrize(("namespace", "over"), [("n" * 20, 0), ("n" * 21, 1)])
def test_host_names_limit_names(namespace: str, over: int) -> None:
    found = BACKEND.unfit_name("e" * 32, namespace)

    assert bool(found) is bool(over)
    if over:
        assert f"which is {over} characters too long" in found
