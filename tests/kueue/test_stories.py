"""What becomes of experiments in a queue of the real Kueue: they wait, are admitted, preempted, or never admitted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from testbed import Testbed
from tests.e2e.story import ENDLESS, Story, condition, traffic
from tests.kueue.queues import IN_QUEUE, LABEL, PRIORITY, QUEUE, Queues, ended, says
from tests.support.waiting import wait_for

GPU = "nvidia.com/gpu"
PATIENT = {"spec.timeouts.queueSeconds": 600}
# Nobody who tests waits longer for what never comes.
HASTY = {"spec.timeouts.queueSeconds": 8}


@contextlib.contextmanager
def configured(bed: Testbed, **settings: Any) -> Iterator[None]:
    """Kueue with other settings while this is open."""
    bed.kill_kueue()
    bed.start_kueue(**settings)
    try:
        yield
    finally:
        bed.kill_kueue()
        bed.start_kueue(**dict.fromkeys(settings))


async def test_waits_while_quota_is_used_up_and_runs_when_it_is_free(story: Story, queues: Queues) -> None:
    await queues.make(gpus=1)
    await queues.hog("busy", {GPU: "1"})
    low = queues.priority("low")
    await story.create_experiment("chat-1", {**IN_QUEUE, **PATIENT, "spec.service.workloadPriorityClassName": low})
    words = "^waiting for Kueue to admit it: .*insufficient unused quota for nvidia.com/gpu in flavor .*, 1 more needed"
    waits = await says(story, "chat-1", words)
    assert waits["status"]["phase"] == "Queued"
    assert "scheduled" not in waits["status"]["times"]

    await queues.remove_hog("busy")
    await story.in_phase("chat-1", "Benchmarking")
    deployment = await story.api.get(f"/apis/apps/v1/namespaces/{story.namespace}/deployments/chat-1-engine")
    job = await story.api.get(f"/apis/batch/v1/namespaces/{story.namespace}/jobs/chat-1")
    for body in (deployment, job):
        labels = body["metadata"]["labels"]
        assert (labels[LABEL], labels[PRIORITY]) == (QUEUE, low), body["kind"]
    body = await story.experiment_finished("chat-1")
    assert body["status"]["reason"] == "Completed", body["status"]["message"]


async def test_what_the_queue_never_has_is_told_with_what_to_mend(story: Story, queues: Queues) -> None:
    await queues.make(gpus=1)
    await story.create_experiment("chat-1", {**IN_QUEUE, **HASTY, "spec.service.accelerator.count": 2})
    words = r"within 8 s: waiting for Kueue to admit it: .*> maximum capacity \(1\); .* raise its nominalQuota"
    await ended(story, "chat-1", "QueueTimeout", words)


async def test_a_preempted_engine_is_measured_again_as_a_new_experiment(story: Story, queues: Queues) -> None:
    await queues.make(gpus=1)
    await story.create_task(
        {
            "spec.placement": {"queueName": QUEUE, "workloadPriorityClassName": queues.priority("low")},
            "spec.benchmark": traffic(ENDLESS),
            "spec.timeouts": {"queueSeconds": 600},
        }
    )
    await story.mid_benchmark("chat-0")
    await queues.hog("urgent", {GPU: "1"}, priority="high")

    body = await ended(story, "chat-0", "Preempted", "^Kueue took the engine's pod out .*: Preempted to accommodate")
    assert "levels" not in body["status"]
    waits = await says(story, "chat-1", "^waiting for Kueue to admit it: ")
    assert (waits["spec"]["retryOf"], waits["status"]["phase"]) == ("chat-0", "Queued")
    await queues.remove_hog("urgent")
    await story.in_phase("chat-1", "Benchmarking")


async def test_a_preempted_benchmark_takes_its_engine_with_it(story: Story, queues: Queues) -> None:
    """Of a quota of two cores the engine has a quarter and the benchmark one: only the latter gives enough."""
    await queues.make(gpus=1, cpu="2")
    low = queues.priority("low")
    edits = {**IN_QUEUE, **PATIENT, "spec.service.workloadPriorityClassName": low, "spec.benchmark": traffic(ENDLESS)}
    await story.create_experiment("chat-1", edits)
    await story.mid_benchmark("chat-1")
    await queues.hog("urgent", {"cpu": "1500m"}, priority="high")

    body = await ended(story, "chat-1", "Preempted", "^Kueue took the benchmark's Job out .*: Preempted to accommodate")
    assert "levels" not in body["status"]


async def test_a_victim_that_dies_slowly_is_waited_for_as_for_quota(story: Story, queues: Queues) -> None:
    """Kueue gives the quota away at once, and the GPU is free seconds later."""
    await queues.make(gpus=8, node="node-a")
    slow = "trap 'sleep 6; exit' TERM; sleep 600 & wait"
    await queues.hog("victim", {GPU: "8"}, priority="low", script=slow, grace=20)
    edits = {**IN_QUEUE, **PATIENT, "spec.service.accelerator.count": 8}
    await story.create_experiment("chat-1", edits)
    waits = await says(story, "chat-1", "^waiting for a node: .*Insufficient nvidia.com/gpu")
    assert (waits["status"]["phase"], waits["status"]["times"].get("scheduled")) == ("Queued", None)
    await story.in_phase("chat-1", "Benchmarking")


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("queueName", "LocalQueue nope does not exist"),
        ("workloadPriorityClassName", "WorkloadPriorityClass nope does not exist"),
        ("priorityClassName", "PriorityClass nope does not exist"),
    ],
)
async def test_a_name_that_does_not_exist_is_told_before_anything_is_made(
    story: Story, queues: Queues, field: str, names: str
) -> None:
    await queues.make(gpus=1)
    async with story.recorder() as record:
        await story.create_experiment("chat-1", {**IN_QUEUE, f"spec.service.{field}": "nope"})
        await ended(story, "chat-1", "AdmissionRejected", rf"^service\.{field}: {names}")
        await story.create_task({"spec.placement": {"queueName": QUEUE, field: "nope"}}, name="talk")

        async def refused() -> bool:
            found = condition(await story.task("talk"), "Valid")
            return (found.get("reason"), f"placement.{field}: {names}" in found.get("message", "")) == (
                "NotFound",
                True,
            )

        await wait_for(refused, "the task is refused")
    assert not record.uids("InferenceService")


async def test_a_benchmark_that_is_not_admitted_frees_the_engine(story: Story, queues: Queues) -> None:
    """Engine and benchmark are two to the queue, and the GPU is held by the one that is in."""
    await queues.make(gpus=1, cpu="1")
    await story.create_experiment("chat-1", {**IN_QUEUE, **HASTY})
    words = "the benchmark's pod found no place within 8 s: waiting for Kueue to admit its Job: .*quota for cpu"
    body = await ended(story, "chat-1", "QueueTimeout", words)
    assert body["status"]["times"]["scheduled"]


async def test_where_kueue_queues_everything_a_queue_must_be_named(bed: Testbed, story: Story, queues: Queues) -> None:
    await queues.make(gpus=1)
    with configured(bed, manageJobsWithoutQueueName=True):
        await story.create_experiment("chat-1", HASTY)
        await ended(story, "chat-1", "QueueTimeout", "LocalQueue  doesn't exist; .*: set placement.queueName")
        await story.create_experiment("chat-2", IN_QUEUE)
        await story.in_phase("chat-2", "Benchmarking")


async def test_without_kueue_a_release_hangs_and_says_so_and_goes_on_by_itself(
    bed: Testbed, story: Story, queues: Queues
) -> None:
    await queues.make(gpus=1)
    edits = {**IN_QUEUE, "spec.benchmark": traffic(ENDLESS), "spec.timeouts.teardownSeconds": 10}
    await story.create_experiment("chat-1", edits)
    await story.mid_benchmark("chat-1")
    bed.kill_kueue()
    try:
        path = f"/apis/autotuner.io/v1alpha1/namespaces/{story.namespace}/tuningexperiments/chat-1"
        await story.api.patch(path, {"spec": {"cancel": True}})

        async def stuck() -> bool:
            found = condition(await story.experiment("chat-1") or {}, "Released")
            words = "Kueue's webhook mjob.kb.io does not answer"
            return found.get("reason") == "TeardownStuck" and words in found["message"]

        await wait_for(stuck, "the release is told to hang")
    finally:
        bed.start_kueue()
    body = await story.experiment_finished("chat-1")
    assert (body["status"]["reason"], condition(body, "Released")["status"]) == ("Cancelled", "True")


@pytest.mark.full
async def test_kueues_own_clock_for_ready_pods_is_named(bed: Testbed, story: Story, queues: Queues) -> None:
    await queues.make(gpus=1)
    edits = {**IN_QUEUE, "spec.service.args": ["--tp-size=1", "--sim-fault=hang"]}
    with configured(bed, waitForPodsReady={"timeout": "10s"}):
        await story.create_experiment("chat-1", edits)
        await ended(story, "chat-1", "PodsReadyTimeout", "Exceeded the PodsReady timeout .*waitForPodsReady.timeout")
