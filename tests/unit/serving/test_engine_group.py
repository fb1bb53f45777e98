"""Several pods that are one engine: when it is there, when it is ready, and which pod explains what became of it."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.serving.engine_group import as_one, members, teller
from autotuner.serving.pods import PodView, view
from tests.unit.builders import make_pod, terminated

ENDED_FIRST = terminated(1, finished=5)
ENDED_LAST = terminated(1, finished=9)
KILLED = terminated(137, "OOMKilled", finished=9)
PULLING = ("ImagePullBackOff", "not found")


def pod(rank: int, size: int = 2, **state: Any) -> PodView:
    state.setdefault("uid", f"uid-{rank}")
    body = make_pod(**state)
    body["metadata"]["name"] = f"chat-{rank}"
    return view(body, "ome-container", rank=rank, group_size=size)


def of(*pods: PodView) -> PodView:
    found = as_one(members(pods))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("pods", "uids"),
    [
        ([], []),
        ([pod(0, size=1)], ["uid-0"]),
        ([pod(0)], []),
        ([pod(1)], []),
        ([pod(1), pod(0)], ["uid-0", "uid-1"]),
        ([pod(0), pod(1), pod(1, uid="younger", created=9)], ["uid-0", "younger"]),
        ([pod(0, size=1, created=1), pod(0, size=1, uid="younger", created=9)], ["younger"]),
    ],
)
def test_an_engine_is_there_once_all_its_pods_are(pods: list[PodView], uids: list[str]) -> None:
    assert [one.uid for one in members(pods)] == uids


def test_a_pod_that_was_measured_counts_before_younger_ones() -> None:
    pods = [pod(0, size=1, created=1), pod(0, size=1, uid="younger", created=9)]
    assert [one.uid for one in members(pods, "uid-0")] == ["uid-0"]


@pytest.mark.parametrize(
    ("worker", "field", "value"),
    [
        ({"started": 3, "ready": 4}, "ready", True),
        ({"started": 3}, "ready", False),
        ({"started": 3}, "started", True),
        ({}, "started", False),
        ({"node": "node-b"}, "node", "node-a"),
        ({"node": None, "unschedulable": "no GPU"}, "node", None),
        ({"node": None, "unschedulable": "no GPU"}, "unschedulable", "no GPU"),
        ({"waiting": PULLING}, "waiting_reason", "ImagePullBackOff"),
        ({"waiting": PULLING}, "cannot_be_pulled", True),
        ({"deleting": True}, "deleting", True),
        ({"gates": ["queue"]}, "gates", ("queue",)),
        ({"started": 3, "restarted": ENDED_FIRST}, "restarts", 1),
    ],
)
def test_a_group_is_what_holds_of_all_its_pods(worker: dict[str, Any], field: str, value: object) -> None:
    group = of(pod(0, started=3, ready=4), pod(1, **worker))
    assert getattr(group, field) == value
    assert group.name == "chat-0"


def test_another_pod_makes_another_engine() -> None:
    group = [pod(0), pod(1)]
    assert of(*group).uid == of(*reversed(group)).uid != of(pod(0), pod(1, uid="other")).uid


@pytest.mark.parametrize(
    ("group", "rank"),
    [
        ([pod(0, started=3, ready=4), pod(1, started=3, ready=4)], 0),
        ([pod(0, started=3, ready=4), pod(1, started=3)], 1),
        ([pod(0, started=3), pod(1, started=3)], 0),
        ([pod(0, started=3), pod(1, ended=ENDED_FIRST)], 1),
        ([pod(0, ended=ENDED_LAST), pod(1, ended=ENDED_FIRST)], 1),
        ([pod(0, ended=ENDED_FIRST), pod(1, ended=ENDED_LAST)], 0),
        ([pod(0, ended=ENDED_FIRST), pod(1, ended=KILLED)], 1),
        ([pod(0, ended=ENDED_LAST), pod(1, started=8, restarted=ENDED_FIRST)], 1),
    ],
)
def test_the_pod_that_failed_first_explains_the_rest(group: list[PodView], rank: int) -> None:
    assert teller(group).rank == rank
    assert of(*group).ended == teller(group).ended
