"""One pass over a TuningExperiment after the other: what is created, written, deleted, told, and when to look again."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy.conditions import is_true
from autotuner.policy.experiment.decide import Plan, decide
from autotuner.policy.experiment.observed import ObservedExperiment
from autotuner.policy.queueing import ObservedQueue
from autotuner.serving.kueue import Workload
from autotuner.serving.refusals import Refusal
from tests.unit.builders import (
    after,
    at,
    condition,
    controller,
    make_deployment,
    make_isvc,
    make_job,
    make_model,
    make_pod,
    merged,
    seen,
    written,
)
from tests.unit.policy.experiment.measured_states import EXPERIMENT, MEASURED, NODE, OURS, READY, SERVICE


def measured_at(plan: Plan) -> list[int]:
    """The concurrencies of the levels that were written down."""
    return [level.concurrency for level in plan.status.levels or []]


def later(before: Plan, **state: Any) -> ObservedExperiment:
    """What is seen once the plan's status was written."""
    return seen(written(EXPERIMENT, before.status), **state)


STOPPED = {
    "metadata": {"name": "gpus"},
    "status": {"conditions": [{"type": "Active", "status": "False", "reason": "Stopped", "message": "it is stopped"}]},
}
PHASES: list[tuple[str, Object, str, str]] = [
    (
        "the model is being downloaded",
        {"model": make_model("In_Transit")},
        "Pending",
        "waiting for ClusterBaseModel llama to be Ready (it is In_Transit)",
    ),
    (
        "OME has not looked at the model",
        {"model": make_model("")},
        "Pending",
        "waiting for ClusterBaseModel llama to be Ready (it is without a state)",
    ),
    ("all is there", {}, "Pending", "creating the InferenceService"),
    (
        "somebody's InferenceService bears the name",
        {"root": make_isvc()},
        "Pending",
        "waiting: an InferenceService chat-1 exists already and has no owner (uid uid-InferenceService-chat-1);"
        " delete it or choose another name",
    ),
    (
        "a quota for InferenceServices is used up",
        {"rejection": "exceeded quota: q"},
        "Queued",
        "waiting for quota: exceeded quota: q",
    ),
    (
        "a quota leaves no room for the benchmark",
        {"job_refusal": Refusal("Quota", "exceeded quota: q")},
        "Queued",
        "waiting for quota for the benchmark: exceeded quota: q",
    ),
    (
        "no node could take the benchmark",
        {"no_place": "none of 2 nodes can take it"},
        "Queued",
        "waiting for a node for the benchmark: none of 2 nodes can take it; where it may go is in"
        " benchmark.pod (nodeSelector, tolerations, resources) and benchmark.placement",
    ),
    (
        "a quota is used up by others' engines",
        {**SERVICE, "related": (make_deployment(failure=("FailedCreate", "exceeded quota: q")),)},
        "Queued",
        "waiting for quota: exceeded quota: q",
    ),
    (
        "a queue does not admit the engine",
        {**SERVICE, "engine": [make_pod(node=None, gates=["kueue.x-k8s.io/admission"])]},
        "Queued",
        "waiting for admission (scheduling gates kueue.x-k8s.io/admission)",
    ),
    (
        "Kueue says why it does not admit the engine",
        {
            **SERVICE,
            "engine": [make_pod(node=None, gates=["kueue.x-k8s.io/admission"])],
            "workloads": {"uid-engine-pod": Workload(waits="insufficient unused quota for cpu")},
        },
        "Queued",
        "waiting for Kueue to admit it: insufficient unused quota for cpu",
    ),
    (
        "the queue admits nothing",
        {"queue": ObservedQueue("team", "gpus", cluster_queue=STOPPED)},
        "Queued",
        "waiting for its queue: ClusterQueue gpus is not active (Stopped: it is stopped); whoever owns the queue can"
        " start it",
    ),
    ("OME has not made a pod", SERVICE, "Queued", "waiting for OME to create the engine's pod"),
    (
        "the scheduler has not looked",
        {**SERVICE, "engine": [make_pod(node=None)]},
        "Queued",
        "waiting for a node: not looked at by the scheduler yet",
    ),
    (
        "no node is free",
        {**SERVICE, "engine": [make_pod(node=None, unschedulable="insufficient nvidia.com/gpu")]},
        "Queued",
        "waiting for a node: insufficient nvidia.com/gpu",
    ),
    ("the pod has a node", {**SERVICE, "engine": [make_pod()]}, "Pulling", "pulling engine:1 on node-a"),
    (
        "the registry does not answer",
        {**SERVICE, "engine": [make_pod(waiting=("ErrImagePull", "timeout"))]},
        "Pulling",
        "pulling engine:1 on node-a (ErrImagePull: timeout)",
    ),
    ("the engine loads", {**OURS, "engine": [make_pod(started=10)]}, "Starting", "engine starting on node-a"),
    (
        "the benchmark has no pod yet",
        {**OURS, "engine": [READY]},
        "Benchmarking",
        "engine ready; the benchmark waits for its Job to make a pod",
    ),
    (
        "the benchmark finds no node",
        {**OURS, "engine": [READY], "benchmark": [make_pod("benchmark", node=None, unschedulable="too many pods")]},
        "Benchmarking",
        "engine ready; the benchmark waits for a node: too many pods",
    ),
    (
        "somebody's Job bears the name",
        {**SERVICE, "job": make_job(), "engine": [READY]},
        "Benchmarking",
        "engine ready; the benchmark waits for its Job's name: a Job chat-1 exists already and has no owner"
        " (uid uid-Job-chat-1); delete it or choose another name",
    ),
    (
        "the benchmark's container is being made",
        {**OURS, "engine": [READY], "benchmark": [make_pod("benchmark", waiting=("ContainerCreating", ""))]},
        "Benchmarking",
        "engine ready; benchmark ContainerCreating on node-a",
    ),
    (
        "the benchmark runs",
        {**OURS, "engine": [READY], "benchmark": [make_pod("benchmark", started=12)]},
        "Benchmarking",
        "benchmarking 1 level; kubectl logs job/chat-1 shows each",
    ),
]


