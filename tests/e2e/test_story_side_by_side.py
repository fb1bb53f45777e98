"""Experiments side by side: as many as may run, never too many GPUs, whatever dies; and namespaces in turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from testbed import Testbed
from testbed.api import Api
from testbed.operator_process import Operator
from tests.e2e.conftest import SETTINGS
from tests.e2e.recorder import Recorder, Sighting
from tests.e2e.story import BRIEF, SOME, Story, condition, traffic
from tests.support.waiting import wait_for

GPU = "nvidia.com/gpu"
MOST = 6
UNDER_WAY = ("Pulling", "Starting", "Benchmarking")


class Gpus:
    """The GPUs that pods of a namespace request, from their creation until they are gone."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self.most = 0

    def see(self, sighting: Sighting) -> None:
        if sighting.kind != "Pod":
            return
        uid = sighting.body["metadata"]["uid"]
        if sighting.event == "DELETED":
            self._held.pop(uid, None)
            return
        containers = sighting.body["spec"]["containers"]
        self._held[uid] = sum(int(one.get("resources", {}).get("requests", {}).get(GPU, 0)) for one in containers)
        self.most = max(self.most, sum(self._held.values()))


async def under_way(story: Story) -> int:
    """How many experiments of the search have an engine."""
    found = await story.experiments()
    return sum(one.get("status", {}).get("phase") in UNDER_WAY for one in found if one["spec"]["purpose"] == "Search")


@pytest.mark.full
async def test_four_run_to_the_end_although_the_operator_is_killed(story: Story) -> None:
    gpus = Gpus()
    async with Recorder(story.api, story.namespace, gpus.see) as recorder:
        await story.create_task(
            {
                "spec.parameters": [
                    {"name": "tp-size", "values": [1, 2]},
                    {"name": "max-running-requests", "values": [8, 16, 32, 64]},
                ],
                "spec.benchmark": traffic(SOME),
                "spec.search.maxExperiments": 8,
                "spec.search.parallelExperiments": 4,
                "spec.search.maxGPUs": MOST,
            }
        )
        await wait_for(lambda: four(story), "four are under way", 120)
        story.operator.kill()
        await asyncio.sleep(1)
        story.operator.start()
        task = await story.task_finished(seconds=300)
        assert await story.left() == []
    found = await story.experiments()
    counts = task["status"]["experiments"]
    assert (task["status"]["phase"], counts["summary"], counts["succeeded"]) == ("Succeeded", "8/8", 8)
    assert [one["metadata"]["name"] for one in found] == [f"chat-{number}" for number in range(9)]
    assert len({tuple(one["spec"]["service"]["args"]) for one in found}) == 9, "nothing is measured twice"
    assert all(len(uids) == 1 for uids in recorder.uids("InferenceService").values())
    assert recorder.most_at_once("InferenceService") == 4
    assert gpus.most <= MOST


async def four(story: Story) -> bool:
    return await under_way(story) == 4


@pytest.fixture
async def limited(bed: Testbed, operator: Operator) -> AsyncIterator[Operator]:
    """An operator that lets one experiment run at a time, in place of the other."""
    operator.terminate()
    with Operator(bed.kubeconfig, bed.logs / "limited.log", {**SETTINGS, "AUTOTUNER_MAX_EXPERIMENTS": "1"}) as process:
        yield process
    operator.start()


@pytest.mark.full
async def test_two_namespaces_take_turns(bed: Testbed, limited: Operator, api: Api) -> None:
    async with Story.begin(bed, limited, api) as one, Story.begin(bed, limited, api) as other:
        starts: list[str] = []
        running: set[str] = set()

        def see(sighting: Sighting) -> None:
            if sighting.kind == "TuningExperiment":
                name = f"{sighting.body['metadata']['namespace']}/{sighting.name}"
                over = sighting.event == "DELETED" or condition(sighting.body, "Finished").get("status") == "True"
                if not over and name not in starts:
                    starts.append(name)
                (running.discard if over else running.add)(name)

        async with Recorder(api, one.namespace, see), Recorder(api, other.namespace, see):
            for place in (one, other):
                await place.create_task({"spec.benchmark": traffic(BRIEF)})
            waiting = await wait_for(lambda: waits(one, other), "one of the two waits for its turn", 60)
            tasks = [await place.task_finished(seconds=240) for place in (one, other)]
        assert waiting.endswith("waits for its turn: 1 of 1 experiments of limits.maxExperiments are running")
        assert [task["status"]["phase"] for task in tasks] == ["Succeeded", "Succeeded"]
        whose = [name.partition("/")[0] for name in starts]
        assert len(whose) == 6
        assert all(first != second for first, second in pairwise(whose)), f"in turns: {starts}"
        assert [await place.left() for place in (one, other)] == [[], []]


async def waits(*places: Story) -> str | None:
    """The message of a task that waits for its turn."""
    messages = [str((await place.task()).get("status", {}).get("message", "")) for place in places]
    return next((message for message in messages if "waits for its turn" in message), None)
