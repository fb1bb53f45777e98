"""A task from `kubectl apply` to its answer, and what every step of it looks like from outside."""

from __future__ import annotations

import itertools
from functools import partial
from statistics import geometric_mean

from pytest import approx

from autotuner.kubernetes_object import Object
from tests.e2e.recorder import Recorder
from tests.e2e.story import BRIEF, OME, Story, condition, traffic
from tests.support.objects import tasks
from tests.support.waiting import wait_for

MODEL = "llama-3-2-1b-instruct"
ORDER = ["Pending", "Queued", "Pulling", "Starting", "Benchmarking", "Releasing", "Succeeded"]


async def test_a_task_from_apply_to_answer(story: Story) -> None:
    await forget_what_presets_made(story)
    async with story.recorder() as recorder:
        applied = await story.create_task(
            {
                "spec.model": {"preset": MODEL},
                "spec.parameters": [
                    {"name": "tp-size", "values": [1, 2]},
                    {"name": "enable-mixed-chunk", "toggle": True},
                ],
                "spec.baseline": {"args": ["--tp-size=1", "--max-running-requests=1"]},
                "spec.benchmark": traffic(BRIEF, [2, 4]),
                "spec.objectives": [{"metric": "OutputThroughputPerGPU"}],
                "spec.slos": [{"metric": "ErrorRate", "max": "1%"}],
                "spec.search.maxExperiments": 2,
                "spec.search.confirm": {"top": 1, "maxRepeats": 2},
            }
        )
        task = await story.task_finished()
        assert await story.left() == [], "everything is released when the task is over"
        experiments = await story.experiments()
        searched, repeats = experiments[:3], experiments[3:]
        check_answer(task, searched, repeats)
        check_experiments(task, searched)
        check_repeats(task, searched, repeats)
        check_confirming(recorder)
        check_sequence(recorder, experiments)
        check_services(recorder, experiments)
        check_benchmarks(recorder, experiments)
        await check_events(story, experiments)
        await check_shared_objects(story, task)
        assert story.operator.resident_bytes < 150e6
        await story.api.delete(f"{tasks(story.namespace)}/chat", {"propagationPolicy": "Foreground"})
        await wait_for(lambda: gone(story), "task and experiments are gone", 30)
    assert applied["metadata"]["uid"] == task["metadata"]["uid"]
    await check_shared_objects(story, task)


async def gone(story: Story) -> bool:
    return not await story.experiments() and not (await story.api.list(tasks(story.namespace)))["items"]


async def forget_what_presets_made(story: Story) -> None:
    """Another story may have made the presets' objects, which stay: this task shall make them itself."""
    paths = [f"{OME}/clusterbasemodels/{MODEL}"]
    runtimes = (await story.api.list(f"{OME}/clusterservingruntimes"))["items"]
    paths += [
        f"{OME}/clusterservingruntimes/{item['metadata']['name']}"
        for item in runtimes
        if item["metadata"]["name"].startswith("simulated-sglang-")
    ]
    for path in paths:
        if await story.found(path):
            await story.api.delete(path)
            await wait_for(partial(absent, story, path), f"{path} is gone")


async def absent(story: Story, path: str) -> bool:
    return await story.found(path) is None


def check_answer(task: Object, experiments: list[Object], repeats: list[Object]) -> None:
    status = task["status"]
    assert status["phase"] == "Succeeded"
    for kind, reason in (("Valid", "Valid"), ("ModelReady", "Ready"), ("RuntimeReady", "Ready")):
        assert (condition(task, kind)["status"], condition(task, kind)["reason"]) == ("True", reason)
    for kind in ("Succeeded", "Finished"):
        assert (condition(task, kind)["status"], condition(task, kind)["reason"]) == ("True", "Completed")
    counts = status["experiments"]
    assert (counts["summary"], counts["nextIndex"], counts["running"]) == ("2/2", 3 + len(repeats), 0)
    assert (counts["succeeded"], counts["infeasible"], counts["failed"]) == (2, 0, 0)
    resolved = {"model": MODEL, "backend": "OME", "engine": "SGLang", "configurations": 4, "estimated": False}
    resolved["accelerator"] = "NVIDIA-H100-80GB-HBM3"
    assert {**status["resolved"], "runtime": None} == {**resolved, "runtime": None}
    best, by_name = status["best"], {item["metadata"]["name"]: item for item in experiments}
    winner = by_name[best["experiment"]]
    assert best["args"] == winner["spec"]["service"]["args"]
    assert best.get("parameters") == winner["spec"].get("parameters")
    own = [item for item in repeats if item["spec"]["service"]["args"] == best["args"]]
    today = [item for item in repeats if item not in own]
    assert best["metrics"] in [level for item in own for level in item["status"]["levels"]]
    assert best["level"] == {key: best["metrics"][key] for key in ("scenario", "concurrency")}
    # Figures in status have six digits.
    assert best["value"] == approx(value_of(own, best["level"]["concurrency"]), rel=1e-5)
    assert best["value"] == approx(best_value(own), rel=1e-5)
    assert status["baseline"]["experiment"] == "chat-0"
    assert status["baseline"]["value"] == approx(best_value(today), rel=1e-5)
    gain = 100 * (best["value"] / status["baseline"]["value"] - 1)
    confidence = best["confidence"]
    assert (confidence["verdict"], confidence["repeats"]) == ("Improved", 2)
    assert 0 < confidence["low"] < gain < confidence["high"]
    assert best["gainPercent"] == approx(gain, abs=0.01)
    assert best["gain"] == f"{gain:+.1f}%"
    assert gain > 20, "one sequence at a time is a bad baseline"
    assert "improved (95% sure: " in status["message"]
    assert best["experiment"] in status["message"]
    hours = sum(item["status"]["gpuSeconds"] for item in [*experiments, *repeats]) / 3600
    assert abs(status["usage"]["gpuHours"] - hours) < 0.001
    assert status["startTime"] <= status["completionTime"]


