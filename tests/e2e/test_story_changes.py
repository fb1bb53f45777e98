"""A task that is changed while it runs, beside another one."""

from __future__ import annotations

import pytest

from autotuner.kubernetes_object import Object
from tests.e2e.story import SOME, Story, condition, traffic
from tests.support.waiting import wait_for


@pytest.mark.full
async def test_two_tasks_side_by_side_one_suspended_and_one_extended(story: Story, neighbour: Story) -> None:
    async with story.recorder() as recorder:
        await story.create_task({"spec.benchmark": traffic(SOME), "spec.search.maxExperiments": 1})
        await neighbour.create_task({"spec.search.maxExperiments": 1})
        await neighbour.mid_benchmark("chat-0")
        await neighbour.patch_task({"search": {"maxExperiments": 2}})
        # The GPUs are wanted back in the middle of the only configuration of the search ...
        await story.mid_benchmark("chat-1")
        await story.patch_task({"suspend": True})
        withdrawn = await story.experiment_finished("chat-1", seconds=30)
        assert withdrawn["status"]["reason"] == "Cancelled"
        assert condition(withdrawn, "Released")["status"] == "True"
        task = await suspended(story)
        assert condition(task, "Finished")["status"] == "False"
        assert "suspend: false" in task["status"]["message"]
        await nothing_runs(story)
        # ... and given again.
        await story.patch_task({"suspend": False})
        task, other = await story.task_finished(), await neighbour.task_finished()
        assert await story.left() == []
        assert await neighbour.left() == []
    check_resumed(task, await story.experiments())
    assert recorder.most_at_once("InferenceService") == 1
    assert {name: len(uids) for name, uids in recorder.uids("InferenceService").items()} == {
        "chat-0": 1,
        "chat-1": 1,
        "chat-2": 1,
    }
    await check_extended(other, neighbour)


async def suspended(story: Story) -> Object:
    async def look() -> Object | None:
        task = await story.task()
        running = task["status"]["experiments"]["running"]
        return task if task["status"]["phase"] == "Suspended" and running == 0 else None

    return await wait_for(look, "the task is suspended", 30)


async def nothing_runs(story: Story) -> None:
    pods = await story.api.list(f"/api/v1/namespaces/{story.namespace}/pods")
    assert pods["items"] == []


def check_resumed(task: Object, experiments: list[Object]) -> None:
    """The withdrawn configuration was measured after all, under the next index, and counts once."""
    assert (task["status"]["phase"], condition(task, "Finished")["reason"]) == ("Succeeded", "Completed")
    found = [(item["metadata"]["name"], item["spec"]["purpose"], item["status"]["reason"]) for item in experiments]
    assert found == [
        ("chat-0", "Baseline", "Completed"),
        ("chat-1", "Search", "Cancelled"),
        ("chat-2", "Search", "Completed"),
    ]
    assert experiments[1]["spec"]["service"]["args"] == experiments[2]["spec"]["service"]["args"]
    counts = task["status"]["experiments"]
    assert (counts["summary"], counts["succeeded"], counts["failed"], counts["nextIndex"]) == ("1/1", 1, 0, 3)
    assert "reasons" not in counts


async def check_extended(task: Object, story: Story) -> None:
    assert (task["status"]["phase"], condition(task, "Finished")["reason"]) == ("Succeeded", "Completed")
    assert task["status"]["experiments"]["summary"] == "2/2"
    found = await story.experiments()
    assert [item["metadata"]["name"] for item in found] == ["chat-0", "chat-1", "chat-2"]
    assert {item["metadata"]["ownerReferences"][0]["uid"] for item in found} == {task["metadata"]["uid"]}
