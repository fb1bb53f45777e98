"""The first thing that people do: `kubectl apply -f examples/quickstart.yaml`."""

from __future__ import annotations

from typing import Any

import yaml

from tests.e2e.story import condition
from tests.realnode.installation import Installation
from tests.realnode.node import ROOT
from tests.realnode.story import RealStory
from tests.support.objects import edited, tasks

Object = dict[str, Any]

FIRST_PASS_SECONDS = 30


def test_the_first_pass_comes_soon_after_the_installation(installation: Installation) -> None:
    assert installation.first_pass_seconds < FIRST_PASS_SECONDS


async def test_the_quick_start_finds_what_it_is_written_to_find(story: RealStory) -> None:
    await story.api.create(tasks(story.namespace), quickstart(story), fieldValidation="Strict")
    await story.mid_benchmark("quickstart-0")
    check_pods((await story.api.list(f"/api/v1/namespaces/{story.namespace}/pods"))["items"])
    task = await story.task_finished("quickstart", 600)
    assert task["status"]["phase"] == "Succeeded", task["status"]["message"]
    assert condition(task, "Finished")["reason"] == "Completed"
    experiments = await story.experiments()
    assert len(experiments) == 9, "the baseline and eight more"
    assert {item["status"]["reason"] for item in experiments} <= {"Completed", "SLOViolated"}
    best = task["status"]["best"]
    assert best["gainPercent"] > 0
    assert "--tp-size=1" in best["args"], "a second GPU is faster, but not per GPU"
    assert best["metrics"]["errorRate"] == 0
    assert await story.left() == []
    series = story.operator.series
    assert series("autotuner_leader") == 1
    assert (series('autotuner_experiments_total{reason="Completed"}') or 0) > 0


def quickstart(story: RealStory) -> Object:
    """The example, with the images at hand and without the path of the model, which a restricted pod cannot mount."""
    example: Object = yaml.safe_load((ROOT / "examples" / "quickstart.yaml").read_text())
    changes = {
        "spec.model.overrides": {"storage": {"storageUri": "vendor://simulated", "path": None, "key": None}},
        "spec.runtime.image": story.bed.benchmark_image,
        "spec.runtime.extraArgs": ["--sim-model=1b"],
    }
    return edited(example, changes)


def check_pods(pods: list[Object]) -> None:
    """Engine and benchmark are real pods, restricted, and the benchmark finds the engine by its DNS name."""
    (benchmark,) = [pod for pod in pods if "batch.kubernetes.io/job-name" in pod["metadata"]["labels"]]
    (engine,) = [pod for pod in pods if "ome.io/inferenceservice" in pod["metadata"]["labels"]]
    assert engine["status"]["phase"] == benchmark["status"]["phase"] == "Running"
    (environment,) = [item["env"] for item in benchmark["spec"]["containers"]]
    (told,) = [item["value"] for item in environment if item["name"] == "AUTOTUNER_BENCHMARK"]
    assert f"http://quickstart-0-engine.{engine['metadata']['namespace']}.svc.cluster.local:8080" in told