def best_value(runs: list[Object]) -> float:
    """At the one concurrency that is best for all of them together."""
    return max(value_of(runs, level["concurrency"]) for level in runs[0]["status"]["levels"])


def value_of(runs: list[Object], concurrency: int) -> float:
    """Of repeats of one configuration, per GPU."""
    gpus = runs[0]["spec"]["service"]["accelerator"]["count"]
    levels = [level for run in runs for level in run["status"]["levels"] if level["concurrency"] == concurrency]
    assert len(levels) == len(runs)
    return geometric_mean([level["outputTokensPerSecond"] for level in levels]) / float(gpus)


def check_experiments(task: Object, experiments: list[Object]) -> None:
    assert [item["metadata"]["name"] for item in experiments] == ["chat-0", "chat-1", "chat-2"]
    assert [item["spec"]["purpose"] for item in experiments] == ["Baseline", "Search", "Search"]
    assert "parameters" not in experiments[0]["spec"]
    tried = [tuple((p["name"], p["value"]) for p in item["spec"]["parameters"]) for item in experiments[1:]]
    assert len(set(tried)) == 2
    check_measured(task, experiments, [2, 4])


def check_repeats(task: Object, experiments: list[Object], repeats: list[Object]) -> None:
    assert [item["metadata"]["name"] for item in repeats] == ["chat-3", "chat-4", "chat-5", "chat-6"]
    assert [(item["spec"]["purpose"], item["spec"]["block"]) for item in repeats] == [
        ("Confirm", 1),
        ("Confirm", 1),
        ("Confirm", 2),
        ("Confirm", 2),
    ]
    winner = next(item for item in experiments if item["metadata"]["name"] == task["status"]["best"]["experiment"])
    ladder = repeats[0]["spec"]["benchmark"]["concurrency"]
    for original in (experiments[0], winner):
        args = original["spec"]["service"]["args"]
        own = [item for item in repeats if item["spec"]["service"]["args"] == args]
        assert [item["spec"]["block"] for item in own] == [1, 2]
        assert {tried_of(item) == tried_of(original) for item in own} == {True}
    check_measured(task, repeats, ladder)


def check_confirming(recorder: Recorder) -> None:
    """What somebody reads who watches."""
    told = [sighting.body["status"] for sighting in recorder.of("TuningTask", "chat") if "status" in sighting.body]
    messages = [status["message"] for status in told if status.get("phase") == "Confirming"]
    assert "against the baseline: block 1 of at most 2" in messages[0]
    assert "block 2 of at most 2; +" in messages[-1]
    phases = [phase for phase, _ in itertools.groupby(status.get("phase") for status in told)]
    assert phases[-3:] == ["Running", "Confirming", "Succeeded"]


