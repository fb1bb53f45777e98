"""What is read of Kueue, and what is made of answers that forbid it, or of a cluster without Kueue."""

from __future__ import annotations

import pytest

from autotuner.api.task import Placement
from autotuner.controllers.read_kueue import read_queue, with_admission
from autotuner.kube import KubeError, RejectedError
from autotuner.kubernetes_object import Object, Resource
from autotuner.policy.queueing import ObservedQueue
from autotuner.serving.kueue import Workload
from tests.unit.builders import make_pod, seen
from tests.unit.fake_kube import FakeKube
from tests.unit.policy.experiment.measured_states import EXPERIMENT, MEASURING, OURS

PLACEMENT: Object = {"queueName": "gpus", "priorityClassName": "low", "workloadPriorityClassName": "batch"}
LOCAL: Object = {"kind": "LocalQueue", "metadata": {"name": "gpus"}, "spec": {"clusterQueue": "shared"}}
CLUSTER: Object = {
    "kind": "ClusterQueue",
    "metadata": {"name": "shared"},
    "spec": {"resourceGroups": [{"coveredResources": ["cpu"], "flavors": [{"name": "f"}]}]},
}
FLAVOR: Object = {"kind": "ResourceFlavor", "metadata": {"name": "f"}, "spec": {}}
CLASSES: list[Object] = [
    {"kind": "PriorityClass", "metadata": {"name": "low"}},
    {"kind": "WorkloadPriorityClass", "metadata": {"name": "batch"}},
]
GATED = make_pod(uid="uid-new", created=9, node=None, gates=["kueue.x-k8s.io/admission"])
WORKLOAD: Object = {
    "kind": "Workload",
    "metadata": {"name": "pod-1", "labels": {"kueue.x-k8s.io/job-uid": "uid-new"}},
    "status": {"conditions": [{"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": "full"}]},
}


class OlderKueue(FakeKube):
    """An API server that serves Kueue in its first version only, or not at all."""

    served: tuple[str, ...] = ("v1beta1",)

    async def list(self, resource: Resource, namespace: str | None, **selectors: str) -> list[Object]:
        if resource.group == "kueue.x-k8s.io" and resource.version not in self.served:
            raise RejectedError(404, "NotFound", "the server could not find the requested resource")
        return await super().list(resource, namespace, **selectors)


async def read(kube: FakeKube, placement: Object) -> ObservedQueue | None:
    return await read_queue(kube.as_kube(), "team", Placement.model_validate(placement))


@pytest.mark.parametrize("kind", [FakeKube, OlderKueue])
async def test_reads_all_that_is_named(kind: type[FakeKube]) -> None:
    found = await read(kind(LOCAL, CLUSTER, FLAVOR, *CLASSES), PLACEMENT)

    assert found == ObservedQueue("team", "gpus", True, {"gpus": LOCAL}, CLUSTER, {"f": FLAVOR}, {})


async def test_reads_nothing_where_nothing_is_named() -> None:
    kube = FakeKube()

    assert await read(kube, {}) is None
    assert kube.calls == []


async def test_a_class_alone_needs_no_kueue() -> None:
    kube = OlderKueue()
    kube.served = ()

    assert await read(kube, {"priorityClassName": "low"}) == ObservedQueue(
        "team", missing={"priorityClassName": "PriorityClass low"}
    )


async def test_tells_that_there_is_no_kueue() -> None:
    kube = OlderKueue()
    kube.served = ()

    assert await read(kube, {"queueName": "gpus"}) == ObservedQueue("team", "gpus", served=False)


async def test_names_what_does_not_exist() -> None:
    found = await read(FakeKube(LOCAL), PLACEMENT)

    assert found == ObservedQueue(
        "team",
        "gpus",
        local_queues={"gpus": LOCAL},
        cluster_queue={},
        missing={
            "priorityClassName": "PriorityClass low",
            "workloadPriorityClassName": "WorkloadPriorityClass batch",
        },
    )


async def test_what_may_not_be_read_is_unknown() -> None:
    kube = FakeKube(LOCAL)
    for verb, kind in (("list", "LocalQueue"), ("get", "PriorityClass"), ("get", "WorkloadPriorityClass")):
        kube.refuse[verb, kind] = RejectedError(403, "Forbidden", "you may not")
    found = await read(kube, PLACEMENT)

    assert found == ObservedQueue("team", "gpus")
    assert found is not None
    assert list(found.faults("placement")) == []


async def test_reads_what_kueue_says_of_a_pod_that_waits() -> None:
    found = await with_admission(FakeKube(WORKLOAD).as_kube(), seen(EXPERIMENT, **OURS, engine=[GATED]))

    assert (found.workloads, found.stopped) == ({"uid-new": Workload(waits="full")}, "")


@pytest.mark.parametrize("problem", [RejectedError(403, "Forbidden", "no"), KubeError(500, "InternalError", "webhook")])
async def test_goes_on_without_what_kueue_says(problem: Exception) -> None:
    kube = FakeKube(WORKLOAD)
    kube.refuse["list", "Workload"] = problem
    found = await with_admission(kube.as_kube(), seen(EXPERIMENT, **OURS, engine=[GATED]))

    assert found.workloads == {}


async def test_an_api_server_that_is_away_is_no_answer() -> None:
    kube = FakeKube()
    kube.refuse["list", "Workload"] = KubeError(0, "Unreachable", "connection refused")

    with pytest.raises(KubeError):
        await with_admission(kube.as_kube(), seen(EXPERIMENT, **OURS, engine=[GATED]))


async def test_reads_why_the_engines_pod_was_replaced() -> None:
    def stop(name: str, words: str, when: str) -> Object:
        about = {"kind": "Pod", "name": name}
        return {
            "kind": "Event",
            "metadata": {"name": f"e-{name}-{when}"},
            "involvedObject": about,
            "reason": "Stopped",
            "message": words,
            "lastTimestamp": when,
        }

    events = [
        stop("chat-1-engine-old", "Preempted to accommodate", "2026-01-01T00:00:02Z"),
        stop("chat-1-engine-older", "before", "2026-01-01T00:00:01Z"),
        stop("chat-10-engine-other", "another's", "2026-01-01T00:00:03Z"),
    ]
    found = await with_admission(FakeKube(*events).as_kube(), seen(MEASURING, **OURS, engine=[GATED]))

    assert found.stopped == "Preempted to accommodate"


async def test_reads_nothing_while_all_runs() -> None:
    kube = FakeKube()
    await with_admission(kube.as_kube(), seen(EXPERIMENT, **OURS, engine=[make_pod()]))

    assert kube.calls == []
