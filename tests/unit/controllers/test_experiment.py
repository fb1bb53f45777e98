"""The experiment controller's passes: what is written in which order, and what a crash between two writes leaves."""

from __future__ import annotations

import copy

import pytest

from autotuner import backend_choice, clock
from autotuner.benchmark.contract.result import log_lines
from autotuner.controllers.experiment import ExperimentController
from autotuner.controllers.recent_reads import RecentReads
from autotuner.controllers.repeated_failures import teller
from autotuner.controllers.turn_keeper import TurnKeeper
from autotuner.controllers.workqueue import ObjectKey
from autotuner.kube import EXPERIMENT as EXPERIMENT_KIND
from autotuner.kube import AlreadyExistsError, ConflictError, KubeError, RejectedError
from autotuner.kubernetes_object import Object, Resource
from autotuner.policy.turns import OverallLimits
from autotuner.settings import Settings
from tests.unit.builders import (
    after,
    at,
    make_experiment,
    make_isvc,
    make_job,
    make_level,
    make_model,
    make_pod,
    make_result,
    make_runtime,
    merged,
)
from tests.unit.fake_kube import FakeKube

KEY = ObjectKey("team", "chat-1")
EXPERIMENT = make_experiment()
UID_LABEL = {"autotuner.io/experiment-uid": "uid-chat-1"}
WORLD = (EXPERIMENT, make_model(), make_runtime())
READY = make_pod(started=10, ready=20)
MEASURED = make_pod("benchmark", ended=make_result(make_level()))


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: after(61))


def labelled(pod: Object) -> Object:
    return merged({"kind": "Pod", **pod}, {"metadata": {"labels": UID_LABEL}})


def world(*more: Object) -> FakeKube:
    return FakeKube(*WORLD, *more)


def finishing() -> FakeKube:
    """A world in which the results are there."""
    return world(make_isvc(EXPERIMENT), make_job(EXPERIMENT), labelled(READY), labelled(MEASURED))


async def passed(kube: FakeKube) -> float | None:
    client = kube.as_kube()
    controller = ExperimentController(
        client, backend_choice.BACKENDS, Settings(), RecentReads(client), TurnKeeper(OverallLimits())
    )
    return await controller.reconcile(KEY)


def status_of(kube: FakeKube) -> Object:
    found: Object = kube.objects["TuningExperiment", "chat-1"]["status"]
    return found


async def test_creates_the_inference_service_before_it_says_so() -> None:
    kube = world()

    again = await passed(kube)

    assert kube.writes == ["create InferenceService", "status TuningExperiment"]
    assert status_of(kube)["phase"] == "Pending"
    assert kube.events == ["Pending"]
    assert again == 2.0


async def test_a_second_pass_over_the_same_writes_nothing() -> None:
    kube = world(make_isvc(EXPERIMENT), make_job(EXPERIMENT), labelled(READY))
    await passed(kube)
    kube.calls.clear()

    await passed(kube)

    assert kube.writes == []


async def test_writes_the_results_before_it_deletes_anything() -> None:
    kube = finishing()

    await passed(kube)

    assert kube.writes[0] == "status TuningExperiment"
    assert sorted(kube.writes[1:]) == ["delete InferenceService", "delete Job"]
    assert status_of(kube)["levels"]
    assert kube.events == ["Completed"]


async def test_reads_the_log_where_the_kubelet_has_cut_the_result() -> None:
    message = make_result(make_level())["message"]
    cut = copy.deepcopy(MEASURED)
    cut["status"]["containerStatuses"][0]["state"]["terminated"]["message"] = message[:200]
    kube = world(make_isvc(EXPERIMENT), make_job(EXPERIMENT), labelled(READY), labelled(cut))

    await passed(kube)
    assert "reason" not in status_of(kube)  # the log may be there a moment later
    kube.log = "\n".join(log_lines(message))
    await passed(kube)

    assert (status_of(kube)["reason"], len(status_of(kube)["levels"])) == ("Completed", 1)


@pytest.mark.parametrize(
    "problem", [ConflictError(409, "Conflict", "changed"), KubeError(500, "", "etcd")], ids=["stale", "server error"]
)
async def test_deletes_nothing_while_the_results_are_not_written(problem: Exception) -> None:
    kube = finishing()
    kube.refuse["status", "TuningExperiment"] = problem

    with pytest.raises(KubeError):
        await passed(kube)

    assert kube.writes == ["status TuningExperiment"]
    assert kube.events == []


async def test_deletes_what_was_not_deleted_before_the_operator_died() -> None:
    kube = finishing()
    kube.refuse["delete", "InferenceService"] = KubeError(0, "", "killed")
    with pytest.raises(KubeError):
        await passed(kube)
    kube.refuse.clear()
    kube.calls.clear()

    await passed(kube)

    assert "delete InferenceService" in kube.writes
    assert "status TuningExperiment" not in kube.writes
    assert kube.events == ["Completed"]  # told once


