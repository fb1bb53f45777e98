"""How far a group is: by its pods, and where these are missing by the events of its StatefulSets."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from autotuner.serving.backend import NotCreated, Serving, ServingEvent, Starting
from autotuner.serving.pods import PodView
from tests.unit.builders import make_experiment, make_pod
from tests.unit.serving.lws.sets import BACKEND, RAY, data_of, experiment_of, rendered

QUOTA = (
    'create Pod chat-1-lws-0-1 in StatefulSet chat-1-lws-0 failed error: pods "chat-1-lws-0-1" is forbidden: exceeded'
    " quota: gpus, requested: 1"
)
POLICY = (
    'create Pod chat-1-lws-0 in StatefulSet chat-1-lws failed error: pods "chat-1-lws-0" is forbidden: violates'
    ' PodSecurity "restricted"'
)


def view_of(pod: Object) -> PodView:
    _, service = experiment_of(data_of(RAY), [])
    return BACKEND.view(service, pod)


@pytest.mark.parametrize(("role", "rank", "container"), [("leaderTemplate", 0, "engine"), ("workerTemplate", 1, "ray")])
def test_a_pod_has_its_place_in_the_group(role: str, rank: int, container: str) -> None:
    template = rendered(data_of(RAY), [])["spec"]["leaderWorkerTemplate"][role]
    pod = {**make_pod(), "spec": {**template["spec"], "nodeName": "node-a"}}
    pod["metadata"] |= {
        "labels": {**template["metadata"]["labels"], "leaderworkerset.sigs.k8s.io/worker-index": str(rank)},
        "annotations": {**template["metadata"]["annotations"], "leaderworkerset.sigs.k8s.io/size": "2"},
    }
    found = view_of(pod)
    assert (found.rank, found.group_size, found.container) == (rank, 2, container)


@pytest.mark.parametrize(
    ("pod", "state"),
    [
        ({"started": 3, "ready": 4}, Serving()),
        ({"started": 3}, Starting()),
        ({"started": 3, "ready": 4, "deleting": True}, Starting()),
    ],
)
def test_a_group_serves_while_its_pods_do(pod: dict[str, Any], state: object) -> None:
    available = {"status": {"conditions": [{"type": "Available", "status": "True"}]}}
    assert BACKEND.observe([available], view_of(make_pod(**pod)), ()) == state


@pytest.mark.parametrize(
    ("events", "words", "kind"),
    [
        ([], "lws-controller-manager", None),
        ([ServingEvent("Warning", "FailedCreate", QUOTA, 3)], "exceeded quota: gpus", "Quota"),
        ([ServingEvent("Warning", "FailedCreate", POLICY, 3)], "violates PodSecurity", "Policy"),
        ([ServingEvent("Normal", "SuccessfulCreate", "create Pod", 1)], "lws-controller-manager", None),
    ],
)
def test_why_pods_are_missing(events: list[ServingEvent], words: str, kind: str | None) -> None:
    available = {"status": {"conditions": [{"type": "Available", "status": "True"}]}}
    state = BACKEND.observe([available], None, events)
    assert isinstance(state, NotCreated)
    assert words in state.why
    assert (state.refusal.kind if state.refusal else None) == kind


def test_events_of_both_stateful_sets_are_read() -> None:
    found = BACKEND.related(make_experiment())
    assert [(one.resource.kind, one.name, one.events) for one in found] == [
        ("StatefulSet", "chat-1-lws", True),
        ("StatefulSet", "chat-1-lws-0", True),
    ]
