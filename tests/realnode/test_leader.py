"""Two replicas on a real cluster: the second takes over from a leader that stops without a word."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.e2e.story import SOME, traffic
from tests.e2e.test_story_restart import check_undisturbed
from tests.realnode.installation import NAMESPACE, Installation
from tests.realnode.story import RealStory
from tests.support.waiting import wait_for

TAKE_OVER_SECONDS = 20


@pytest.fixture
def two_replicas(installation: Installation) -> Iterator[None]:
    installation.scale(2)
    yield
    installation.scale(1)


@pytest.mark.full
async def test_the_second_replica_takes_over(two_replicas: None, story: RealStory) -> None:
    async with story.recorder() as recorder:
        await story.create_task({"spec.benchmark": traffic(SOME)})
        await story.mid_benchmark("chat-0")
        operator = story.operator
        leader = operator.leader()
        assert leader in {pod["metadata"]["name"] for pod in operator.pods()}
        begun = time.monotonic()
        kill(story, leader)

        async def taken_over() -> str:
            holder = await asyncio.to_thread(operator.leader)
            return holder if holder != leader else ""

        successor = await wait_for(taken_over, "another replica leads", 2 * TAKE_OVER_SECONDS)
        assert time.monotonic() - begun < TAKE_OVER_SECONDS
        task = await story.task_finished(seconds=240)
        assert operator.leader() == successor
        assert await story.left() == []
    check_undisturbed(task, await story.experiments(), recorder)


def kill(story: RealStory, pod: str) -> None:
    """As a node that dies: on a node of this machine the process stops at once, elsewhere within its grace."""
    if story.bed.node:
        (status,) = next(
            item["status"]["containerStatuses"] for item in story.operator.pods() if item["metadata"]["name"] == pod
        )
        story.bed.node.freeze(status["containerID"])
    story.bed.kubectl("delete", "pod", pod, f"-n={NAMESPACE}", "--grace-period=0", "--force")