async def test_is_labelled_as_finished_after_the_last_status() -> None:
    kube = finishing()
    await passed(kube)
    for gone in (("InferenceService", "chat-1"), ("Job", "chat-1"), ("Pod", "engine-pod"), ("Pod", "benchmark-pod")):
        del kube.objects[gone]
    kube.calls.clear()

    assert await passed(kube) is None

    assert kube.writes == ["status TuningExperiment", "merge TuningExperiment"]
    assert status_of(kube)["phase"] == "Succeeded"
    assert kube.objects["TuningExperiment", "chat-1"]["metadata"]["labels"]["autotuner.io/finished"] == "true"
    kube.calls.clear()
    assert await passed(kube) is None
    assert kube.calls == [("get", "TuningExperiment")]


async def test_never_deletes_what_is_anothers() -> None:
    kube = world(make_isvc(), make_job())
    kube.objects["TuningExperiment", "chat-1"]["spec"]["cancel"] = True

    await passed(kube)
    await passed(kube)

    assert not [write for write in kube.writes if write.startswith("delete")]
    assert status_of(kube)["reason"] == "Cancelled"
    assert status_of(kube)["phase"] == "Failed"


async def test_never_deletes_what_only_bears_its_labels() -> None:
    copied = merged(make_isvc(), {"metadata": {"labels": UID_LABEL}})
    kube = world(copied)
    kube.objects["TuningExperiment", "chat-1"]["spec"]["cancel"] = True

    await passed(kube)

    assert "delete InferenceService" not in kube.writes


async def test_what_appears_meanwhile_is_looked_at_in_the_next_pass() -> None:
    kube = world()
    kube.refuse["create", "InferenceService"] = AlreadyExistsError(409, "AlreadyExists", "chat-1")

    assert await passed(kube) == 2.0

    assert "reason" not in status_of(kube)
    kube.objects["InferenceService", "chat-1"] = make_isvc()
    await passed(kube)
    assert status_of(kube)["message"].startswith("waiting: an InferenceService chat-1 exists already")


async def test_a_refusal_ends_it_with_the_api_servers_words() -> None:
    kube = world()
    kube.refuse["create", "InferenceService"] = RejectedError(422, "Invalid", "spec.engine: Invalid value")

    await passed(kube)

    assert status_of(kube)["reason"] == "AdmissionRejected"
    assert status_of(kube)["message"] == "the API server refused: spec.engine: Invalid value"


GOING = RejectedError(403, "Forbidden", "unable to create new content in namespace team because it is being terminated")


@pytest.mark.parametrize("kind", ["InferenceService", "Event"])
async def test_in_a_namespace_that_is_being_deleted_nothing_else_is_the_cause(kind: str) -> None:
    kube = world()
    kube.refuse["dry run", "Event"] = GOING
    kube.refuse["create", "InferenceService"] = GOING if kind == "InferenceService" else RejectedError(403, "", "no")

    await passed(kube)

    assert status_of(kube)["reason"] == "NamespaceDeleted"
    assert status_of(kube)["message"] == "namespace team is being deleted"


async def test_while_it_goes_on_nobody_asks_for_the_namespace() -> None:
    kube = world()

    await passed(kube)

    assert ("dry run", "Event") not in kube.calls


WEBHOOK = (
    'Internal error occurred: failed calling webhook "inferenceservice.ome-webhook-server.defaulter": dial tcp'
    " 10.96.0.7:443: connect: connection refused"
)


async def test_a_webhook_that_does_not_answer_is_told_and_tried_again() -> None:
    kube = world()
    kube.refuse["create", "InferenceService"] = KubeError(500, "InternalError", WEBHOOK)

    assert await passed(kube) == 2.0

    message = f"creating the InferenceService; the API server: {WEBHOOK}"
    status = status_of(kube)
    assert (status["phase"], status["message"]) == ("Pending", message)
    told = {one["type"]: (one["reason"], one["message"]) for one in status["conditions"]}
    assert told["Scheduled"] == ("NotCreated", message)
    assert told["Succeeded"] == ("Pending", message)
    assert kube.events == ["NotCreated"]

    kube.refuse["create", "InferenceService"] = KubeError(500, "InternalError", WEBHOOK.replace("0.7", "0.8"))
    kube.calls.clear()
    assert await passed(kube) == 2.0
    assert kube.writes == ["create InferenceService"], "nothing new is told, and nobody is woken"

    kube.refuse.clear()
    await passed(kube)
    assert status_of(kube)["message"] == "creating the InferenceService"
    assert "NotCreated" not in [one["reason"] for one in status_of(kube)["conditions"]]


