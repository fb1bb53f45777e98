"""A queue and classes of priority: what does not exist, what admits nothing, what a flavor adds to a pod."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy.queueing import ObservedQueue, flavor_names

LOCAL: Object = {"metadata": {"name": "gpus"}, "spec": {"clusterQueue": "shared"}}
CLUSTER: Object = {
    "metadata": {"name": "shared"},
    "spec": {
        "resourceGroups": [
            {"coveredResources": ["cpu", "memory"], "flavors": [{"name": "plain"}]},
            {"coveredResources": ["nvidia.com/gpu"], "flavors": [{"name": "tainted"}, {"name": "gone"}]},
        ]
    },
}
FLAVORS: dict[str, Object] = {
    "plain": {"spec": {"nodeLabels": {"pool": "cpu"}}},
    "tainted": {"spec": {"tolerations": [{"key": "gpu", "operator": "Exists"}]}},
}


def stopped(body: Object, message: str) -> Object:
    condition = {"type": "Active", "status": "False", "reason": "Stopped", "message": message}
    return {**body, "status": {"conditions": [condition]}}


def queue(**more: Any) -> ObservedQueue:
    """The LocalQueue gpus, which leads to the ClusterQueue shared."""
    known: Object = {"local_queues": {"gpus": LOCAL}, "cluster_queue": CLUSTER, "flavors": FLAVORS}
    return ObservedQueue("team", "gpus", **{**known, **more})


@pytest.mark.parametrize(
    ("observed", "want"),
    [
        (queue(), []),
        (queue(local_queues=None, cluster_queue=None), []),
        (queue(cluster_queue=None), []),
        (queue(served=False), ["placement.queueName: Kueue is not installed"]),
        (
            ObservedQueue("team", served=False),
            ["placement.workloadPriorityClassName: Kueue is not installed"],
        ),
        (
            queue(local_queues={"cpus": LOCAL, "all": LOCAL}),
            ["placement.queueName: LocalQueue gpus does not exist in namespace team (there: all, cpus)"],
        ),
        (
            queue(local_queues={}),
            ["placement.queueName: LocalQueue gpus does not exist in namespace team (there: none)"],
        ),
        (
            queue(cluster_queue={}),
            ["placement.queueName: LocalQueue gpus leads to ClusterQueue shared, which does not exist"],
        ),
        (
            queue(missing={"priorityClassName": "PriorityClass low"}),
            ["placement.priorityClassName: PriorityClass low does not exist"],
        ),
    ],
    ids=["all", "unreadable", "half", "no Kueue", "no Kueue for a class", "others", "none", "nowhere", "no class"],
)
def test_faults(observed: ObservedQueue, want: list[str]) -> None:
    found = [fault.message for fault in observed.faults("placement")]

    assert [message[: len(begin)] for message, begin in zip(found, want, strict=True)] == want


@pytest.mark.parametrize(
    ("observed", "want"),
    [
        (queue(), ""),
        (queue(local_queues=None, cluster_queue=None), ""),
        (
            queue(cluster_queue=stopped(CLUSTER, "Can't admit new workloads: is stopped.")),
            "ClusterQueue shared is not active (Stopped: Can't admit new workloads: is stopped.)",
        ),
        (
            queue(local_queues={"gpus": stopped(LOCAL, "held")}),
            "LocalQueue gpus is not active (Stopped: held)",
        ),
    ],
)
def test_inactive(observed: ObservedQueue, want: str) -> None:
    assert observed.inactive == want


@pytest.mark.parametrize(
    ("resources", "want"),
    [
        ({"limits": {"nvidia.com/gpu": "1"}}, [{"key": "gpu", "operator": "Exists"}]),
        ({"requests": {"cpu": "1"}}, []),
        ({}, []),
    ],
)
def test_a_flavor_tolerates_only_for_what_it_covers(resources: Object, want: list[Object]) -> None:
    assert queue().tolerations({"containers": [{"name": "x", "resources": resources}]}) == want


def test_flavor_names() -> None:
    assert flavor_names(CLUSTER) == ["gone", "plain", "tainted"]
