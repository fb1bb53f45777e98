"""What was measured once answers again for the same deployment, and never for another one."""

from __future__ import annotations

from tests.e2e.story import OME, SOME, Story, condition, traffic
from tests.support.waiting import wait_for


async def test_another_goal_on_the_same_deployment_measures_only_its_baseline(story: Story) -> None:
    await story.create_task({"spec.baseline": {"args": ["--max-running-requests=1"]}}, name="first")
    first = await story.task_finished("first")
    latency = [{"metric": "TTFT", "statistic": "P50"}]
    await story.create_task({"spec.objectives": latency, "spec.search.reuse": {}, "spec.search.seed": 1}, name="second")
    second = await story.task_finished("second")

    assert condition(first, "Succeeded")["reason"] == "Completed"
    assert condition(second, "Succeeded") == {**condition(second, "Succeeded"), "status": "True"}
    counts = second["status"]["experiments"]
    assert (counts["summary"], counts["reused"], counts["nextIndex"]) == ("0/0", 2, 1)
    assert second["status"]["best"]["experiment"] in ("first-1", "first-2", "second-0")
    assert second["status"]["best"]["metrics"]["ttftSeconds"]["p50"] == second["status"]["best"]["value"]
    told = await story.event_seen("TuningTask", "second", "ExperimentsReused")
    assert told["message"] == "reusing 2 finished experiments of this namespace (search.reuse)"
    assert "reused" not in first["status"]["experiments"]


async def test_an_edit_of_the_runtime_ends_the_task(story: Story) -> None:
    runtime = await story.make_runtime("own")
    await story.create_task({"spec.runtime": {"name": runtime, "engine": "SGLang"}, "spec.benchmark": traffic(SOME)})
    await wait_for(lambda: deployed(story, "chat-1"), "chat-1 is deployed", 90)
    edit = {"spec": {"engineConfig": {"labels": {"edited": "yes"}}}}
    await story.api.patch(f"{OME}/clusterservingruntimes/{runtime}", edit)
    task = await story.task_finished()

    assert condition(task, "Succeeded")["reason"] == "RuntimeChanged"
    message = task["status"]["message"]
    assert message.startswith(f"ClusterServingRuntime {runtime} was changed since the baseline chat-0 was deployed")
    measured, edited = [(await story.experiments())[number]["status"] for number in (0, 1)]
    assert measured["hashes"] == edited["hashes"], "it was deployed before the edit"
    assert "fingerprint" in measured
    assert "fingerprint" not in edited, "nobody may reuse it"
    assert len(await story.experiments()) == 2


async def deployed(story: Story, name: str) -> bool:
    """Whether the experiment has noted what it was deployed from."""
    experiment = await story.experiment(name)
    return experiment is not None and "hashes" in experiment.get("status", {})