async def test_a_webhook_that_never_answers_ends_it_after_the_queue_time(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = world()
    kube.objects["TuningExperiment", "chat-1"]["spec"]["timeouts"] = {"queueSeconds": 60}
    kube.refuse["create", "InferenceService"] = KubeError(500, "InternalError", WEBHOOK)
    await passed(kube)
    assert "reason" not in status_of(kube)

    monkeypatch.setattr(clock, "now", lambda: after(121))  # a minute after the first look
    await passed(kube)

    assert status_of(kube)["reason"] == "ServingNotCreated"
    message = f"the InferenceService could not be created within 60 s: {WEBHOOK}"
    assert status_of(kube)["message"] == message


async def test_a_job_that_cannot_be_made_just_now_is_told_too() -> None:
    kube = world(make_isvc(EXPERIMENT), labelled(READY))
    kube.refuse["create", "Job"] = KubeError(503, "ServiceUnavailable", "etcdserver: request timed out")

    assert await passed(kube) == 2.0

    assert "etcdserver: request timed out" in status_of(kube)["message"]
    told = {one["type"]: one["reason"] for one in status_of(kube)["conditions"]}
    assert (told["Scheduled"], told["Benchmarked"]) == ("Scheduled", "NotCreated")


async def test_an_api_server_that_is_away_is_no_finding() -> None:
    kube = world()
    kube.refuse["create", "InferenceService"] = KubeError(0, "Unreachable", "connection refused")

    with pytest.raises(KubeError):
        await passed(kube)
    assert status_of(kube) == {}


async def test_what_was_said_of_failed_passes_is_taken_back() -> None:
    kube = world(make_isvc(EXPERIMENT), make_job(EXPERIMENT), labelled(READY))
    await passed(kube)
    before = status_of(kube)
    await teller(kube.as_kube(), EXPERIMENT_KIND)(KEY, "ValueError: no such thing")

    words = "the operator cannot go on and keeps trying: ValueError: no such thing"
    assert status_of(kube)["message"] == f"{before['message']}; {words}"
    assert ("Reconciled", "False", words) in [
        (one["type"], one["status"], one["message"]) for one in status_of(kube)["conditions"]
    ]
    await passed(kube)
    await passed(kube)
    assert status_of(kube) == before


async def test_how_an_experiment_ended_outlives_what_is_said_of_failed_passes() -> None:
    kube = finishing()
    await passed(kube)
    await teller(kube.as_kube(), EXPERIMENT_KIND)(KEY, "KubeError: no")

    assert status_of(kube)["message"] == "1 level measured"
    assert "Reconciled" in [one["type"] for one in status_of(kube)["conditions"]]


async def test_an_event_that_cannot_be_sent_stops_nothing() -> None:
    kube = finishing()
    kube.refuse["create", "Event"] = KubeError(500, "", "no")

    await passed(kube)

    assert "delete InferenceService" in kube.writes


async def test_pods_are_counted_after_what_makes_them_was_seen_to_go() -> None:
    kube = finishing()
    await passed(kube)
    kube.calls.clear()

    await passed(kube)

    reads = [kind for verb, kind in kube.calls if verb in ("get", "list")]
    assert reads.index("Pod") > max(reads.index("InferenceService"), reads.index("Job"))
    assert "ClusterServingRuntime" not in reads


@pytest.mark.parametrize("state", ["gone", "deleting"])
async def test_an_experiment_that_goes_is_left_to_the_garbage_collector(state: str) -> None:
    kube = world(make_isvc(EXPERIMENT))
    if state == "gone":
        del kube.objects["TuningExperiment", "chat-1"]
    else:
        kube.objects["TuningExperiment", "chat-1"]["metadata"]["deletionTimestamp"] = "now"

    assert await passed(kube) is None
    assert kube.writes == []


@pytest.mark.parametrize(("ready", "phase"), [("True", "Releasing"), ("Unknown", "Succeeded"), (None, "Succeeded")])
async def test_only_nodes_that_answer_hold_their_pods(ready: str | None, phase: str) -> None:
    kube = finishing()
    await passed(kube)
    del kube.objects["Pod", "benchmark-pod"]
    kube.objects["Pod", "engine-pod"]["metadata"]["deletionTimestamp"] = "then"
    if ready:
        node = {"kind": "Node", "metadata": {"name": "node-a"}}
        kube.objects["Node", "node-a"] = {**node, "status": {"conditions": [{"type": "Ready", "status": ready}]}}

    await passed(kube)

    assert status_of(kube)["phase"] == phase


async def test_tries_the_benchmark_before_the_engine_takes_accelerators() -> None:
    kube = world()
    kube.refuse["dry run", "Pod"] = RejectedError(403, "Forbidden", 'pods "x" is forbidden: by a policy')

    await passed(kube)

    assert kube.writes == ["status TuningExperiment"]
    assert status_of(kube)["reason"] == "JobRefused"
    assert status_of(kube)["message"] == 'the benchmark cannot be made: pods "x" is forbidden: by a policy'


async def test_a_job_that_cannot_be_written_ends_it_before_there_is_an_engine() -> None:
    kube = world()
    kube.objects["TuningExperiment", "chat-1"]["spec"]["benchmark"]["requestParams"] = {"ignore_eos": False}

    await passed(kube)

    assert kube.writes == ["status TuningExperiment"]
    assert status_of(kube)["reason"] == "JobRefused"
    assert status_of(kube)["message"].startswith("the benchmark cannot be made: its Job cannot be written: ")
    assert "ignore_eos" in status_of(kube)["message"]


async def test_waits_for_a_quota_for_the_benchmark_without_an_engine() -> None:
    kube = world()
    kube.refuse["dry run", "Pod"] = RejectedError(403, "Forbidden", "exceeded quota: pods")

    assert await passed(kube) == 10.0
    assert (status_of(kube)["phase"], kube.writes) == ("Queued", ["status TuningExperiment"])

    kube.refuse.clear()
    await passed(kube)
    assert "create InferenceService" in kube.writes


async def test_does_not_try_the_benchmark_again_once_there_is_an_engine() -> None:
    kube = world(make_isvc(EXPERIMENT), labelled(READY))

    await passed(kube)

    assert "create Job" in kube.writes
    assert ("dry run", "Job") not in kube.calls


async def test_a_quota_for_the_root_is_waited_for() -> None:
    kube = world()
    kube.refuse["create", "InferenceService"] = RejectedError(403, "Forbidden", "exceeded quota: services")

    assert await passed(kube) == 10.0

    assert status_of(kube)["phase"] == "Queued"
    assert status_of(kube)["message"] == "waiting for quota: exceeded quota: services"


@pytest.mark.parametrize(
    ("words", "reason"), [("exceeded quota: jobs", None), ("jobs is forbidden: by a policy", "JobRefused")]
)
async def test_a_job_that_is_refused(words: str, reason: str | None) -> None:
    kube = world(make_isvc(EXPERIMENT), labelled(READY))
    kube.refuse["create", "Job"] = RejectedError(403, "Forbidden", words)

    await passed(kube)

    assert status_of(kube).get("reason") == reason
    assert words in status_of(kube)["message"]


FAILED_CREATE = {"type": "Warning", "reason": "FailedCreate", "message": "Error creating: pods is forbidden: policy"}


@pytest.mark.parametrize(("seconds", "reason"), [(1.9, None), (2, "JobRefused")])
async def test_reads_why_a_job_makes_no_pod_once_it_should_have_made_one(
    monkeypatch: pytest.MonkeyPatch, seconds: float, reason: str | None
) -> None:
    event = {"kind": "Event", "metadata": {"name": "e"}, **FAILED_CREATE}
    kube = world(make_isvc(EXPERIMENT), make_job(EXPERIMENT), labelled(READY), event)
    await passed(kube)
    assert "reason" not in status_of(kube)
    monkeypatch.setattr(clock, "now", lambda: after(61 + seconds))

    await passed(kube)

    assert status_of(kube).get("reason") == reason


async def test_a_pod_that_comes_with_the_end_of_a_quota_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = world(make_isvc(EXPERIMENT))
    await passed(kube)
    monkeypatch.setattr(clock, "now", lambda: after(1000))
    asked = kube.list

    async def list_and_appear(resource: Resource, namespace: str | None, **selectors: str) -> list[Object]:
        found = await asked(resource, namespace, **selectors)
        if resource.kind == "Event":
            kube.objects["Pod", "engine-pod"] = labelled(make_pod(node=None))
        return found

    monkeypatch.setattr(kube, "list", list_and_appear)
    await passed(kube)

    assert "reason" not in status_of(kube)


@pytest.mark.parametrize(("ready", "told"), [("True", False), ("Unknown", True), (None, True)])
async def test_the_node_of_a_pod_that_is_no_longer_ready_is_looked_at(ready: str | None, told: bool) -> None:
    times = {"times": {"created": at(1), "scheduled": at(3), "engineReady": at(20)}}
    measuring = make_experiment(status=times)
    kube = world(make_isvc(EXPERIMENT), make_job(EXPERIMENT), labelled(make_pod(started=10)))
    kube.objects["TuningExperiment", "chat-1"] = measuring
    if ready:
        node = {"kind": "Node", "metadata": {"name": "node-a"}}
        kube.objects["Node", "node-a"] = {**node, "status": {"conditions": [{"type": "Ready", "status": ready}]}}

    await passed(kube)

    assert (status_of(kube)["message"] == "the engine's node node-a is not Ready") == told
