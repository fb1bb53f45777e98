"""Kueue's labels, and what its objects and words mean. All words are those of Kueue 0.17.0."""

from __future__ import annotations

import pytest

from autotuner.api.task import Placement
from autotuner.kubernetes_object import Object
from autotuner.serving import kueue
from autotuner.serving.kueue import Workload

BUSY = (
    "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor f, 2 more needed"
)
PREEMPTED = "Preempted to accommodate a workload (UID: 1, JobUID: 2) due to prioritization in the ClusterQueue"
LATE = "Exceeded the PodsReady timeout team/pod-chat-1-engine-5d-x-1a2b3"


def workload(created: str = "2026-01-01T00:00:00Z", **conditions: tuple[str, str, str]) -> Object:
    return {
        "metadata": {"creationTimestamp": created},
        "status": {
            "conditions": [
                {"type": kind, "status": status, "reason": reason, "message": message}
                for kind, (status, reason, message) in conditions.items()
            ]
        },
    }


@pytest.mark.parametrize(
    ("placement", "want"),
    [
        ({}, {}),
        ({"queueName": "gpus"}, {"kueue.x-k8s.io/queue-name": "gpus"}),
        (
            {"queueName": "gpus", "workloadPriorityClassName": "low"},
            {"kueue.x-k8s.io/queue-name": "gpus", "kueue.x-k8s.io/priority-class": "low"},
        ),
    ],
)
def test_labels(placement: Object, want: dict[str, str]) -> None:
    assert kueue.labels(Placement.model_validate(placement)) == want


@pytest.mark.parametrize(
    ("bodies", "want"),
    [
        ([], None),
        ([workload()], Workload()),
        ([workload(QuotaReserved=("False", "Pending", BUSY))], Workload(waits=BUSY)),
        ([workload(QuotaReserved=("True", "QuotaReserved", "Quota reserved"))], Workload()),
        (
            [
                workload(
                    QuotaReserved=("False", "Pending", PREEMPTED),
                    Evicted=("True", "Preempted", PREEMPTED),
                    Preempted=("True", "InClusterQueue", PREEMPTED),
                )
            ],
            Workload(PREEMPTED, "Preempted", PREEMPTED),
        ),
        (
            [
                workload(
                    QuotaReserved=("True", "QuotaReserved", ""),
                    Evicted=("False", "QuotaReserved", f"Previously: {PREEMPTED}"),
                )
            ],
            Workload(),
        ),
        (
            [
                workload("2026-01-01T00:00:09Z", QuotaReserved=("False", "Pending", BUSY)),
                workload("2026-01-01T00:00:01Z", Evicted=("True", "PodsReadyTimeout", LATE)),
            ],
            Workload(waits=BUSY),
        ),
    ],
    ids=["none", "new", "waits", "admitted", "preempted", "admitted again", "a new one"],
)
def test_read_workload(bodies: list[Object], want: Workload | None) -> None:
    assert kueue.read_workload(bodies) == want


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (BUSY, ""),
        (f"{BUSY}. Pending the preemption of 1 workload(s)", ""),
        (
            "couldn't assign flavors to pod set main: insufficient quota for nvidia.com/gpu in flavor f, previously"
            " considered podsets requests (0) + current podset request (9) > maximum capacity (8)",
            "the ClusterQueue never has as much: ask for less, or raise its nominalQuota",
        ),
        (
            "couldn't assign flavors to pod set main: resource cpu unavailable in ClusterQueue",
            "the ClusterQueue does not cover cpu, which the pod requests: add it to coveredResources, or to Kueue's"
            " setting resources.excludeResourcePrefixes",
        ),
        (
            "couldn't assign flavors to pod set main: flavor f doesn't match node affinity",
            "the nodeLabels of the flavor and the node selector of the pod exclude each other: change one of them",
        ),
        (
            "couldn't assign flavors to pod set main: untolerated taint {gpu yes NoSchedule <nil>} in flavor f",
            "tolerate the flavor's nodeTaints: in placement.tolerations, or in the flavor's tolerations",
        ),
        (
            "Workload namespace doesn't match ClusterQueue selector",
            "the ClusterQueue's namespaceSelector leaves this namespace out: change it, or name another queue",
        ),
        ("LocalQueue gpus doesn't exist", "create it in this namespace, or name another in placement.queueName"),
        (
            "LocalQueue  doesn't exist",
            "Kueue queues here also what names no queue (manageJobsWithoutQueueName): set placement.queueName",
        ),
        (
            "ClusterQueue q doesn't exist",
            "ask for it to be created, or name another queue in placement.queueName",
        ),
        ("ClusterQueue q is inactive", "the queue's condition Active says why; whoever owns it can start it"),
        ("LocalQueue l is inactive", "the queue's condition Active says why; whoever owns it can start it"),
    ],
)
def test_what_no_waiting_ends_comes_with_advice(words: str, advice: str) -> None:
    assert kueue.with_advice(words) == (f"{words}; {advice}" if advice else words)


@pytest.mark.parametrize(
    ("word", "words", "want"),
    [
        ("WorkloadEvictedDueToPreempted", PREEMPTED, "Preempted"),
        ("Preempted", "", "Preempted"),
        ("", PREEMPTED, "Preempted"),
        ("", "", "Preempted"),
        ("WorkloadEvictedDueToPodsReadyTimeout", LATE, "PodsReadyTimeout"),
        ("", LATE, "PodsReadyTimeout"),
        ("WorkloadEvictedDueToLocalQueueStopped", "The LocalQueue is stopped", "Evicted"),
        ("", "Workload is deleted", "Evicted"),
    ],
)
def test_reason_of_eviction(word: str, words: str, want: str) -> None:
    assert kueue.reason_of_eviction(word, words) == want
