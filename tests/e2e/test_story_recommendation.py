"""What a task leaves for those who serve: an InferenceService that OME takes, and why it is the one."""

from __future__ import annotations

import csv
import io

import yaml

from autotuner.kubernetes_object import Object
from tests.e2e.story import OME, Story, condition


async def test_a_task_leaves_what_to_apply_and_why(story: Story) -> None:
    await story.create_task({"spec.baseline": {"args": ["--tp-size=1", "--max-running-requests=1"]}})
    task = await story.task_finished()

    assert condition(task, "Succeeded")["status"] == "True"
    assert task["status"]["recommendation"] == {"configMap": "chat-best"}
    found = await story.api.get(f"/api/v1/namespaces/{story.namespace}/configmaps/chat-best")
    assert found["metadata"]["ownerReferences"][0]["uid"] == task["metadata"]["uid"]
    await check_service(story, task, found["data"]["inferenceservice.yaml"])
    check_table(task, await story.experiments(), found["data"]["experiments.csv"])
    best = task["status"]["best"]
    assert f"`{best['experiment']}`" in found["data"]["report.md"]
    assert best["confidence"]["verdict"] in found["data"]["report.md"]


async def check_service(story: Story, task: Object, text: str) -> None:
    """It is what was measured, and an API server with OME's schemas takes it as it is."""
    body = yaml.safe_load(text)
    path = f"{OME}/namespaces/{story.namespace}/inferenceservices"
    taken = await story.api.create(path, body, fieldValidation="Strict", dryRun="All")

    assert taken["metadata"]["name"] == "chat"
    assert taken["spec"]["engine"]["runner"]["args"] == task["status"]["best"]["args"]
    assert not any("autotuner.io" in key for key in taken["metadata"].get("labels", {}))


def check_table(task: Object, experiments: list[Object], text: str) -> None:
    rows = {row["experiment"]: row for row in csv.DictReader(io.StringIO(text))}
    best = task["status"]["best"]

    assert list(rows) == [one["metadata"]["name"] for one in experiments]
    value = next(value for name, value in rows[best["experiment"]].items() if name.startswith("objective."))
    assert float(value) > 0
    assert {row["reason"] for row in rows.values()} == {"Completed"}
    assert all(float(row["gpuSeconds"]) >= 0 for row in rows.values() if row["gpuSeconds"])


async def test_a_config_map_of_somebody_else_stays_as_it_is(story: Story) -> None:
    path = f"/api/v1/namespaces/{story.namespace}/configmaps"
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "chat-best"}, "data": {"mine": "1"}}
    await story.api.create(path, theirs)
    await story.create_task({"spec.search.maxExperiments": 1})
    task = await story.task_finished()

    assert condition(task, "Succeeded")["status"] == "True"
    assert "ConfigMap chat-best belongs to somebody else" in task["status"]["message"]
    assert (await story.api.get(f"{path}/chat-best"))["data"] == {"mine": "1"}
    assert (await story.event_seen("TuningTask", "chat", "RecommendationNotWritten"))["type"] == "Warning"
