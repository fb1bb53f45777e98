"""Nodes that do not answer: which are looked at, how long they may be silent, and what is said meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy.conditions import find
from autotuner.policy.experiment import silent_nodes
from autotuner.policy.experiment.decide import decide
from tests.unit.builders import after, at, make_pod, merged, seen, terminated
from tests.unit.policy.experiment.states import IN_TIME, LOADING, MEASURING, OURS, READY, SCHEDULED, STARTED

# As Kubernetes leaves a pod whose node does not answer: its container seems to run, and is not ready.
UNREADY = make_pod(started=10)
CLIENT = make_pod("benchmark", node="node-b", started=10, ready=11)
MUTE_CLIENT = make_pod("benchmark", node="node-b", started=10)
ENGINES = frozenset({"node-a"})
BOTH = frozenset({"node-a", "node-b"})


@pytest.mark.parametrize(
    ("experiment", "engine", "benchmark", "second", "nodes"),
    [
        (MEASURING, READY, CLIENT, 30, set()),
        (MEASURING, UNREADY, CLIENT, 30, {"node-a"}),
        (MEASURING, READY, MUTE_CLIENT, 30, {"node-b"}),
        (MEASURING, UNREADY, MUTE_CLIENT, 30, {"node-a", "node-b"}),
        (MEASURING, make_pod(ended=terminated(1)), CLIENT, 30, set()),
        (MEASURING, READY, make_pod("benchmark", node=None), 30, set()),
        (LOADING, STARTED, CLIENT, 62, set()),
        (LOADING, STARTED, CLIENT, 63, {"node-a"}),
        (LOADING, SCHEDULED, CLIENT, 63, {"node-a"}),
    ],
    ids=[
        "both ready",
        "the engine no longer",
        "the benchmark no longer",
        "neither",
        "an engine that ended",
        "a benchmark without a node",
        "an engine that starts",
        "one that takes long",
        "an image that takes long",
    ],
)
def test_looks_at_the_nodes_of(
    experiment: Object, engine: Object, benchmark: Object, second: float, nodes: set[str]
) -> None:
    state = seen(experiment, **OURS, engine=[engine], benchmark=[benchmark])

    assert silent_nodes.suspects(state, after(second)) == nodes


def noted(status: str, second: float) -> Object:
    """The experiment in mid-benchmark, its nodes known to be silent or ready since then."""
    condition = {"type": "NodesReady", "status": status, "reason": "NodeNotReady", "lastTransitionTime": at(second)}
    conditions = [*MEASURING["status"]["conditions"], condition]
    return merged(MEASURING, {"status": {"conditions": conditions}})


def test_a_node_gets_a_minute_to_come_back() -> None:
    first = decide(
        seen(MEASURING, **OURS, engine=[UNREADY], benchmark=[CLIENT], silent_nodes=ENGINES),
        after(IN_TIME),
    )
    told = find(first.status.conditions, "NodesReady")

    assert told is not None
    assert (told.status, told.reason, told.message) == (
        "False",
        "NodeNotReady",
        "the engine's node node-a is not Ready",
    )
    assert (first.status.message, first.status.reason) == (told.message, None)
    assert first.look_again == after(IN_TIME) + silent_nodes.PATIENCE

    edge = after(30) + silent_nodes.PATIENCE
    state = seen(
        noted("False", 30),
        **OURS,
        engine=[UNREADY],
        benchmark=[MUTE_CLIENT],
        silent_nodes=BOTH,
    )
    assert decide(state, edge - timedelta(milliseconds=1)).status.reason is None
    lost = decide(state, edge).status
    assert (lost.reason, lost.reproducible) == ("NodeLost", False)
    assert lost.message == (
        "the engine's node node-a and the benchmark's node node-b are not Ready for 60 s while the experiment needed it"
    )


def test_a_node_that_came_back_starts_afresh() -> None:
    back = decide(seen(noted("False", 30), **OURS, engine=[READY], benchmark=[CLIENT]), after(95)).status
    assert back.reason is None
    told = find(back.conditions, "NodesReady")
    assert told is not None
    assert told.status == "True"

    state = seen(noted("True", 35), **OURS, engine=[UNREADY], benchmark=[CLIENT], silent_nodes=ENGINES)
    assert decide(state, after(100)).status.reason is None


def test_nothing_is_said_of_nodes_that_always_answered() -> None:
    status = decide(seen(MEASURING, **OURS, engine=[READY], benchmark=[CLIENT]), after(IN_TIME)).status

    assert find(status.conditions, "NodesReady") is None
