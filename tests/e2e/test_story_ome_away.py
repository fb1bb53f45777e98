"""OME's manager is down, its finalizer stays, models vanish: told with the cause, accelerators freed, and then on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from autotuner import clock
from autotuner.kubernetes_object import Object
from testbed.ome import outage
from tests.e2e.story import OME, SWITCH, Story, condition
from tests.support.waiting import wait_for

REFUSED = "failed calling webhook"
AWAY = "connection refused"
ONE = {"strategy": "Grid", "maxExperiments": 1, "confirm": {"maxRepeats": 0}}


@contextlib.asynccontextmanager
async def ome_down(story: Story) -> AsyncIterator[None]:
    """OME's manager is dead, and nobody answers its webhooks."""
    await wait_for(lambda: model_ready(story), "the model is Ready")
    await outage.begin(story.api)
    await asyncio.to_thread(story.bed.kill_ome)
    try:
        yield
    finally:
        await outage.end(story.api)
        await asyncio.to_thread(story.bed.start_ome)


async def model_ready(story: Story, name: str = "") -> bool:
    """Whether a model, by default the story's own, is there and Ready."""
    model = await story.found(f"{OME}/clusterbasemodels/{name or story.namespace}")
    return model is not None and model.get("status", {}).get("state") == "Ready"


def told(body: Object | None, *kinds: str) -> bool:
    """Whether message and conditions of an object quote the API server."""
    texts = [(body or {}).get("status", {}).get("message", "")]
    texts += [condition(body or {}, kind).get("message", "") for kind in kinds]
    return all(REFUSED in text and AWAY in text for text in texts)


def held(experiment: Object) -> tuple[float, float]:
    """Seconds for which an experiment used its node, and until its slot was free."""
    times = experiment["status"]["times"]
    used = clock.seconds_between(times["scheduled"], times["podsGone"])
    whole = clock.seconds_between(times["scheduled"], times["released"])
    assert used is not None and whole is not None
    return used, whole


@pytest.mark.full  # unit tests hold the same words, and the next story meets them in mid-run
async def test_ome_is_down_at_the_start(story: Story) -> None:
    await story.make_runtime()
    async with ome_down(story):
        # A runtime that nobody has made yet.
        own = {"engineConfig": {"annotations": {"example.com/story": story.namespace}}}
        await story.create_task({"spec.search": ONE, "spec.runtime.overrides": own})
        await story.create_experiment("patient-1")

        async def task_told() -> bool:
            return told(await story.task(), "RuntimeReady", "Succeeded")

        async def experiment_told() -> bool:
            return told(await story.experiment("patient-1"), "Scheduled", "Succeeded")

        await wait_for(task_told, "the task quotes the API server", 20)
        await wait_for(experiment_told, "the experiment quotes the API server", 20)
        await story.create_experiment("hasty-1", {"spec.timeouts.queueSeconds": 4})
        hasty = await story.experiment_finished("hasty-1")
        await story.event_seen("TuningTask", "chat", "NotCreated")
        await story.event_seen("TuningExperiment", "patient-1", "NotCreated")
    assert hasty["status"]["reason"] == "ServingNotCreated"
    assert told(hasty, "Succeeded")
    assert hasty["status"]["gpuSeconds"] == 0
    assert (await story.experiment_finished("patient-1"))["status"]["reason"] == "Completed"
    assert (await story.task_finished())["status"]["phase"] == "Succeeded"
    assert await story.left() == []


@pytest.mark.full
async def test_ome_goes_down_while_a_task_runs(story: Story) -> None:
    await story.create_task({"spec.search": ONE, "spec.timeouts": {"teardownSeconds": 10}})
    await story.in_phase("chat-0", "Benchmarking")
    async with ome_down(story):
        words = "OME's controller has not removed its finalizer inferenceservice.finalizers"

        async def stuck() -> bool:
            body, task = await story.experiment("chat-0"), await story.task()
            released = condition(body or {}, "Released")
            return words in released.get("message", "") and words in task["status"]["message"]

        await wait_for(stuck, "experiment and task name the finalizer", 60)
        await story.event_seen("TuningExperiment", "chat-0", "TeardownStuck")
        first = await story.experiment_finished("chat-0", 30)

        async def next_told() -> bool:
            return told(await story.experiment("chat-1"), "Scheduled") and told(await story.task(), "Succeeded")

        await wait_for(next_told, "the next experiment and its task quote the API server", 30)
        assert await story.found(f"{OME}/namespaces/{story.namespace}/inferenceservices/chat-0") is not None
    task = await story.task_finished()
    assert task["status"]["phase"] == "Succeeded"
    assert task["status"]["experiments"]["succeeded"] == 1
    used, whole = held(first)
    assert first["status"]["reason"] == "Completed"
    assert first["status"]["gpuSeconds"] == round(used * first["spec"]["service"]["accelerator"]["count"], 1)
    assert whole - used >= 10, "the slot was free teardownSeconds after the last pod"
    await wait_for(lambda: nothing_left(story), "OME lets go of everything", 60)


async def nothing_left(story: Story) -> bool:
    return await story.left() == []


@pytest.mark.full  # what it shows of the slot is shown above, too
async def test_a_finalizer_that_stays_for_a_while_costs_no_accelerator_seconds(story: Story) -> None:
    slow = {SWITCH: "slow-release", "testbed.autotuner.io/slow-release-seconds": "8"}
    await story.make_runtime("", {"metadata.annotations": slow})
    await story.create_experiment("alone-1")
    experiment = await story.experiment_finished("alone-1")
    used, whole = held(experiment)
    assert whole - used >= 2, "the pods were gone before"
    assert experiment["status"]["gpuSeconds"] == round(used, 1)
    assert condition(experiment, "Released") == {**condition(experiment, "Released"), "status": "True", "message": ""}
    assert await story.left() == []
