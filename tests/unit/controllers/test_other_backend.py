"""The experiment controller with a backend of its own for tests: nothing of it knows which one it has."""

from __future__ import annotations

import json

import pytest

from autotuner import clock
from autotuner.controllers.experiment import ExperimentController
from autotuner.controllers.recent_reads import RecentReads
from autotuner.controllers.turn_keeper import TurnKeeper
from autotuner.controllers.workqueue import ObjectKey
from autotuner.kubernetes_object import Object
from autotuner.policy.turns import OverallLimits
from autotuner.serving.backend import Backends
from autotuner.settings import Settings
from tests.unit.builders import (
    after,
    at,
    make_experiment,
    make_level,
    make_model,
    make_pod,
    make_result,
    make_runtime,
    merged,
    terminated,
)
from tests.unit.fake_kube import FakeKube
from tests.unit.serving.bare_pod import BarePod

ROOT = ("Pod", "chat-1-bare")
EXPERIMENT = ("TuningExperiment", "chat-1")
MEASURED = make_pod("benchmark", ended=make_result(make_level()))


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: after(61))


@pytest.fixture
def kube() -> FakeKube:
    return FakeKube(make_experiment(service={"image": "engine:1"}), make_model(state=""), make_runtime())


async def passed(kube: FakeKube) -> Object:
    """One pass; returns the status after it."""
    client, turns = kube.as_kube(), TurnKeeper(OverallLimits())
    controller = ExperimentController(client, Backends(BarePod()), Settings(), RecentReads(client), turns)
    await controller.reconcile(ObjectKey("team", "chat-1"))
    found: Object = kube.objects[EXPERIMENT]["status"]
    return found


def play(kube: FakeKube, pod: Object) -> None:
    """The kubelet brings the engine's pod to the state of another."""
    status = json.loads(json.dumps(pod["status"]).replace("ome-container", "sglang"))
    changes = {"spec": {"nodeName": pod["spec"]["nodeName"]}, "status": status}
    kube.objects[ROOT] = merged(kube.objects[ROOT], changes)


async def started(kube: FakeKube) -> None:
    await passed(kube)
    play(kube, make_pod(started=10))
    await passed(kube)


async def test_the_whole_life_of_an_experiment(kube: FakeKube) -> None:
    assert (await passed(kube))["message"] == "creating the Pod"
    assert kube.objects[ROOT]["metadata"]["ownerReferences"][0]["uid"] == "uid-chat-1"
    assert (await passed(kube))["phase"] == "Queued"

    play(kube, make_pod(started=10))
    assert (await passed(kube))["phase"] == "Starting"
    assert ("Job", "chat-1") in kube.objects

    play(kube, make_pod(started=10, ready=20))
    status = await passed(kube)
    assert (status["phase"], status["times"]["engineReady"]) == ("Benchmarking", at(61))

    labels = {"autotuner.io/experiment-uid": "uid-chat-1"}
    kube.objects["Pod", "benchmark-pod"] = merged({"kind": "Pod", **MEASURED}, {"metadata": {"labels": labels}})
    status = await passed(kube)
    assert (status["phase"], status["reason"], status["levels"][0]["concurrency"]) == ("Releasing", "Completed", 8)
    assert sorted(kube.writes[-2:]) == ["delete Job", "delete Pod"]

    for gone in (ROOT, ("Job", "chat-1"), ("Pod", "benchmark-pod")):
        del kube.objects[gone]
    status = await passed(kube)
    released = next(one for one in status["conditions"] if one["type"] == "Released")
    assert (status["phase"], released["status"]) == ("Succeeded", "True")
    assert "OME" not in json.dumps(status) and "InferenceService" not in json.dumps(status)


async def test_the_benchmark_is_told_where_the_backend_says_that_the_engine_answers(kube: FakeKube) -> None:
    await started(kube)

    (container,) = kube.objects["Job", "chat-1"]["spec"]["template"]["spec"]["containers"]
    told = next(one["value"] for one in container["env"] if one["name"] == "AUTOTUNER_BENCHMARK")
    assert json.loads(told)["apiBase"] == "https://chat-1-bare.team.svc:9000"


async def test_an_engine_that_dies_is_seen_in_the_container_that_the_backend_names(kube: FakeKube) -> None:
    await started(kube)
    play(kube, make_pod(ended=terminated(137, "OOMKilled")))

    assert (await passed(kube))["reason"] == "OutOfMemory"


async def test_a_root_of_somebody_else_is_never_deleted(kube: FakeKube) -> None:
    await passed(kube)
    del kube.objects[ROOT]["metadata"]["ownerReferences"]
    kube.objects[EXPERIMENT]["status"] = {}

    status = await passed(kube)
    assert status["message"].startswith("waiting: a Pod chat-1-bare exists already and has no owner")
    kube.objects[EXPERIMENT]["spec"]["cancel"] = True
    await passed(kube)
    assert "delete Pod" not in kube.writes
