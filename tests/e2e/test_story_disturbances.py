"""Bad luck and bad ends that a task outlives: pods that somebody deletes, engines that shed load."""

from __future__ import annotations

from dataclasses import replace

from autotuner.kubernetes_object import Object
from tests.e2e.story import BRIEF, ENDLESS, SOME, Story, condition, traffic
from tests.support.waiting import wait_for


async def pod_of(story: Story, experiment: str, *, benchmark: bool) -> Object:
    """The pod of the engine or of the benchmark of an experiment."""
    path = f"/api/v1/namespaces/{story.namespace}/pods"
    found: Object = {}

    async def there() -> bool:
        for item in (await story.api.list(path, labelSelector=f"autotuner.io/experiment={experiment}"))["items"]:
            if ("batch.kubernetes.io/job-name" in item["metadata"]["labels"]) == benchmark:
                found.update(item)
        return bool(found)

    await wait_for(there, f"{experiment} has its pod")
    return found


async def evict(story: Story, pod: Object) -> None:
    """Has the API server evict a pod, as a drain does."""
    name = pod["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    await story.api.create(f"/api/v1/namespaces/{story.namespace}/pods/{name}/eviction", eviction)


async def test_a_baseline_whose_benchmark_is_deleted_is_measured_again_before_all(story: Story) -> None:
    await story.make_runtime()
    await story.create_task({"spec.benchmark": traffic(SOME), "spec.search.maxExperiments": 1})
    await story.mid_benchmark("chat-0")
    benchmark = (await pod_of(story, "chat-0", benchmark=True))["metadata"]["name"]
    await story.api.delete(f"/api/v1/namespaces/{story.namespace}/pods/{benchmark}")

    spoiled = await story.experiment_finished("chat-0")
    assert spoiled["status"]["reason"] == "Evicted"
    task = await story.task_finished()
    purposes = [(item["spec"]["purpose"], item["spec"].get("retryOf")) for item in await story.experiments()]
    assert purposes[:2] == [("Baseline", None), ("Baseline", "chat-0")]
    assert task["status"]["baseline"]["experiment"] == "chat-1"
    assert task["status"]["best"]["gain"]
    assert await story.left() == []


async def test_an_engine_that_sheds_load_keeps_what_it_did_below(story: Story) -> None:
    await story.make_runtime()
    await story.create_task(
        {
            "spec.parameters": [{"name": "sim-fault", "choices": ["shed-above:2", "shed-above:3", "none"]}],
            "spec.benchmark": traffic(BRIEF, [1, 8]),
            "spec.search.maxExperiments": 3,
        }
    )
    task = await story.task_finished()
    assert (task["status"]["phase"], condition(task, "Finished")["reason"]) == ("Succeeded", "Completed")
    assert (task["status"]["experiments"]["succeeded"], task["status"]["experiments"]["failed"]) == (3, 0)
    assert task["status"]["best"]["level"]["concurrency"] == 8
    for item in await story.experiments():
        chosen = [one["value"] for one in item["spec"].get("parameters", [])]
        low, high = item["status"]["levels"]
        assert item["status"]["reason"] == "Completed", item["status"]["message"]
        assert low["errors"] == 0
        assert (high["errors"] > 0) == (chosen[:1] not in ([], ["none"]))
    assert await story.left() == []


async def test_a_namespace_that_is_deleted_is_told_as_that_and_as_nothing_else(story: Story) -> None:
    other = replace(story, namespace=f"{story.namespace}-goes")
    path = f"/api/v1/namespaces/{other.namespace}"
    await story.api.create("/api/v1/namespaces", {"metadata": {"name": other.namespace}})
    await other.create_task({"spec.model": {"name": story.namespace}, "spec.benchmark": traffic(ENDLESS)})
    await other.mid_benchmark("chat-0")

    await story.api.delete(path)

    async def gone() -> bool:
        return await story.found(path) is None

    await wait_for(gone, "the namespace is gone", 60)
    said = [entry for entry in story.operator.log() if entry.get("namespace") == other.namespace]
    known = {"Running", "ExperimentCreated", "Pending", "Queued", "Pulling", "Starting", "Benchmarking"}
    after = {entry["message"].partition(":")[0] for entry in said} - known
    assert after <= {"NamespaceDeleted", "Released"}
