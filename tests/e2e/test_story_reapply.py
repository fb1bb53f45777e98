"""A task that is deleted: in the middle of a measurement, and to be applied again at once."""

from __future__ import annotations

from autotuner.kubernetes_object import Object
from tests.e2e.story import ENDLESS, Story, condition, traffic
from tests.support.objects import experiments, tasks
from tests.support.waiting import wait_for

HOLD = "tests.autotuner.io/hold"


async def test_a_task_applied_again_at_once_does_not_take_over_old_children(story: Story) -> None:
    async with story.recorder() as recorder:
        # The benchmarks differ: an experiment of the first task would be told by its traffic, too.
        first = await story.create_task({"spec.benchmark": traffic(ENDLESS)})
        await story.mid_benchmark("chat-0")
        await hold(story, "chat-0", on=True)
        try:
            await story.api.delete(f"{tasks(story.namespace)}/chat")
            second = await story.create_task({"spec.search.maxExperiments": 1})
            await wait_for(lambda: waits_for(story, first), "the second task waits for the first one's children")
            (old,) = await story.experiments()
            assert old["metadata"]["ownerReferences"][0]["uid"] == first["metadata"]["uid"]
        finally:
            await hold(story, "chat-0", on=False)
        task = await story.task_finished()
        assert await story.left() == []
    assert task["metadata"]["uid"] == second["metadata"]["uid"] != first["metadata"]["uid"]
    assert (task["status"]["phase"], condition(task, "Succeeded")["reason"]) == ("Succeeded", "Completed")
    assert task["status"]["experiments"]["nextIndex"] == 2
    found = await story.experiments()
    assert [item["metadata"]["name"] for item in found] == ["chat-0", "chat-1"]
    for item in found:
        assert item["metadata"]["ownerReferences"][0]["uid"] == second["metadata"]["uid"]
        assert item["status"]["reason"] == "Completed"
        assert item["spec"]["benchmark"]["maxRequestsPerLevel"] == 16
    for kind in ("TuningExperiment", "InferenceService", "Job"):
        assert {name: len(uids) for name, uids in recorder.uids(kind).items()} == {"chat-0": 2, "chat-1": 1}
    assert recorder.most_at_once("InferenceService") == 1, "the old engine was gone before the new one came"


async def hold(story: Story, experiment: str, *, on: bool) -> None:
    """Has a deleted experiment stay visible, as it does for seconds where the garbage collector has much to do."""
    finalizers = {"metadata": {"finalizers": [HOLD] if on else None}}
    await story.api.patch(f"{experiments(story.namespace)}/{experiment}", finalizers)


async def waits_for(story: Story, first: Object) -> bool:
    message = (await story.task()).get("status", {}).get("message", "")
    words = f"belongs to TuningTask chat (uid {first['metadata']['uid']}); it is being deleted"
    return "waiting to create chat-0" in message and words in message


async def test_a_task_deleted_in_mid_benchmark_leaves_nothing(story: Story) -> None:
    await story.create_task({"spec.benchmark": traffic(ENDLESS)})
    await story.mid_benchmark("chat-0")
    await story.api.delete(f"{tasks(story.namespace)}/chat")

    async def gone() -> bool:
        return not await story.experiments() and not await story.left()

    await wait_for(gone, "nothing of the task is left", 30)
