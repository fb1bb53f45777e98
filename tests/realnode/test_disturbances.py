"""What happens to nodes, operators and tasks while an experiment runs."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.e2e.story import ENDLESS, SOME, traffic
from tests.e2e.test_story_restart import check_undisturbed
from tests.realnode.installation import NAMESPACE
from tests.realnode.story import RealStory
from tests.support.objects import tasks
from tests.support.waiting import wait_for


async def test_the_operators_pod_is_replaced_in_mid_experiment(story: RealStory) -> None:
    async with story.recorder() as recorder:
        await story.create_task({"spec.benchmark": traffic(SOME)})
        await story.mid_benchmark("chat-0")
        before = {pod["metadata"]["uid"] for pod in story.operator.pods()}
        story.bed.kubectl("delete", "pods", f"-n={NAMESPACE}", "-l=app.kubernetes.io/component=operator")
        task = await story.task_finished(seconds=240)
        assert await story.left() == []
    assert not before & {pod["metadata"]["uid"] for pod in story.operator.pods()}
    check_undisturbed(task, await story.experiments(), recorder)


async def test_a_task_deleted_in_mid_benchmark_leaves_nothing(story: RealStory) -> None:
    await story.create_task({"spec.benchmark": traffic(ENDLESS)})
    await story.mid_benchmark("chat-0")
    begun = time.monotonic()
    await story.api.delete(f"{tasks(story.namespace)}/chat", {"propagationPolicy": "Foreground"})
    await wait_for(lambda: gone(story), "the task and everything of it is gone", 60)
    assert time.monotonic() - begun < 60


async def gone(story: RealStory) -> bool:
    remain = (await story.api.list(tasks(story.namespace)))["items"] + await story.experiments()
    return not remain and await story.left() == []


@pytest.mark.full
async def test_a_task_goes_on_after_its_node_was_drained(story: RealStory) -> None:
    await story.create_task({"spec.benchmark": traffic(SOME)})
    await story.mid_benchmark("chat-0")
    node = (await story.benchmark_pods("chat-0"))[0]["spec"]["nodeName"]
    try:
        drain = ("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=90s")
        await asyncio.to_thread(story.bed.kubectl, *drain)
    finally:
        story.bed.kubectl("uncordon", node)
    task = await story.task_finished(seconds=300)
    assert task["status"]["phase"] == "Succeeded"
    assert task["status"]["best"]
    assert await story.left() == []
