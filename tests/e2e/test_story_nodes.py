"""Nodes that are drained or lose power while something is measured on them."""

from __future__ import annotations

import asyncio

import pytest

from autotuner.kubernetes_object import Object
from tests.e2e.story import ENDLESS, SOME, Story, condition, traffic
from tests.e2e.test_story_disturbances import evict, pod_of
from tests.e2e.test_story_restart import cordon
from tests.support.waiting import wait_for

SPARE = "node-c"
HOST = "kubernetes.io/hostname"
# Pods leave a node that does not answer at once, not after the five minutes that Kubernetes gives by itself.
LEAVES = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}


@pytest.mark.full
async def test_drained_nodes_are_left_and_their_experiments_measured_again(story: Story) -> None:
    """The baseline loses its benchmark, the next experiment its whole node."""
    await story.make_runtime()
    await story.create_task({"spec.benchmark": traffic(SOME), "spec.search.maxExperiments": 1})
    await story.mid_benchmark("chat-0")
    await evict(story, await pod_of(story, "chat-0", benchmark=True))
    spoiled = await story.experiment_finished("chat-0")
    await story.mid_benchmark("chat-2")
    pods = [await pod_of(story, "chat-2", benchmark=benchmark) for benchmark in (True, False)]
    node = pods[1]["spec"]["nodeName"]
    try:
        await cordon(story, on=True, nodes=[node])
        for pod in pods:
            await evict(story, pod)
        drained = await story.experiment_finished("chat-2")
        again = await story.experiment_finished("chat-3")
    finally:
        await cordon(story, on=False, nodes=[node])
    for experiment, role in ((spoiled, "benchmark"), (drained, "engine")):
        status = experiment["status"]
        assert (status["reason"], status["reproducible"]) == ("Evicted", False)
        assert status["message"].startswith(f"the {role}'s pod on node-"), status["message"]
        assert "was taken away: EvictionByEvictionAPI" in status["message"]
        assert condition(experiment, "Released")["status"] == "True"
        await story.event_seen("TuningExperiment", experiment["metadata"]["name"], "Evicted")
    assert again["spec"] == {**drained["spec"], "retryOf": "chat-2"}
    assert (again["status"]["reason"], again["status"]["node"] == node) == ("Completed", False)
    task = await story.task_finished()
    counts = task["status"]["experiments"]
    assert (counts["summary"], counts["succeeded"], counts["failed"]) == ("1/1", 1, 0)
    assert counts["reasons"] == [{"reason": "Evicted", "count": 2}]
    assert task["status"]["baseline"]["experiment"] == "chat-1"
    assert task["status"]["best"]["confidence"]["verdict"] != "BaselineFailed"
    assert await story.left() == []


@pytest.mark.full  # Kubernetes takes most of a minute to miss a node
async def test_a_node_that_loses_power_costs_an_experiment_but_not_the_task(story: Story) -> None:
    await asyncio.to_thread(story.bed.start_spare_node)
    try:
        await story.make_runtime()
        # The benchmark of this one is elsewhere, and has a level when its engine is gone.
        ladder = {**traffic(SOME, [1, 2]), "maxRequestsPerLevel": 40, "placement": "OtherNode"}
        await story.create_experiment("apart-1", {"spec.service.nodeSelector": {HOST: SPARE}, "spec.benchmark": ladder})
        await story.in_phase("apart-1", "Benchmarking")
        # Engine and benchmark of this one are both on the node: nobody tells of their end.
        one = {"strategy": "Grid", "maxExperiments": 1, "confirm": {"maxRepeats": 0}}
        longer = {**traffic(SOME), "maxRequestsPerLevel": 80}
        await cordon(story, on=True)
        try:
            await story.create_task(
                {"spec.placement": {"tolerations": [LEAVES]}, "spec.benchmark": longer, "spec.search": one}
            )
            await story.mid_benchmark("chat-0")
        finally:
            await cordon(story, on=False)
        await wait_for(lambda: has_level(story, "apart-1"), "a level is measured")
        await asyncio.to_thread(story.bed.kill_spare_node)
        lost = await story.experiment_finished("chat-0", 180)
        apart = await story.experiment_finished("apart-1", 180)
        task = await story.task_finished()
        kept = await pods_of(story)
        assert kept and all(pod["spec"]["nodeName"] == SPARE for pod in kept), "nobody can stop what was there"
    finally:
        await asyncio.to_thread(story.bed.start_spare_node)
        await wait_for(lambda: nothing_left(story), "the node is back, and forgets its pods", 60)
        await asyncio.to_thread(story.bed.remove_spare_node)
    status = lost["status"]
    assert (status["reason"], status["node"], status["benchmarkNode"]) == ("NodeLost", SPARE, SPARE)
    assert f"pod on {SPARE} was taken away: DeletionByTaintManager" in status["message"]
    assert status["gpuSeconds"] > 0
    again = await story.experiment("chat-1")
    assert again is not None
    assert (again["spec"]["retryOf"], again["status"]["node"] == SPARE) == ("chat-0", False)
    assert task["status"]["baseline"]["experiment"] == "chat-1"
    status = apart["status"]
    assert (status["reason"], status["phase"], status["reproducible"]) == ("NodeLost", "Failed", False)
    assert f"the engine's node {SPARE} is lost; before that was known: " in status["message"]
    assert status["benchmarkNode"] != SPARE
    for experiment in (lost, apart):
        assert condition(experiment, "Released")["status"] == "True"
        await story.event_seen("TuningExperiment", experiment["metadata"]["name"], "NodeLost")


@pytest.mark.full  # most of a minute until Kubernetes misses the node, and one until it is given up
async def test_engine_and_benchmark_on_a_lost_node_hold_their_accelerators_for_two_minutes(story: Story) -> None:
    """Kubernetes takes their pods away only five minutes after it missed the node, and nobody else tells of it."""
    await asyncio.to_thread(story.bed.start_spare_node)
    try:
        await story.make_runtime()
        together = {**traffic(ENDLESS), "placement": "SameNode"}
        edits = {"spec.service.nodeSelector": {HOST: SPARE}, "spec.benchmark": together}
        await story.create_experiment("together-1", edits)
        await story.mid_benchmark("together-1")
        await asyncio.to_thread(story.bed.kill_spare_node)
        lost = await story.experiment_finished("together-1", 200)
    finally:
        await asyncio.to_thread(story.bed.start_spare_node)
        await wait_for(lambda: nothing_left(story), "the node is back, and forgets its pods", 60)
        await asyncio.to_thread(story.bed.remove_spare_node)
    assert (lost["status"]["reason"], lost["status"]["reproducible"]) == ("NodeLost", False)
    assert (
        lost["status"]["message"] == f"the engine's node {SPARE} is not Ready for 60 s while the experiment needed it"
    )
    assert condition(lost, "NodesReady")["status"] == "False"
    assert condition(lost, "Released")["status"] == "True"


async def has_level(story: Story, name: str) -> bool:
    return any("at concurrency 1: " in text for text in await story.logs(name))


async def pods_of(story: Story) -> list[Object]:
    found: list[Object] = (await story.api.list(f"/api/v1/namespaces/{story.namespace}/pods"))["items"]
    return found


async def nothing_left(story: Story) -> bool:
    return await story.left() == []
