"""What ended experiments left behind is deleted; what only bears their labels is told once, and never touched."""

from __future__ import annotations

import pytest

from autotuner import metrics
from autotuner.kube import KubeError
from autotuner.kubernetes_object import Object
from autotuner.process.leftover_sweep import Sweep
from autotuner.process.silent_watches import listed
from autotuner.serving.backend import Backends
from autotuner.serving.deployment.deployments import Deployments
from autotuner.serving.ome.adapter import Ome
from tests.unit.builders import make_experiment, make_isvc, make_job, make_pod, merged
from tests.unit.fake_kube import FakeKube

BACKENDS = Backends(Ome(), Deployments())  # the fake knows kinds by their names alone
LABELS = {"autotuner.io/experiment": "chat-1", "autotuner.io/experiment-uid": "uid-chat-1"}
RUNNING = make_experiment()
OVER = merged(RUNNING, {"metadata": {"labels": {"autotuner.io/finished": "true"}}})


def labelled(body: Object, **meta: object) -> Object:
    owners = body["metadata"].get("ownerReferences", [])
    owners = [{"apiVersion": "autotuner.io/v1alpha1", **owner} for owner in owners]
    return merged(body, {"metadata": {"labels": LABELS, "ownerReferences": owners, "resourceVersion": "1", **meta}})


def a_pod(controller: str = "") -> Object:
    owners = [{"apiVersion": "apps/v1", "kind": controller, "name": "x", "uid": "uid-x", "controller": True}]
    return labelled({"kind": "Pod", **make_pod()}, ownerReferences=owners if controller else [])


class Sweeping:
    """Sweeps over what there is."""

    def __init__(self, kube: FakeKube) -> None:
        self._kube, self._sweep = kube, Sweep(kube.as_kube(), BACKENDS)

    async def once(self) -> None:
        await self._sweep.once(await listed(self._kube.as_kube(), BACKENDS, ()))


def sweeping(kube: FakeKube) -> Sweeping:
    return Sweeping(kube)


def foreign(kind: str) -> float | None:
    labels = {"namespace": "team", "kind": kind}
    return metrics.REGISTRY.get_sample_value("autotuner_foreign_objects", labels)


def deleted(kind: str) -> float:
    return metrics.REGISTRY.get_sample_value("autotuner_leftovers_total", {"kind": kind}) or 0.0


async def test_what_an_ended_experiment_still_owns_is_deleted_and_counted() -> None:
    kube = FakeKube(OVER, labelled(make_isvc(OVER)), labelled(make_job(OVER)))
    before = deleted("InferenceService")
    sweep = sweeping(kube)

    await sweep.once()
    await sweep.once()

    assert sorted(kube.writes) == ["delete InferenceService", "delete Job"]
    assert deleted("InferenceService") == before + 1
    assert kube.events == []


async def test_what_goes_on_is_left_alone_and_nothing_is_read_besides_the_lists() -> None:
    kube = FakeKube(RUNNING, labelled(make_isvc(RUNNING)), labelled(make_job(RUNNING)), a_pod("ReplicaSet"))

    await sweeping(kube).once()

    kinds = ("InferenceService", "Deployment", "Job", "Pod", "TuningTask", "TuningExperiment")
    assert kube.calls == [("list", kind) for kind in kinds]


@pytest.mark.parametrize("copy", [labelled(make_isvc()), labelled(make_job()), a_pod()])
@pytest.mark.parametrize("experiment", [RUNNING, OVER], ids=["running", "over"])
async def test_a_copy_is_told_once_and_counted_until_it_goes(copy: Object, experiment: Object) -> None:
    kube, kind = FakeKube(experiment, copy), copy["kind"]

    for _ in range(2):
        sweep = sweeping(kube)  # the operator starts again
        await sweep.once()
        await sweep.once()

    assert kube.events == ["ForeignObject"]
    (event,) = (body for (what, _), body in kube.objects.items() if what == "Event")
    assert event["involvedObject"]["uid"] == copy["metadata"]["uid"]
    assert kube.writes == []
    assert foreign(kind) == 1
    del kube.objects[kind, copy["metadata"]["name"]]
    await sweep.once()
    assert foreign(kind) is None


async def test_a_pod_whose_experiment_is_gone_is_told_only_if_it_stays() -> None:
    kube = FakeKube(a_pod("ReplicaSet"))
    sweep = sweeping(kube)

    await sweep.once()
    assert (kube.events, foreign("Pod")) == ([], None)
    await sweep.once()
    assert (kube.events, foreign("Pod")) == (["ForeignObject"], 1)


async def test_an_event_that_cannot_be_sent_stops_nothing_and_is_tried_again() -> None:
    kube = FakeKube(OVER, labelled(make_isvc()))
    kube.refuse["create", "Event"] = KubeError(500, "", "no")
    sweep = sweeping(kube)

    await sweep.once()

    assert foreign("InferenceService") == 1
    kube.refuse.clear()
    await sweep.once()
    assert kube.events == ["ForeignObject"]
