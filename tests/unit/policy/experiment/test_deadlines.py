"""The clocks of an experiment: each ends it exactly at its edge, and is looked at again for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy.experiment import deadlines, endings, waiting
from autotuner.policy.experiment.decide import decide
from autotuner.serving.kueue import Workload
from autotuner.serving.refusals import Refusal
from tests.unit.builders import (
    after,
    at,
    make_deployment,
    make_isvc,
    make_job,
    make_model,
    make_pod,
    make_result,
    merged,
    seen,
    written,
)
from tests.unit.policy.experiment.states import (
    CREATED,
    EXPERIMENT,
    LOADING,
    MEASURING,
    OTHER,
    OURS,
    PLACED,
    PULLING,
    READY,
    SCHEDULED,
    STARTED,
    WAITING,
    doomed,
    known,
)

QUOTA = 'pods "chat-1" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=2'

CLOCKS: list[tuple[str, Object, float, str, str]] = [
    (
        "the model never becomes Ready",
        {"experiment": WAITING, "model": make_model("In_Transit")},
        100,
        "ModelNotReady",
        "ClusterBaseModel llama did not become Ready in time: check free space and rights at /models/llama on the node,"
        " access to it; the log of OME's model agent says how far it is (DaemonSet ome-model-agent-daemonset in"
        " namespace ome, which must have a pod on a node for engines)",
    ),
    (
        "the name stays taken",
        {"experiment": WAITING, "root": make_isvc(OTHER, deleting=True)},
        100,
        "ServingNotCreated",
        "an InferenceService chat-1 exists already and belongs to TuningExperiment chat-1 (uid uid-of-another);"
        " it is being deleted",
    ),
    (
        "OME stays silent",
        {**OURS, "experiment": CREATED},
        61,
        "ServingNotCreated",
        "no engine pod 60 s after the InferenceService was created: OME says nothing;"
        " look at the log of ome-controller-manager in namespace ome",
    ),
    (
        "OME's last warning explains its silence",
        {**OURS, "experiment": CREATED, "events": (doomed(reason="InternalError", count=9), doomed(kind="Normal"))},
        61,
        "ServingNotCreated",
        "no engine pod 60 s after the InferenceService was created:"
        " OME says InternalError: no format of the model fits",
    ),
    (
        "the Deployment may not make pods",
        {
            **OURS,
            "experiment": CREATED,
            "related": (make_deployment(failure=("FailedCreate", "failed calling webhook")),),
            "events": (doomed(count=1),),
        },
        61,
        "ServingNotCreated",
        "no engine pod 60 s after the InferenceService was created: FailedCreate: failed calling webhook",
    ),
    (
        "no node is free",
        {
            **OURS,
            "experiment": CREATED,
            "engine": [make_pod(node=None, unschedulable="0/2 nodes: no nvidia.com/gpu")],
        },
        100,
        "QueueTimeout",
        "the engine's pod found no place within 100 s: waiting for a node: 0/2 nodes: no nvidia.com/gpu",
    ),
    (
        "no quota is left for the engine",
        {**OURS, "experiment": CREATED, "related": (make_deployment(failure=("FailedCreate", QUOTA)),)},
        100,
        "QueueTimeout",
        f"the engine's pod found no place within 100 s: waiting for quota: {QUOTA}",
    ),
    (
        "a queue does not admit the engine",
        {**OURS, "experiment": CREATED, "engine": [make_pod(node=None, gates=["kueue.x-k8s.io/admission"])]},
        100,
        "QueueTimeout",
        "the engine's pod found no place within 100 s: waiting for admission (scheduling gates"
        " kueue.x-k8s.io/admission)",
    ),
    (
        "no quota is left for the InferenceService",
        {"experiment": WAITING, "rejection": QUOTA},
        100,
        "QueueTimeout",
        f"no place within 100 s: waiting for quota: {QUOTA}",
    ),
    (
        "no quota is left for the benchmark, as was tried before the engine",
        {"experiment": WAITING, "job_refusal": Refusal("Quota", QUOTA)},
        100,
        "QueueTimeout",
        f"no place within 100 s: waiting for quota for the benchmark: {QUOTA}",
    ),
    (
        "no node could take the benchmark, as was seen before the engine",
        {"experiment": WAITING, "no_place": "none of 2 nodes can take it"},
        100,
        "QueueTimeout",
        "no place within 100 s: waiting for a node for the benchmark: none of 2 nodes can take it; where it may go is"
        " in benchmark.pod (nodeSelector, tolerations, resources) and benchmark.placement",
    ),
    (
        "the image takes too long",
        {**OURS, **PLACED, "experiment": PULLING, "engine": [make_pod(waiting=("ContainerCreating", ""))]},
        203,
        "PullTimeout",
        "the engine's container did not start within 200 s: ContainerCreating",
    ),
    (
        "the engine never becomes ready",
        {**OURS, **PLACED, "experiment": LOADING, "engine": [STARTED], "engine_log": "loading weights"},
        310,
        "StartupTimeout",
        "the engine was not ready 300 s after its container started; see evidence",
    ),
    (
        "the benchmark takes too long",
        {
            **OURS,
            "experiment": MEASURING,
            "engine": [READY],
            "benchmark": [make_pod("benchmark", started=10)],
        },
        420,
        "BenchmarkTimeout",
        "the benchmark did not finish within 400 s of the engine being ready;"
        " raise timeouts.benchmarkSeconds or measure fewer or shorter levels",
    ),
    (
        "the benchmark finds no node",
        {
            **OURS,
            "experiment": MEASURING,
            "engine": [READY],
            "benchmark": [make_pod("benchmark", node=None, unschedulable="too many pods")],
        },
        103,
        "QueueTimeout",
        "the benchmark's pod found no place within 100 s: waiting for a node: too many pods",
    ),
    (
        "the benchmark finds no node, and might not wait that long",
        {
            **OURS,
            "experiment": merged(MEASURING, {"spec": {"timeouts": {"benchmarkSeconds": 60}}}),
            "engine": [READY],
            "benchmark": [make_pod("benchmark", node=None, unschedulable="too many pods")],
        },
        80,
        "QueueTimeout",
        "the benchmark's pod found no place within 60 s: waiting for a node: too many pods",
    ),
    (
        "the benchmark waits while the engine loads",
        {**OURS, "experiment": LOADING, "engine": [STARTED], "benchmark": [make_pod("benchmark", node=None)]},
        103,
        "QueueTimeout",
        "the benchmark's pod found no place within 100 s: waiting for a node: not looked at by the scheduler yet",
    ),
    (
        "the benchmark's Job makes no pod",
        {**OURS, "experiment": MEASURING, "engine": [READY]},
        103,
        "QueueTimeout",
        "the benchmark's pod found no place within 100 s: waiting for its Job to make a pod",
    ),
    (
        "no quota is left for the benchmark",
        {**OURS, "experiment": MEASURING, "engine": [READY], "job_refusal": Refusal("Quota", QUOTA)},
        103,
        "QueueTimeout",
        f"the benchmark's pod found no place within 100 s: waiting for quota: {QUOTA}",
    ),
    (
        "a queue suspends the benchmark's Job",
        {**OURS, "job": make_job(EXPERIMENT, suspend=True), "experiment": MEASURING, "engine": [READY]},
        103,
        "QueueTimeout",
        "the benchmark's pod found no place within 100 s: waiting for somebody to resume its Job, which is suspended"
        " (Kueue does so until it admits it)",
    ),
    (
        "a webhook is away, and no pod of an engine can be made",
        {
            **OURS,
            "experiment": CREATED,
            "related": (make_deployment(failure=("FailedCreate", 'failed calling webhook "mpod.kb.io": refused')),),
        },
        100,
        "QueueTimeout",
        'the engine\'s pod found no place within 100 s: waiting for a webhook: failed calling webhook "mpod.kb.io":'
        " refused",
    ),
    (
        "Kueue does not admit the benchmark's Job, and says why",
        {
            **OURS,
            "job": make_job(EXPERIMENT, suspend=True),
            "experiment": MEASURING,
            "engine": [READY],
            "workloads": {"uid-Job-chat-1": Workload(waits="insufficient unused quota for cpu")},
        },
        103,
        "QueueTimeout",
        "the benchmark's pod found no place within 100 s: waiting for Kueue to admit its Job: insufficient unused quota"
        " for cpu",
    ),
    (
        "another's Job bears the benchmark's name",
        {"root": OURS["root"], "experiment": MEASURING, "engine": [READY], "job": make_job()},
        103,
        "QueueTimeout",
        "the benchmark's pod found no place within 100 s: waiting for its Job's name: a Job chat-1 exists already and"
        " has no owner (uid uid-Job-chat-1); delete it or choose another name",
    ),
    (
        "the benchmark's pod vanishes",
        {
            **OURS,
            "experiment": merged(MEASURING, {"status": {"times": {"benchmarkScheduled": at(4)}}}),
            "engine": [READY],
        },
        420,
        "BenchmarkTimeout",
        "the benchmark did not finish within 400 s of the engine being ready: its pod is gone",
    ),
    (
        "the benchmark's container cannot be made",
        {
            **OURS,
            "experiment": known(created=1, scheduled=3, containerStarted=10, benchmarkScheduled=4),
            "engine": [STARTED],
            "benchmark": [make_pod("benchmark", waiting=("CreateContainerConfigError", 'secret "hf-token" not found'))],
        },
        64,
        "BenchmarkFailed",
        'the benchmark\'s container cannot be made: CreateContainerConfigError: secret "hf-token" not found',
    ),
    (
        "the engine's container lacks a Secret",
        {
            **OURS,
            "experiment": known(created=1, scheduled=3),
            "engine": [make_pod(waiting=("CreateContainerConfigError", 'secret "key" not found'))],
        },
        63,
        "EngineCrashed",
        'the engine\'s container cannot be made: CreateContainerConfigError: secret "key" not found; create it, or'
        " correct the runtime",
    ),
]


@pytest.mark.parametrize(
    ("state", "edge", "reason", "message"), [row[1:] for row in CLOCKS], ids=[row[0] for row in CLOCKS]
)
def test_runs_out_exactly_at_its_edge_when(state: Object, edge: float, reason: str, message: str) -> None:
    experiment = state.get("experiment", EXPERIMENT)
    others = {key: value for key, value in state.items() if key != "experiment"}
    before = endings.find(seen(experiment, **others), after(edge) - timedelta(milliseconds=1))
    ending = endings.find(seen(experiment, **others), after(edge))

    assert before is None
    assert ending is not None
    assert (ending.reason, ending.message) == (reason, message)


def test_a_benchmark_timeout_keeps_the_benchmarks_log_as_evidence() -> None:
    state: Object = {**OURS, "engine": [READY], "benchmark": [make_pod("benchmark", started=10)]}
    ending = endings.find(seen(MEASURING, **state, benchmark_log="level 3 of 4"), after(9999))

    assert ending is not None
    assert (ending.reason, ending.log_tail) == ("BenchmarkTimeout", "level 3 of 4")


def test_a_startup_timeout_keeps_the_log_as_evidence() -> None:
    state = seen(LOADING, **OURS, **PLACED, engine=[STARTED], engine_log="loading shard 3 of 9")

    ending = endings.find(state, after(310))

    assert ending is not None
    assert ending.log_tail == "loading shard 3 of 9"
    assert deadlines.startup_overdue(state, after(310))
    assert not deadlines.startup_overdue(state, after(309))


def test_an_engine_that_died_behind_its_front_end_is_no_timeout() -> None:
    log = "[2025-11-20 10:00:00 TP0] Scheduler hit an exception: Traceback (most recent call last):\nKeyError: 17\n"
    ending = endings.find(seen(LOADING, **OURS, **PLACED, engine=[STARTED], engine_log=log), after(310))

    assert ending is not None
    assert ending.reason == "EngineCrashed"
    assert ending.message == (
        "the engine said: KeyError: 17; the engine was not ready 300 s after its container started; see evidence"
    )


def test_what_was_merely_logged_is_told_with_the_timeout() -> None:
    log = "huggingface_hub.errors.HfHubHTTPError: 503 Server Error\n"
    ending = endings.find(seen(LOADING, **OURS, **PLACED, engine=[STARTED], engine_log=log), after(310))

    assert ending is not None
    assert ending.reason == "StartupTimeout"
    assert "503 Server Error" in ending.message


MOMENTS: list[tuple[str, Object, float, float | None]] = [
    ("the queue clock", {**OURS, "experiment": CREATED, "engine": [make_pod(node=None)]}, 30, 100),
    ("the pull clock", {**OURS, **PLACED, "experiment": PULLING, "engine": [SCHEDULED]}, 30, 203),
    ("the startup clock", {**OURS, **PLACED, "experiment": LOADING, "engine": [STARTED]}, 30, 310),
    ("the benchmark clock", {**OURS, **PLACED, "experiment": MEASURING, "engine": [READY]}, 30, 420),
    (
        "the grace after a failed benchmark",
        {
            **OURS,
            "experiment": MEASURING,
            "engine": [READY],
            "benchmark": [make_pod("benchmark", ended=make_result(failure="Acceptance", message="errors"))],
        },
        61,
        64,
    ),
    ("the queue clock of the benchmark", {**OURS, "experiment": LOADING, "engine": [STARTED]}, 30, 103),
    ("no clock that has run out", {**OURS, **PLACED, "experiment": LOADING, "engine": [STARTED]}, 310, None),
]


@pytest.mark.parametrize(("state", "now", "want"), [row[1:] for row in MOMENTS], ids=[row[0] for row in MOMENTS])
def test_is_looked_at_again_for(state: Object, now: float, want: float | None) -> None:
    experiment = state.get("experiment", EXPERIMENT)
    others = {key: value for key, value in state.items() if key != "experiment"}

    moment = deadlines.next_deadline(seen(experiment, **others), after(now))

    assert moment == (None if want is None else after(want))


@pytest.mark.parametrize(
    ("owner", "deleting", "want"),
    [
        (None, False, "has no owner (uid uid-InferenceService-chat-1); delete it or choose another name"),
        (OTHER, False, "belongs to TuningExperiment chat-1 (uid uid-of-another); delete it or choose another name"),
        (OTHER, True, "belongs to TuningExperiment chat-1 (uid uid-of-another); it is being deleted"),
    ],
)
def test_says_whose_the_name_is(owner: Object | None, deleting: bool, want: str) -> None:
    state = seen(EXPERIMENT, root=make_isvc(owner, deleting=deleting))

    assert waiting.obstacle(state) == f"an InferenceService chat-1 exists already and {want}"


SKEWS = (-90, 90)


@pytest.mark.parametrize("skew", SKEWS)
@pytest.mark.parametrize(
    ("state", "edge", "reason"),
    [
        ({**OURS}, 60, "ServingNotCreated"),
        ({**OURS, "engine": [make_pod(node=None)]}, 100, "QueueTimeout"),
        ({**OURS, **PLACED, "engine": [SCHEDULED]}, 200, "PullTimeout"),
        ({**OURS, **PLACED, "engine": [STARTED]}, 300, "StartupTimeout"),
        ({**OURS, **PLACED, "engine": [READY]}, 400, "BenchmarkTimeout"),
    ],
)
def test_every_clock_runs_from_when_the_operator_saw_the_state(
    state: Object, edge: float, reason: str, skew: float
) -> None:
    """The cluster's clocks say that everything happened around second 10; the operator's is ahead or behind."""
    first = 20 + skew
    body = written(EXPERIMENT, decide(seen(EXPERIMENT, **state), after(first)).status)

    assert endings.find(seen(body, **state), after(first + edge - 0.001)) is None
    ending = endings.find(seen(body, **state), after(first + edge))

    assert ending is not None
    assert ending.reason == reason


@pytest.mark.parametrize("skew", SKEWS)
def test_an_engine_has_its_moment_to_end_whatever_the_kubelets_clock_says(skew: float) -> None:
    failed = make_pod("benchmark", ended=make_result(failure="Acceptance", message="errors"))
    state: Object = {**OURS, "engine": [READY], "benchmark": [failed]}
    first = 61 + skew
    body = written(MEASURING, decide(seen(MEASURING, **state), after(first)).status)

    assert endings.find(seen(body, **state), after(first + 2.9)) is None
    assert endings.find(seen(body, **state), after(first + 3)) is not None
