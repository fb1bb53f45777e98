"""An experiment whose engine has several pods: the words of one are the end of all."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.api.experiment import EnginePod
from autotuner.kubernetes_object import Object
from autotuner.policy.experiment import endings, silent_nodes
from autotuner.policy.experiment.decide import decide
from autotuner.policy.experiment.observed import ObservedExperiment
from autotuner.serving.pods import PodView, view
from tests.unit.builders import after, make_experiment, make_isvc, make_pod, seen, terminated
from tests.unit.policy.experiment.states import EXPERIMENT, LOADING, MEASURING, OURS, PLACED

MEMORY = "torch.OutOfMemoryError: CUDA out of memory"


def member(rank: int, **state: Any) -> PodView:
    state = {"started": 10, "ready": 20, "uid": f"uid-{rank}", **state}
    return view(make_pod(**state), "ome-container", rank=rank, group_size=2)


def observed(*group: PodView, experiment: Object = EXPERIMENT, **more: Any) -> ObservedExperiment:
    return seen(experiment, **{**OURS, **PLACED, "engine_pods": group, **more})


@pytest.mark.parametrize(
    ("worker", "log", "reason", "message"),
    [
        (
            {"ended": terminated(137, "OOMKilled")},
            "",
            "OutOfMemory",
            "worker 1 of the engine's 2 pods: the engine used",
        ),
        (
            {"ended": terminated(1)},
            MEMORY,
            "OutOfMemory",
            f"worker 1 of the engine's 2 pods: the engine said: {MEMORY}",
        ),
        (
            {"ready": None, "started": None, "waiting": ("ErrImageNeverPull", "no image")},
            "",
            "ImagePullFailed",
            "the engine's image engine:1 cannot be pulled",
        ),
        (
            {"disrupted": ("DisruptionTarget", "EvictionByEvictionAPI", "drained")},
            "",
            "Evicted",
            "the engine's pod on node-a was taken away",
        ),
    ],
)
def test_what_ends_a_worker_ends_the_experiment(worker: Object, log: str, reason: str, message: str) -> None:
    ending = endings.find(observed(member(0), member(1, **worker), engine_log=log), after(30))
    assert ending is not None
    assert ending.reason == reason
    assert message in ending.message


def test_a_leader_that_dies_is_the_engine() -> None:
    ending = endings.find(observed(member(0, ended=terminated(1)), member(1), engine_log=MEMORY), after(30))
    assert ending is not None
    assert ending.message == f"the engine said: {MEMORY}"


@pytest.mark.parametrize("worker", [[], [member(1, uid="another")], [member(1, deleting=True)]])
def test_a_worker_that_goes_while_it_is_measured_is_missed(worker: list[PodView]) -> None:
    measured = observed(member(0), member(1))
    assert measured.engine is not None
    status = measured.status.model_copy(update={"engine_pod": EnginePod(uid=measured.engine.uid)})
    known = make_experiment(status={**MEASURING["status"], **status.dump()})
    ending = endings.find(observed(member(0), *worker, experiment=known), after(40))
    assert ending is not None
    assert ending.reason == "Evicted"


@pytest.mark.parametrize(
    ("group", "phase"),
    [
        ([member(0, ready=None)], "Queued"),
        ([member(0, ready=None), member(1, node=None, started=None, ready=None)], "Queued"),
        ([member(0, ready=None), member(1, started=None, ready=None)], "Pulling"),
        ([member(0, ready=None), member(1)], "Starting"),
    ],
)
def test_an_engine_gets_on_with_the_slowest_of_its_pods(group: list[PodView], phase: str) -> None:
    plan = decide(seen(EXPERIMENT, root=make_isvc(EXPERIMENT), engine_pods=tuple(group)), after(15))
    assert plan.status.phase == phase
    assert plan.create_job == (phase != "Queued"), "accelerators of all before the benchmark"


def test_all_nodes_of_a_group_are_looked_after() -> None:
    group = [member(0), member(1, node="node-b", ready=None)]
    assert silent_nodes.suspects(observed(*group, experiment=LOADING, benchmark=()), after(1000)) == {"node-b"}