@pytest.mark.parametrize(("state", "phase", "message"), [row[1:] for row in PHASES], ids=[row[0] for row in PHASES])
def test_tells_how_far_it_is_when(state: Object, phase: str, message: str) -> None:
    plan = decide(seen(EXPERIMENT, **state), after(15))

    assert (plan.status.phase, plan.status.message) == (phase, message)
    assert condition(plan.status, "Succeeded") == ("Unknown", phase)
    assert condition(plan.status, "Finished") == ("False", phase)
    assert plan.events[0] == ("Normal", phase, message)
    assert not plan.release
    assert decide(later(plan, **state), after(16)).status == plan.status  # time alone changes nothing


def test_no_phase_comes_back_after_a_wait_for_the_benchmarks_place() -> None:
    queued = decide(seen(EXPERIMENT, no_place="none"), after(15))
    going_on = decide(later(queued), after(25))

    assert (queued.status.phase, going_on.status.phase) == ("Queued", "Queued")
    assert going_on.create_root


TASK: Object = {"kind": "TuningTask", "metadata": {"name": "chat", "uid": "uid-chat"}}
OF_TASK = merged(EXPERIMENT, {"metadata": {"ownerReferences": [controller(TASK)]}})


@pytest.mark.parametrize(
    ("phase", "state"),
    [
        pytest.param("Starting", {**OURS, "engine": [make_pod()]}, id="another pod in the place of the first"),
        pytest.param("Starting", {**OURS, "engine": [make_pod(node=None)]}, id="that has no node yet"),
        pytest.param("Pulling", OURS, id="no pod for a moment"),
        pytest.param("Queued", {"model": None}, id="a model that somebody deleted"),
    ],
)
def test_no_phase_comes_back(phase: str, state: Object) -> None:
    assert decide(seen(merged(OF_TASK, {"status": {"phase": phase}}), **state), after(5)).status.phase == phase


@pytest.mark.parametrize(
    ("missing", "message", "reason"),
    [
        ("model", "waiting for ClusterBaseModel llama to be Ready (it is missing)", "ModelNotReady"),
        ("runtime", "waiting for ClusterServingRuntime engine-runtime, which does not exist", "RuntimeIncompatible"),
    ],
)
def test_what_its_task_can_make_again_is_waited_for(missing: str, message: str, reason: str) -> None:
    plan = decide(seen(OF_TASK, **{missing: None}), after(15))
    over = decide(seen(written(OF_TASK, plan.status), **{missing: None}), after(9999))

    assert (plan.status.phase, plan.status.message) == ("Pending", message)
    assert not plan.create_root
    assert over.status.reason == reason
    assert decide(seen(EXPERIMENT, **{missing: None}), after(15)).status.reason == reason, "nobody else makes it"


CREATIONS: list[tuple[str, Object, bool, bool]] = [
    ("nothing while the model is not Ready", {"model": make_model("In_Transit")}, False, False),
    ("the InferenceService once the model is Ready", {}, True, False),
    ("nothing under a name that is taken", {"root": make_isvc()}, False, False),
    ("nothing while the benchmark would find no node", {"no_place": "none"}, False, False),
    ("nothing while the benchmark would find no quota", {"job_refusal": Refusal("Quota", "q")}, False, False),
    ("nothing beside its own InferenceService", SERVICE, False, False),
    ("no Job while the engine has no node", {**SERVICE, "engine": [make_pod(node=None)]}, False, False),
    ("the Job as soon as the engine has a node", {**SERVICE, "engine": [make_pod()]}, False, True),
    ("the Job also late", {**SERVICE, "engine": [READY]}, False, True),
    ("no second Job", {**OURS, "engine": [READY]}, False, False),
    ("no Job under a name that is taken", {**SERVICE, "job": make_job(), "engine": [READY]}, False, False),
]


@pytest.mark.parametrize(("state", "service", "job"), [row[1:] for row in CREATIONS], ids=[row[0] for row in CREATIONS])
def test_creates(state: Object, service: bool, job: bool) -> None:
    plan = decide(seen(EXPERIMENT, **state), after(15))

    assert (plan.create_root, plan.create_job) == (service, job)


