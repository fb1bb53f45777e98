"""An InferenceService of OME that serves already is tuned: with its model and runtime, and without being touched."""

from __future__ import annotations

import pytest
import yaml

from autotuner.api.common import EXPERIMENT_UID_LABEL
from autotuner.kubernetes_object import Object
from tests.e2e.story import BRIEF, OME, SOME, Story, condition, traffic
from tests.support.objects import edited, make_task, tasks
from tests.support.waiting import wait_for

ARGS = ["--tp-size=1", "--mem-fraction-static=0.85", "--max-running-requests=1"]


async def serve(story: Story) -> str:
    """Make an InferenceService `chat` that serves; returns its path."""
    runtime = await story.make_runtime(edits={"spec.engineConfig.runner.readinessProbe.periodSeconds": 1})
    path = f"{OME}/namespaces/{story.namespace}/inferenceservices"
    runner = {"name": "ome-container", "args": ARGS, "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    body = {
        "apiVersion": "ome.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "chat", "labels": {"team": "x"}},
        "spec": {
            "model": {"name": story.namespace},
            "runtime": {"name": runtime},
            "engine": {"minReplicas": 1, "maxReplicas": 1, "runner": runner},
        },
    }
    await story.api.create(path, body)
    await wait_for(lambda: original_pod(story), "InferenceService chat serves")
    return f"{path}/chat"


async def original_pod(story: Story) -> Object | None:
    """A pod of the original that serves; None if none does."""
    pods = f"/api/v1/namespaces/{story.namespace}/pods"
    for pod in (await story.api.list(pods, labelSelector=f"!{EXPERIMENT_UID_LABEL}"))["items"]:
        conditions = {one["type"]: one["status"] for one in pod.get("status", {}).get("conditions", [])}
        if conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]:
            return dict(pod)
    return None


async def tune(story: Story, name: str, requests: Object) -> None:
    target = {"apiVersion": "ome.io/v1beta1", "kind": "InferenceService", "name": "chat", "engine": "SGLang"}
    own = {
        "spec.target": target,
        "spec.model": None,
        "spec.runtime": None,
        "spec.parameters": [{"name": "max-running-requests", "values": [1, 64]}],
        "spec.benchmark": traffic(requests, [8]),
        "spec.slos": [{"metric": "ErrorRate", "max": "1%"}],
        "spec.search": {"strategy": "Grid", "maxExperiments": 1, "confirm": {"maxRepeats": 0}},
    }
    await story.api.create(tasks(story.namespace), edited(make_task(name), own), fieldValidation="Strict")


@pytest.mark.full
async def test_it_is_tuned_patched_and_watched_with_its_runtime(story: Story) -> None:
    path = await serve(story)
    before, pod = await story.api.get(path), await original_pod(story) or {}
    await tune(story, "tune", BRIEF)
    task = await story.task_finished("tune")

    assert task["status"]["phase"] == "Succeeded", task["status"]["message"]
    assert task["status"]["resolved"]["backend"] == "OMEInferenceService"
    after = await story.api.get(path)
    assert (after["metadata"]["generation"], after["spec"]) == (before["metadata"]["generation"], before["spec"])
    assert (await original_pod(story) or {})["metadata"]["uid"] == pod["metadata"]["uid"]
    baseline = await story.experiment("tune-0") or {}
    assert baseline["spec"]["service"]["args"] == ARGS
    assert baseline["spec"]["service"]["model"] == {"kind": "ClusterBaseModel", "name": story.namespace}
    assert task["status"]["best"]["parameters"] == [{"name": "max-running-requests", "value": "64"}]

    config = await story.api.get(f"/api/v1/namespaces/{story.namespace}/configmaps/tune-best")
    assert "--type merge" in config["data"]["patch.yaml"]
    await story.api.patch(path, yaml.safe_load(config["data"]["patch.yaml"]), "application/merge-patch+json")

    async def rolled_out() -> bool:
        found = await original_pod(story)
        return found is not None and "--max-running-requests=64" in found["spec"]["containers"][0]["args"]

    await wait_for(rolled_out, "the winner's arguments are in the original's pods", 60)

    await tune(story, "again", SOME)
    await story.mid_benchmark("again-0")
    changed = {"spec": {"engineConfig": {"runner": {"env": [{"name": "ADDED", "value": "1"}]}}}}
    await story.api.patch(f"{OME}/clusterservingruntimes/{story.namespace}", changed)
    task = await story.task_finished("again")
    assert condition(task, "Succeeded")["reason"] == "RuntimeChanged", task["status"]["message"]
    assert "InferenceService chat was changed" in task["status"]["message"]
    await story.api.delete(path)
