"""Whatever is killed, whenever: the same experiments, none measured twice, nothing left over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from autotuner.kubernetes_object import Object
from tests.e2e.recorder import Recorder, Sighting
from tests.e2e.story import OME, SOME, SWITCH, Story, traffic
from tests.support.waiting import wait_for

TP_SIZES = {"chat-0": None, "chat-1": "1", "chat-2": "2"}
# Under heavy load an operator needs many seconds to start, and some stories start a dozen.
PATIENCE = 300


def check_undisturbed(task: Object, experiments: list[Object], recorder: Recorder) -> None:
    """The task ended as it does when nothing happens on the way."""
    assert task["status"]["phase"] == "Succeeded"
    counts = task["status"]["experiments"]
    assert (counts["succeeded"], counts["failed"], counts["nextIndex"]) == (2, 0, 3)
    assert {item["metadata"]["name"]: tried(item) for item in experiments} == TP_SIZES
    assert [item["spec"]["purpose"] for item in experiments] == ["Baseline", "Search", "Search"]
    assert {item["status"]["reason"] for item in experiments} == {"Completed"}
    assert recorder.most_at_once("InferenceService") == 1
    for kind in ("TuningExperiment", "InferenceService", "Job"):
        found = recorder.uids(kind)
        assert set(found) == set(TP_SIZES)
        assert all(len(uids) == 1 for uids in found.values()), f"no {kind} was made twice: {found}"
    pods = recorder.uids("Pod")
    assert len(pods) == 2 * len(TP_SIZES), f"one engine and one benchmark each: {sorted(pods)}"


def tried(experiment: Object) -> str | None:
    parameters = {item["name"]: item["value"] for item in experiment["spec"].get("parameters", [])}
    return parameters.get("tp-size")


async def test_the_operator_is_killed_in_each_phase_of_an_experiment(story: Story) -> None:
    slow = {
        "metadata.annotations": {SWITCH: "slow-stop", "testbed.autotuner.io/slow-stop-seconds": "4"},
        "spec.engineConfig.annotations": {"testbed.autotuner.io/pull-seconds": "4"},
    }
    runtime = await story.make_runtime("", slow)
    squatter = await occupy_name(story, "chat-0")
    async with story.recorder() as recorder:
        await cordon(story, on=True)
        try:
            await story.create_task(
                {
                    "spec.runtime": {"name": runtime, "engine": "SGLang"},
                    "spec.baseline": {"args": ["--sim-startup-seconds=5"]},
                    "spec.benchmark": traffic(SOME),
                }
            )
            await story.in_phase("chat-0", "Pending")
            await restart(story)
            await story.api.delete(squatter)
            await story.in_phase("chat-0", "Queued")
            await restart(story)
        finally:
            await cordon(story, on=False)
        await story.in_phase("chat-0", "Pulling")
        await restart(story)
        await story.in_phase("chat-0", "Starting")
        await restart(story)
        await story.mid_benchmark("chat-0")
        story.operator.kill()
        await wait_for(lambda: benchmark_over(story, "chat-0"), "the benchmark ends while nobody looks", 60)
        story.operator.start()
        await story.in_phase("chat-0", "Releasing")
        await restart(story)
        task = await story.task_finished()
        assert await story.left() == []
    recorder.seen = [sighting for sighting in recorder.seen if not is_squatter(sighting)]
    check_undisturbed(task, await story.experiments(), recorder)
    phases = recorder.phases("chat-0")
    assert phases == ["Pending", "Queued", "Pulling", "Starting", "Benchmarking", "Releasing", "Succeeded"]


async def restart(story: Story) -> None:
    """Kills the operator and returns when the next one works."""
    begun = len(story.operator.log())
    story.operator.kill()
    story.operator.start()

    async def works() -> bool:
        return any(" serves " in entry["message"] for entry in story.operator.log()[begun:])

    await wait_for(works, "the next operator works", 60)


async def occupy_name(story: Story, name: str) -> str:
    """Somebody else's InferenceService of this name, which OME does not deploy; returns its path."""
    collection = f"{OME}/namespaces/{story.namespace}/inferenceservices"
    body = {
        "apiVersion": "ome.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name},
        "spec": {"model": {"name": story.namespace}},
    }
    await story.api.create(collection, body)
    return f"{collection}/{name}"