GATED = make_pod(node=None, gates=["kueue.x-k8s.io/admission"])
WAITS = {"uid-engine-pod": Workload(waits="full")}
UNPLACED = make_pod("benchmark", node=None)

NEXT_LOOKS: list[tuple[str, Object, float]] = [
    ("a model that is awaited", {"model": make_model("In_Transit")}, 17),
    ("a name that is taken", {"root": make_isvc()}, 17),
    ("a quota or a node for the benchmark", {"no_place": "none"}, 25),
    ("OME's events while it makes no pod", SERVICE, 16),
    (
        "a quota for the engine",
        {**SERVICE, "related": (make_deployment(failure=("FailedCreate", "exceeded quota: q")),)},
        25,
    ),
    ("a benchmark's pod without a node", {**OURS, "engine": [READY], "benchmark": [UNPLACED]}, 3615),
    ("a Job that is suspended", {**OURS, "job": make_job(EXPERIMENT, suspend=True), "engine": [READY]}, 17),
    (
        "a Job of which Kueue has said why it waits",
        {
            **OURS,
            "job": make_job(EXPERIMENT, suspend=True),
            "engine": [READY],
            "workloads": {"uid-Job-chat-1": Workload(waits="full")},
        },
        25,
    ),
    ("a pod that Kueue does not admit", {**SERVICE, "engine": [GATED]}, 17),
    ("a pod of which Kueue says why", {**SERVICE, "engine": [GATED], "workloads": WAITS}, 25),
    ("a Job without a pod", {**OURS, "engine": [READY]}, 17),
    ("a quota for the benchmark", {**OURS, "engine": [READY], "job_refusal": Refusal("Quota", "q")}, 25),
    ("the queue clock", {**SERVICE, "engine": [make_pod(node=None)]}, 3615),
    ("the startup clock", {**OURS, "benchmark": [make_pod("benchmark")], "engine": [make_pod(started=10)]}, 1815),
]


@pytest.mark.parametrize(("state", "want"), [row[1:] for row in NEXT_LOOKS], ids=[row[0] for row in NEXT_LOOKS])
def test_looks_again_for(state: Object, want: float) -> None:
    assert decide(seen(EXPERIMENT, **state), after(15)).look_again == after(want)


def test_writes_down_what_was_measured_on_what() -> None:
    status = decide(seen(EXPERIMENT, **OURS, engine=[READY], node=NODE), after(21)).status

    assert (status.node, status.accelerator_product) == ("node-a", "H100")
    assert (status.image, status.image_id) == ("engine:1", "sha256:engine")
    assert status.engine_pod is not None
    assert status.engine_pod.uid == "uid-engine-pod"
    assert status.times is not None
    assert status.times.dump() == {
        "created": at(21),
        "scheduled": at(21),
        "containerStarted": at(21),
        "engineReady": at(21),
    }


def test_a_pod_is_bound_to_the_measurement_only_once_it_is_ready() -> None:
    assert decide(seen(EXPERIMENT, **OURS, engine=[make_pod(started=10)]), after(21)).status.engine_pod is None


def test_an_engine_that_is_unready_for_a_moment_was_ready() -> None:
    before = decide(seen(EXPERIMENT, **OURS, engine=[READY]), after(21))

    plan = decide(later(before, **OURS, engine=[make_pod(started=10)], benchmark=[make_pod("benchmark")]), after(5000))

    assert plan.status.reason == "BenchmarkTimeout"  # not StartupTimeout
    assert decide(later(before, **OURS, engine=[make_pod(started=10)]), after(25)).status == before.status


def test_a_step_is_told_once() -> None:
    first = decide(seen(EXPERIMENT, **SERVICE), after(2))
    again = decide(later(first, **SERVICE), after(3))

    assert [event.reason for event in first.events] == ["Queued"]
    assert again.events == ()


def test_the_same_passes_give_the_same_status_whenever_the_operator_restarts() -> None:
    """Each step is seen twice, as after a restart: the second pass must add nothing."""
    steps: list[Object] = [
        {},
        SERVICE,
        {**SERVICE, "engine": [make_pod()]},
        {**OURS, "engine": [make_pod(started=10)]},
        {**OURS, "engine": [READY], "node": NODE},
        {**OURS, "engine": [READY], "benchmark": [make_pod("benchmark", started=12)]},
        {**OURS, "engine": [READY], "benchmark": [MEASURED]},
        {"engine": [make_pod(deleting=True)]},
        {},
    ]
    body, now = EXPERIMENT, 0.0
    phases = []
    for step in steps:
        plan = decide(seen(body, **step), after(now))
        body = written(body, plan.status)
        phases.append(plan.status.phase)
        if step.get("benchmark") != [MEASURED]:
            repeated: ObservedExperiment = seen(body, **step)
            assert decide(repeated, after(now + 0.5)).status.dump() == body["status"]
        now += 10

    assert phases == [
        "Pending",
        "Queued",
        "Pulling",
        "Starting",
        "Benchmarking",
        "Benchmarking",
        "Releasing",
        "Releasing",
        "Succeeded",
    ]
    assert is_true(plan.status.conditions, "Finished")