def check_measured(task: Object, experiments: list[Object], ladder: list[int]) -> None:
    for item in experiments:
        (owner,) = item["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == ("TuningTask", task["metadata"]["uid"], True)
        assert item["metadata"]["labels"] == {"autotuner.io/task": "chat", "autotuner.io/finished": "true"}
        status = item["status"]
        assert (status["phase"], status["reason"], status["ladder"]) == ("Succeeded", "Completed", "Complete")
        assert [level["concurrency"] for level in status["levels"]] == ladder
        gpus = int(dict(tried_of(item)).get("tp-size", "1"))
        assert item["spec"]["service"]["accelerator"]["count"] == gpus
        steps = (
            "created",
            "scheduled",
            "containerStarted",
            "engineReady",
            "firstRequest",
            "benchmarkFinished",
            "podsGone",
            "released",
        )
        moments = [status["times"][step][:19] for step in steps]
        assert moments == sorted(moments), "each step after the other"


def tried_of(experiment: Object) -> list[tuple[str, str]]:
    return [(p["name"], p["value"]) for p in experiment["spec"].get("parameters", [])]


def check_sequence(recorder: Recorder, experiments: list[Object]) -> None:
    assert recorder.most_at_once("InferenceService") == 1
    assert recorder.most_at_once("Job") == 1
    for before, after in itertools.pairwise(experiments):
        assert before["status"]["times"]["released"][:19] <= after["metadata"]["creationTimestamp"].rstrip("Z")
    for item in experiments:
        phases = recorder.phases(item["metadata"]["name"])
        assert phases == sorted(phases, key=ORDER.index), "no phase comes back"
        assert phases[-3:] == ["Benchmarking", "Releasing", "Succeeded"]


def check_services(recorder: Recorder, experiments: list[Object]) -> None:
    for item in experiments:
        name, args = item["metadata"]["name"], item["spec"]["service"]["args"]
        seen = [sighting.body for sighting in recorder.of("InferenceService", name)]
        assert {body["metadata"]["uid"] for body in seen} == {seen[0]["metadata"]["uid"]}
        # A deletion counts as a change of generation; nothing else may.
        assert {body["metadata"]["generation"] for body in seen if "deletionTimestamp" not in body["metadata"]} == {1}
        for body in seen:
            assert body["metadata"]["labels"] == seen[0]["metadata"]["labels"]
            assert body["metadata"]["annotations"] == seen[0]["metadata"]["annotations"]
            ours = [entry for entry in body["metadata"]["managedFields"] if entry["manager"] == "autotuner"]
            assert [(entry["operation"], entry["time"]) for entry in ours] == [
                ("Update", seen[0]["metadata"]["creationTimestamp"])
            ], "created, and never written again"
        engines = engine_pods(recorder, name)
        assert len({pod["metadata"]["uid"] for pod in engines}) == 1
        container = engines[-1]["spec"]["containers"][0]
        assert container["args"] == args
        assert all(arg.startswith("--") and " " not in arg for arg in args)
        gpus = str(item["spec"]["service"]["accelerator"]["count"])
        assert container["resources"]["limits"]["nvidia.com/gpu"] == gpus
        assert container["resources"]["requests"]["nvidia.com/gpu"] == gpus
    parameters = dict(tried_of(experiments[1]))
    assert f"--tp-size={parameters['tp-size']}" in experiments[1]["spec"]["service"]["args"]


def engine_pods(recorder: Recorder, experiment: str) -> list[Object]:
    pods = [sighting.body for sighting in recorder.of("Pod")]
    return [pod for pod in pods if pod["metadata"]["labels"].get("ome.io/inferenceservice") == experiment]


def check_benchmarks(recorder: Recorder, experiments: list[Object]) -> None:
    for item in experiments:
        name = item["metadata"]["name"]
        found = [sighting.body for sighting in recorder.of("Pod")]
        pods = [pod for pod in found if pod["metadata"]["labels"].get("batch.kubernetes.io/job-name") == name]
        assert len({pod["metadata"]["uid"] for pod in pods}) == 1
        spec = pods[0]["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert not [volume for volume in spec["volumes"] if "projected" in volume or "secret" in volume]
        first_job = recorder.of("Job", name)[0].body["metadata"]
        assert first_job["ownerReferences"][0]["uid"] == item["metadata"]["uid"]


async def check_events(story: Story, experiments: list[Object]) -> None:
    await story.event_seen("TuningTask", "chat", "Completed")
    reasons = [event["reason"] for event in await story.events("TuningTask", "chat")]
    assert reasons.count("ExperimentCreated") == len(experiments)
    for item in experiments:
        name = item["metadata"]["name"]
        await story.event_seen("TuningExperiment", name, "Released")
        told = {event["reason"]: event for event in await story.events("TuningExperiment", name)}
        assert {"Benchmarking", "Completed", "Released"} <= set(told)
        assert {event["type"] for event in told.values()} == {"Normal"}


async def check_shared_objects(story: Story, task: Object) -> None:
    created = task["status"]["created"]
    assert created == {
        "clusterBaseModel": MODEL,
        "clusterServingRuntime": task["status"]["resolved"]["runtime"],
    }
    assert await story.found(f"{OME}/clusterbasemodels/{created['clusterBaseModel']}")
    assert await story.found(f"{OME}/clusterservingruntimes/{created['clusterServingRuntime']}")