def is_squatter(sighting: Sighting) -> bool:
    return sighting.kind == "InferenceService" and not sighting.body["metadata"].get("ownerReferences")


async def cordon(story: Story, *, on: bool, nodes: Sequence[str] = ("node-a", "node-b")) -> None:
    for node in nodes:
        await story.api.patch(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": on}})


async def benchmark_over(story: Story, name: str) -> bool:
    return any(pod["status"]["phase"] in ("Succeeded", "Failed") for pod in await story.benchmark_pods(name))


@pytest.mark.full
async def test_the_operator_is_killed_whenever_it_has_created_or_deleted_something(story: Story) -> None:
    killed: list[tuple[str, str, str]] = []

    def kill(sighting: Sighting) -> None:
        """Once per object and event: before what was done can be written down anywhere."""
        doomed = "deletionTimestamp" in sighting.body["metadata"]
        what = (sighting.kind, sighting.name, "deleted" if doomed else "created")
        if what in killed or sighting.kind in ("TuningTask", "Pod") or what == ("Job", sighting.name, "deleted"):
            return  # the first two are not the operator's; Job and InferenceService are deleted together
        killed.append(what)
        story.operator.kill()
        story.operator.start()

    async with Recorder(story.api, story.namespace, kill) as recorder:
        await story.create_task()
        task = await story.task_finished(seconds=PATIENCE)
        assert await story.left() == []
    check_undisturbed(task, await story.experiments(), recorder)
    created = {(kind, name, "created") for kind in ("TuningExperiment", "InferenceService", "Job") for name in TP_SIZES}
    assert set(killed) == created | {("InferenceService", name, "deleted") for name in TP_SIZES}


@pytest.mark.full
async def test_the_api_server_and_ome_die_while_a_task_runs(story: Story) -> None:
    async with story.recorder() as recorder:
        await story.create_task({"spec.benchmark": traffic(SOME)})
        await story.mid_benchmark("chat-0")
        await asyncio.to_thread(story.bed.stop_apiserver)
        await asyncio.to_thread(story.bed.start_apiserver)
        await story.mid_benchmark("chat-1")
        await asyncio.to_thread(story.bed.kill_ome)
        try:
            await wait_for(lambda: doomed(story, "chat-1"), "chat-1 is measured and deleted", 60)
            await story.in_phase("chat-1", "Releasing")
            assert len(await story.experiments()) == 2, "its GPUs are not free: nothing else begins"
        finally:
            await asyncio.to_thread(story.bed.start_ome)
        task = await story.task_finished()
        assert await story.left() == []
    check_undisturbed(task, await story.experiments(), recorder)


@pytest.mark.full  # it mostly waits
async def test_the_control_plane_is_away_for_a_minute_and_loses_etcd(story: Story) -> None:
    async with story.recorder() as recorder:
        await story.create_task({"spec.benchmark": traffic(SOME)})
        await story.mid_benchmark("chat-0")
        await asyncio.to_thread(story.bed.stop_apiserver)
        await asyncio.sleep(60)
        await asyncio.to_thread(story.bed.start_apiserver)
        await story.mid_benchmark("chat-1", PATIENCE)
        await asyncio.to_thread(story.bed.control, "kill", "etcd")
        await asyncio.sleep(5)
        await asyncio.to_thread(story.bed.control, "start", "etcd")
        await story.mid_benchmark("chat-2", PATIENCE)
        # An operator that starts while the API server does.
        await asyncio.to_thread(story.bed.stop_apiserver)
        story.operator.kill()
        story.operator.start()
        await asyncio.sleep(3)
        await asyncio.to_thread(story.bed.start_apiserver)
        task = await story.task_finished(seconds=PATIENCE)
        assert await story.left() == []
    check_undisturbed(task, await story.experiments(), recorder)


async def doomed(story: Story, name: str) -> bool:
    """Whether an InferenceService is being deleted and still there: OME's finalizer holds it."""
    service = await story.found(f"{OME}/namespaces/{story.namespace}/inferenceservices/{name}")
    return service is not None and "deletionTimestamp" in service["metadata"]
