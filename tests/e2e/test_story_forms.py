"""Every form of model and runtime, and a task that is only looked at: what is made, where, and what is left alone."""

from __future__ import annotations

import yaml

from autotuner.kubernetes_object import Object
from tests.e2e.story import BRIEF, FORMAT, OME, Story, condition, traffic
from tests.support.waiting import wait_for

MODEL = "llama-3-2-1b-instruct"
OWN_MODEL: Object = {
    **FORMAT,
    "modelParameterSize": "1.24B",
    "storage": {"storageUri": "vendor://simulated", "path": "/models/llama-3-2-1b-own"},
}


async def test_objects_of_the_namespace_are_made_and_stay(story: Story) -> None:
    await story.create_task(
        {
            "spec.model": {
                "custom": {"name": "own", "spec": OWN_MODEL, "labels": {"team": "chat"}},
                "scope": "Namespaced",
            },
            "spec.runtime": {
                "preset": "simulated-sglang",
                "overrides": {"engineConfig": {"annotations": {"team": "chat"}}},
                "scope": "Namespaced",
                "env": [{"name": "OWN", "value": "1"}],
                "extraArgs": ["--max-running-requests=16"],
            },
            "spec.baseline": {"args": ["--schedule-policy=fcfs"]},
            "spec.search.maxExperiments": 1,
        }
    )
    task = await story.task_finished()

    assert condition(task, "Succeeded")["status"] == "True"
    created = task["status"]["created"]
    assert created["baseModel"] == "own"
    assert created["servingRuntime"].startswith("simulated-sglang-")
    model = await story.api.get(f"{OME}/namespaces/{story.namespace}/basemodels/own")
    assert model["metadata"]["labels"]["team"] == "chat"
    path = f"{OME}/namespaces/{story.namespace}/servingruntimes/{created['servingRuntime']}"
    runtime = await story.api.get(path)
    assert runtime["spec"]["engineConfig"]["annotations"]["team"] == "chat"
    (baseline, experiment) = await story.experiments()
    service = experiment["spec"]["service"]
    assert service["model"] == {"kind": "BaseModel", "name": "own"}
    assert service["runtime"]["kind"] == "ServingRuntime"
    assert service["env"] == [{"name": "OWN", "value": "1"}]
    assert "--max-running-requests=16" in service["args"]
    assert "--schedule-policy=fcfs" in baseline["spec"]["service"]["args"]
    assert "--schedule-policy=fcfs" not in service["args"]


async def test_an_overridden_model_is_another_model(story: Story) -> None:
    path = f"/models/llama-3-2-1b-{story.namespace}"
    await story.create_task(
        {
            "spec.suspend": True,
            "spec.model": {
                "preset": MODEL,
                "overrides": {"storage": {"path": path, "key": None}},
                "scope": "Namespaced",
            },
        }
    )
    shown = await previewed(story)
    documents = list(yaml.safe_load_all(shown["data"]["created-before.yaml"]))

    assert documents[0]["kind"] == "BaseModel"
    assert documents[0]["metadata"]["name"].startswith(f"{MODEL}-")
    assert documents[0]["spec"]["storage"]["path"] == path
    assert "key" not in documents[0]["spec"]["storage"]


async def previewed(story: Story) -> Object:
    """The ConfigMap that the task's status names."""

    async def look() -> Object | None:
        named = (await story.task()).get("status", {}).get("preview")
        return await story.found(config_map(story, named["configMap"])) if named else None

    return await wait_for(look, "the task is previewed")


def config_map(story: Story, name: str) -> str:
    return f"/api/v1/namespaces/{story.namespace}/configmaps/{name}"


async def test_a_suspended_task_is_shown_and_creates_nothing(story: Story) -> None:
    await story.create_task({"spec.suspend": True, "spec.benchmark": traffic(BRIEF)})
    shown = await previewed(story)
    status = (await story.task())["status"]

    assert status["phase"] == "Suspended"
    assert condition({"status": status}, "Valid")["status"] == "True"
    assert status["resolved"]["configurations"] == 2
    assert status["preview"]["gpuHours"] > 0
    assert "startTime" not in status
    assert await story.experiments() == []
    first = yaml.safe_load(shown["data"]["inferenceservice.yaml"])
    # What is shown can be applied: the API server's own rules and OME's schema accept it.
    await story.api.create(f"{OME}/namespaces/{story.namespace}/inferenceservices", first, dryRun="All")

    await story.patch_task({"suspend": False})
    task = await story.task_finished()
    made = (await story.experiments())[0]["spec"]["service"]
    assert "preview" not in task["status"]
    assert first["metadata"]["name"] == "chat-0"
    assert first["spec"]["engine"]["runner"]["args"] == made["args"]
    assert first["spec"]["runtime"]["name"] == made["runtime"]["name"]


async def test_what_is_there_is_used_as_found_and_the_difference_told(story: Story) -> None:
    name = f"{story.namespace}-own"
    await story.make_model(name)
    await story.create_task(
        {
            "spec.suspend": False,
            "spec.model": {"custom": {"name": name, "spec": {**OWN_MODEL, "vendor": "me"}}},
            "spec.search.maxExperiments": 1,
        }
    )
    event = await story.event_seen("TuningTask", "chat", "ModelDiffers")
    ready = condition(await story.task(), "ModelReady")

    assert "is used as found" in event["message"]
    assert ready["status"] == "True"
    assert "vendor" in ready["message"]
    await story.patch_task({"suspend": True})
