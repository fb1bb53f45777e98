"""The clocks of an experiment: each ends it exactly at its edge, and is looked at again for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy.experiment import deadlines, endings
from autotuner.policy.experiment.decide import decide
from tests.unit.builders import (
    after,
    make_deployment,
    make_isvc,
    make_job,
    make_model,
    make_pod,
    make_result,
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
    PULLING,
    READY,
    SCHEDULED,
    STARTED,
    WAITING,
    doomed,
    known,
)

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
            "related": (make_deployment(failure=("FailedCreate", "exceeded quota")),),
            "events": (doomed(count=1),),
        },
        61,
        "ServingNotCreated",
        "no engine pod 60 s after the InferenceService was created: FailedCreate: exceeded quota",
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
        "no node took the engine's pod within 100 s: 0/2 nodes: no nvidia.com/gpu",
    ),
    (
        "the image takes too long",
        {**OURS, "experiment": PULLING, "engine": [make_pod(waiting=("ContainerCreating", ""))]},
        203,
        "PullTimeout",
        "the engine's container did not start within 200 s: ContainerCreating",
    ),
    (
        "the engine never becomes ready",
        {**OURS, "experiment": LOADING, "engine": [STARTED], "engine_log": "loading weights"},
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
        420,
        "BenchmarkTimeout",
        "the benchmark did not finish within 400 s of the engine being ready: no node took its pod: too many pods",
    ),
    (
        "the benchmark's Job makes no pod",
        {**OURS, "experiment": MEASURING, "engine": [READY]},
        420,
        "BenchmarkTimeout",
        "the benchmark did not finish within 400 s of the engine being ready: its Job made no pod",
    ),
    (
        "another's Job bears the benchmark's name",
        {"root": OURS["root"], "experiment": MEASURING, "engine": [READY], "job": make_job()},
        420,
        "BenchmarkTimeout",
        "the benchmark did not finish within 400 s of the engine being ready: a Job chat-1 exists already and"
        " has no owner (uid uid-Job-chat-1); delete it or choose another name",
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


def test_a_startup_timeout_keeps_the_log_as_evidence() -> None:
    state = seen(LOADING, **OURS, engine=[STARTED], engine_log="loading shard 3 of 9")

    ending = endings.find(state, after(310))

    assert ending is not None
    assert ending.log_tail == "loading shard 3 of 9"
    assert deadlines.startup_overdue(state, after(310))
    assert not deadlines.startup_overdue(state, after(309))


def test_an_engine_that_died_behind_its_front_end_is_no_timeout() -> None:
    log = "[2025-11-20 10:00:00 TP0] Scheduler hit an exception: Traceback (most recent call last):\nKeyError: 17\n"
    ending = endings.find(seen(LOADING, **OURS, engine=[STARTED], engine_log=log), after(310))

    assert ending is not None
    assert ending.reason == "EngineCrashed"
    assert ending.message == (
        "the engine said: KeyError: 17; the engine was not ready 300 s after its container started; see evidence"
    )


def test_what_was_merely_logged_is_told_with_the_timeout() -> None:
    log = "huggingface_hub.errors.HfHubHTTPError: 503 Server Error\n"
    ending = endings.find(seen(LOADING, **OURS, engine=[STARTED], engine_log=log), after(310))

    assert ending is not None
    assert ending.reason == "StartupTimeout"
    assert "503 Server Error" in ending.message


MOMENTS: list[tuple[str, Object, float, float | None]] = [
    ("the queue clock", {**OURS, "experiment": CREATED, "engine": [make_pod(node=None)]}, 30, 100),
    ("the pull clock", {**OURS, "experiment": PULLING, "engine": [SCHEDULED]}, 30, 203),
    ("the startup clock", {**OURS, "experiment": LOADING, "engine": [STARTED]}, 30, 310),
    ("the benchmark clock", {**OURS, "experiment": MEASURING, "engine": [READY]}, 30, 420),
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
    ("no clock that has run out", {**OURS, "experiment": LOADING, "engine": [STARTED]}, 310, None),
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

    assert deadlines.obstacle(state) == f"an InferenceService chat-1 exists already and {want}"


SKEWS = (-90, 90)


@pytest.mark.parametrize("skew", SKEWS)
@pytest.mark.parametrize(
    ("state", "edge", "reason"),
    [
        ({**OURS}, 60, "ServingNotCreated"),
        ({**OURS, "engine": [make_pod(node=None)]}, 100, "QueueTimeout"),
        ({**OURS, "engine": [SCHEDULED]}, 200, "PullTimeout"),
        ({**OURS, "engine": [STARTED]}, 300, "StartupTimeout"),
        ({**OURS, "engine": [READY], "benchmark": [make_pod("benchmark", started=10)]}, 400, "BenchmarkTimeout"),
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
