"""Reading pods and nodes."""

from __future__ import annotations

import pytest

from autotuner.kubernetes_object import Object
from autotuner.serving import pods
from autotuner.serving.pods import Terminated
from tests.unit.builders import at, make_pod, terminated


def test_a_pod_that_nobody_looked_at() -> None:
    pod = make_pod(node=None)
    del pod["status"]

    seen = pods.view(pod, "ome-container")

    assert (seen.node, seen.started, seen.ready, seen.ended) == (None, False, False, None)
    assert (seen.unschedulable, seen.waiting_reason, seen.image_id) == ("", "", "")
    assert seen.image == "engine:1"  # as declared


def test_one_that_waits_for_a_node() -> None:
    seen = pods.view(make_pod(node=None, unschedulable="insufficient gpu"), "ome-container")

    assert (seen.node, seen.unschedulable) == (None, "insufficient gpu")


def test_one_that_is_ready() -> None:
    seen = pods.view(make_pod(started=10, ready=20), "ome-container")

    assert (seen.node, seen.started, seen.ready) == ("node-a", True, True)
    assert (seen.running, seen.restarts, seen.port, seen.image_id) == (True, 0, 8080, "sha256:engine")


def test_one_that_has_ended() -> None:
    seen = pods.view(make_pod(ended=terminated(2, message="usage")), "ome-container")

    assert seen.ended == Terminated(2, "Error", "usage", at(60))
    assert seen.started
    assert not seen.running


def test_one_that_runs_again_has_ended_once() -> None:
    seen = pods.view(make_pod(started=70, restarted=terminated(137, "OOMKilled")), "ome-container")

    assert seen.ended == Terminated(137, "OOMKilled", "", at(60))
    assert (seen.running, seen.restarts) == (True, 1)


def test_one_that_waits_to_run_again_has_ended_once() -> None:
    pod = make_pod(waiting=("CrashLoopBackOff", "back-off 10s"), restarted=terminated(1))

    seen = pods.view(pod, "ome-container")

    assert (seen.waiting_reason, seen.waiting_message) == ("CrashLoopBackOff", "back-off 10s")
    assert seen.ended is not None
    assert seen.started


def test_one_that_is_being_deleted() -> None:
    assert pods.view(make_pod(deleting=True), "ome-container").deleting
    assert not pods.view(make_pod(), "ome-container").deleting


def test_another_container_does_not_count() -> None:
    pod = make_pod(started=10)
    sidecar = {"name": "sidecar", "state": {"terminated": terminated(1)}, "restartCount": 3, "image": "x"}
    pod["status"]["containerStatuses"].insert(0, sidecar)
    pod["spec"]["containers"].insert(0, {"name": "sidecar", "image": "x", "ports": [{"containerPort": 1}]})

    seen = pods.view(pod, "ome-container")

    assert (seen.ended, seen.restarts, seen.image, seen.port) == (None, 0, "engine:1", 8080)


def test_the_port_is_8080_unless_declared() -> None:
    pod = make_pod()
    assert pods.view({**pod, "spec": {"containers": [{"name": "ome-container"}]}}, "ome-container").port == 8080
    pod["spec"]["containers"][0]["ports"] = [{"containerPort": 30000}]
    assert pods.view(pod, "ome-container").port == 30000


@pytest.mark.parametrize(
    ("conditions", "want"),
    [
        ([{"type": "Ready", "status": "True"}], True),
        ([{"type": "Ready", "status": "Unknown"}], False),
        ([{"type": "DiskPressure", "status": "True"}], False),
        ([], False),
    ],
)
def test_a_node_is_ready_if_it_says_so(conditions: list[Object], want: bool) -> None:
    assert pods.node_ready({"status": {"conditions": conditions}}) is want
