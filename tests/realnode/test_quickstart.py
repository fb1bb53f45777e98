"""The first thing that people do: `kubectl apply -f examples/quickstart.yaml`."""

from __future__ import annotations

from autotuner.kubernetes_object import Object
from tests.e2e.story import condition
from tests.realnode.installation import Installation
from tests.realnode.story import RealStory
from tests.support.chart import ROOT

FIRST_PASS_SECONDS = 30


def test_the_first_pass_comes_soon_after_the_installation(installation: Installation) -> None:
    assert installation.first_pass_seconds < FIRST_PASS_SECONDS


async def test_the_quick_start_finds_what_it_is_written_to_find(story: RealStory) -> None:
    example = str(ROOT / "examples" / "quickstart.yaml")
    story.bed.kubectl("apply", f"--filename={example}", f"--namespace={story.namespace}")
    await story.mid_benchmark("quickstart-0")
    check_pods((await story.api.list(f"/api/v1/namespaces/{story.namespace}/pods"))["items"])
    task = await story.task_finished("quickstart", 600)
    assert task["status"]["phase"] == "Succeeded", task["status"]["message"]
    assert condition(task, "Finished")["reason"] == "Completed"
    experiments = await story.experiments()
    searched = [item for item in experiments if item["spec"]["purpose"] != "Confirm"]
    assert len(searched) == 9, "the baseline and eight more"
    assert {item["status"]["reason"] for item in experiments} <= {"Completed", "SLOViolated"}
    best = task["status"]["best"]
    assert best["value"] > 0
    assert best["gain"], "it was compared with the baseline"
    assert best["confidence"]["verdict"] in ("Improved", "NoSignificantDifference")
    assert best["confidence"]["repeats"] >= 2, "it was measured again"
    assert "--tp-size=1" in best["args"], "a second GPU is faster, but not per GPU"
    assert best["metrics"]["outputTokensPerSecond"] > 0
    assert await story.left() == []
    series = story.operator.series
    assert series("autotuner_leader") == 1
    assert (series('autotuner_experiments_total{reason="Completed"}') or 0) > 0


def check_pods(pods: list[Object]) -> None:
    """Engine and benchmark are real pods, restricted, and the benchmark finds the engine by its DNS name."""
    (benchmark,) = [pod for pod in pods if "batch.kubernetes.io/job-name" in pod["metadata"]["labels"]]
    (engine,) = [pod for pod in pods if "ome.io/inferenceservice" in pod["metadata"]["labels"]]
    assert engine["status"]["phase"] == benchmark["status"]["phase"] == "Running"
    (environment,) = [item["env"] for item in benchmark["spec"]["containers"]]
    (told,) = [item["value"] for item in environment if item["name"] == "AUTOTUNER_BENCHMARK"]
    assert f"http://quickstart-0-engine.{engine['metadata']['namespace']}.svc:8080" in told
