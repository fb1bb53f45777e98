"""The clocks of an experiment: each ends it exactly at its edge, and is looked at again for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy.experiment import deadlines, endings
from tests.unit.builders import (
    after,
    make_deployment,
    make_isvc,
    make_job,
    make_model,
    make_pod,
    make_result,
    seen,
)
from tests.unit.policy.experiment.states import (
    EXPERIMENT,
    MEASURING,
    OTHER,
    OURS,
    READY,
    SCHEDULED,
    STARTED,
    doomed,
)

CLOCKS: list[tuple[str, Object, float, str, str]] = [
    (
        "the model never becomes Ready",
        {"model": make_model("In_Transit")},
        100,
        "ModelNotReady",
        "ClusterBaseModel llama did not become Ready in time: check free space and rights at /models/llama on the node,"
        " access to it; the log of OME's model agent says how far it is (DaemonSet ome-model-agent-daemonset in"
        " namespace ome, which must have a pod on a node for engines)",
    ),
    (
        "the name stays taken",
        {"root": make_isvc(OTHER, deleting=True)},
        100,
        "ServingNotCreated",
        "an InferenceService chat-1 exists already and belongs to TuningExperiment chat-1 (uid uid-of-another);"
        " it is being deleted",
    ),
    (
        "OME stays silent",
        {**OURS},
        61,
        "ServingNotCreated",
        "no engine pod 60 s after the InferenceService was created: OME says nothing;"
        " look at the log of ome-controller-manager in namespace ome",
    ),
    (
        "OME's last warning explains its silence",
        {**OURS, "events": (doomed(reason="InternalError", count=9), doomed(kind="Normal"))},
        61,
        "ServingNotCreated",
        "no engine pod 60 s after the InferenceService was created:"
        " OME says InternalError: no format of the model fits",
    ),
    (
        "the Deployment may not make pods",
        {
            **OURS,
            "related": (make_deployment(failure=("FailedCreate", "exceeded quota")),),
            "events": (doomed(count=1),),
        },
        61,
        "ServingNotCreated",
        "no engine pod 60 s after the InferenceService was created: FailedCreate: exceeded quota",
    ),
    (
        "no node is free",
        {**OURS, "engine": [make_pod(node=None, unschedulable="0/2 nodes: insufficient nvidia.com/gpu")]},
        102,
        "QueueTimeout",
        "no node took the engine's pod within 100 s: 0/2 nodes: insufficient nvidia.com/gpu",
    ),
    (
        "the image takes too long",
        {**OURS, "engine": [make_pod(waiting=("ContainerCreating", ""))]},
        203,
        "PullTimeout",
        "the engine's container did not start within 200 s: ContainerCreating",
    ),
    (
        "the engine never becomes ready",
        {**OURS, "engine": [STARTED], "engine_log": "loading weights"},
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
            "engine": [STARTED],
            "benchmark": [make_pod("benchmark", waiting=("CreateContainerConfigError", 'secret "hf-token" not found'))],
        },
        63,
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
    state = seen(EXPERIMENT, **OURS, engine=[STARTED], engine_log="loading shard 3 of 9")

    ending = endings.find(state, after(310))

    assert ending is not None
    assert ending.log_tail == "loading shard 3 of 9"
    assert deadlines.startup_overdue(state, after(310))
    assert not deadlines.startup_overdue(state, after(309))


def test_an_engine_that_died_behind_its_front_end_is_no_timeout() -> None:
    log = "[2025-11-20 10:00:00 TP0] Scheduler hit an exception: Traceback (most recent call last):\nKeyError: 17\n"
    ending = endings.find(seen(EXPERIMENT, **OURS, engine=[STARTED], engine_log=log), after(310))

    assert ending is not None
    assert ending.reason == "EngineCrashed"
    assert ending.message == (
        "the engine said: KeyError: 17; the engine was not ready 300 s after its container started; see evidence"
    )


def test_what_was_merely_logged_is_told_with_the_timeout() -> None:
    log = "huggingface_hub.errors.HfHubHTTPError: 503 Server Error\n"
    ending = endings.find(seen(EXPERIMENT, **OURS, engine=[STARTED], engine_log=log), after(310))

    assert ending is not None
    assert ending.reason == "StartupTimeout"
    assert "503 Server Error" in ending.message


MOMENTS: list[tuple[str, Object, float, float | None]] = [
    ("the queue clock", {**OURS, "engine": [make_pod(node=None)]}, 30, 102),
    ("the pull clock", {**OURS, "engine": [SCHEDULED]}, 30, 203),
    ("the startup clock", {**OURS, "engine": [STARTED]}, 30, 310),
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
        63,
    ),
    ("no clock that has run out", {**OURS, "engine": [STARTED]}, 310, None),
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
