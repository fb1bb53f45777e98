"""Every way in which an experiment can end: told with its cause, everything released."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autotuner.kubernetes_object import Object
from tests.e2e.story import BRIEF, ENDLESS, OME, SWITCH, Story, condition, traffic
from tests.support.objects import experiments
from tests.support.waiting import wait_for

UNKNOWN_IMAGE = "testbed/unknown:1"


@dataclass(frozen=True)
class Case:
    """An experiment and how it must end; `says` and `quotes` are patterns of its message and its evidence."""

    name: str
    reason: str
    says: str
    edits: Mapping[str, Any] = field(default_factory=dict)
    quotes: str = ""
    exit_code: int | None = None
    phase: str = "Failed"

    @classmethod
    def engine(cls, name: str, reason: str, says: str, *args: str, **more: Any) -> Case:
        """One whose engine has these arguments."""
        edits = {"spec.service.args": ["--tp-size=1", *args], **more.pop("edits", {})}
        return cls(name, reason, says, edits, **more)


async def run(story: Story, cases: Sequence[Case]) -> None:
    """Create all experiments at once and check each one's ending."""
    for case in cases:
        await story.create_experiment(case.name, case.edits)
    for case in cases:
        await check(story, case, await story.experiment_finished(case.name, 120))


async def check(story: Story, case: Case, experiment: Object) -> None:
    status = experiment["status"]
    assert (status["reason"], status["phase"]) == (case.reason, case.phase), status["message"]
    assert re.search(case.says, status["message"]), f"{case.name}: {status['message']}"
    succeeded = "True" if case.phase == "Succeeded" else "False"
    for kind, value in (("Finished", "True"), ("Released", "True"), ("Succeeded", succeeded)):
        assert condition(experiment, kind)["status"] == value, f"{case.name}: {kind}"
    assert condition(experiment, "Succeeded")["reason"] == case.reason
    assert condition(experiment, "Finished")["reason"] == case.reason
    assert condition(experiment, "Succeeded")["message"] == status["message"]
    assert status["times"]["released"]
    evidence = status.get("evidence", {})
    assert evidence.get("exitCode") == case.exit_code, f"{case.name}: {evidence}"
    assert re.search(case.quotes, evidence.get("logTail", "")), f"{case.name}: {evidence}"
    assert await held(story, case.name) == [], f"{case.name} is finished and still holds something"
    await story.event_seen("TuningExperiment", case.name, case.reason)
    await story.event_seen("TuningExperiment", case.name, "Released")
    labelled = await story.experiment(case.name)
    assert labelled and labelled["metadata"]["labels"]["autotuner.io/finished"] == "true"


async def held(story: Story, experiment: str) -> list[str]:
    """What exists of one experiment."""
    name, namespace = experiment, story.namespace
    found = [
        path
        for path in (
            f"{OME}/namespaces/{namespace}/inferenceservices/{name}",
            f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}",
        )
        if await story.found(path)
    ]
    pods = await story.api.list(
        f"/api/v1/namespaces/{namespace}/pods", labelSelector=f"autotuner.io/experiment={experiment}"
    )
    return found + [pod["metadata"]["name"] for pod in pods["items"]]


async def test_endings_before_the_engine_runs(story: Story) -> None:
    await story.make_runtime()
    failed = await story.make_model(f"{story.namespace}-failed", outcome="Failed")
    other = await story.make_model(f"{story.namespace}-other", modelArchitecture="QwenForCausalLM")
    silent = await story.make_runtime("silent", {"metadata.annotations": {SWITCH: "silent"}})
    disabled = await story.make_runtime("disabled", {"spec.disabled": True})
    model, runtime = "spec.service.model.name", "spec.service.runtime.name"
    await run(
        story,
        [
            Case("no-model-1", "ModelNotReady", "ClusterBaseModel nowhere does not exist", {model: "nowhere"}),
            Case("failed-model-1", "ModelNotReady", f"{failed} is Failed: .*node-a", {model: failed}),
            Case("no-runtime-1", "RuntimeIncompatible", "nowhere does not exist; create it", {runtime: "nowhere"}),
            Case(
                "mismatch-1",
                "RuntimeIncompatible",
                r"RuntimeValidationError: .*architecture mismatch \(model=Qwen.*, runtime=Llama",
                {model: other},
            ),
            Case("disabled-1", "RuntimeIncompatible", "RuntimeValidationError: .*is disabled", {runtime: disabled}),
            Case("silent-1", "ServingNotCreated", "no engine pod 15 s after .* OME says nothing", {runtime: silent}),
            Case(
                "queue-1",
                "QueueTimeout",
                r"the engine's pod found no place within 6 s: waiting for a node: .*nvidia.com/gpu",
                {"spec.service.accelerator.count": 16, "spec.timeouts.queueSeconds": 6},
            ),
            Case(
                "pull-1",
                "ImagePullFailed",
                f"the engine's image {UNKNOWN_IMAGE} cannot be pulled: ImagePullBackOff: .*not found",
                {"spec.service.image": UNKNOWN_IMAGE},
            ),
            Case(
                "pull-benchmark-1",
                "ImagePullFailed",
                f"the benchmark's image {UNKNOWN_IMAGE} cannot be pulled: ImagePullBackOff: .*not found",
                {"spec.benchmark.pod.image": UNKNOWN_IMAGE},
            ),
        ],
    )


async def test_endings_of_an_engine_that_starts_badly(story: Story) -> None:
    await story.make_runtime()
    killed = await story.make_runtime(
        "killed", {"spec.engineConfig.annotations": {"testbed.autotuner.io/oom-killed": "true"}}
    )
    await run(
        story,
        [
            Case.engine(
                "memory-1",
                "OutOfMemory",
                "the engine said: .*out of memory",
                "--sim-memory-gib=2",
                quotes="out of memory",
                exit_code=1,
            ),
            Case(
                "killed-1", "OutOfMemory", "OOMKilled", {"spec.service.runtime.name": killed}, quotes="", exit_code=137
            ),
            Case.engine(
                "typo-1",
                "InvalidArguments",
                "unrecognized arguments: --tp-sise=2",
                "--tp-sise=2",
                quotes="--tp-sise",
                exit_code=2,
            ),
            Case.engine(
                "crash-1",
                "EngineCrashed",
                "the engine said: .*CUDA error",
                "--sim-fault=crash-at-start",
                quotes="CUDA error",
                exit_code=1,
            ),
            Case.engine(
                "slow-1",
                "StartupTimeout",
                "not ready 4 s after its container started",
                "--sim-startup-seconds=600",
                edits={"spec.timeouts.startupSeconds": 4},
                quotes=r"\w",
            ),
        ],
    )


async def test_endings_of_a_benchmark(story: Story) -> None:
    await story.make_runtime()
    slo = {"spec.stop": {"slos": [{"metric": "TTFT", "statistic": "P99", "max": "1ms"}]}}
    await run(
        story,
        [
            Case("completed-1", "Completed", "1 level measured", phase="Succeeded"),
            Case("slo-1", "SLOViolated", "no level keeps the SLOs; nearest: .*TTFT", slo, phase="Succeeded"),
            Case.engine(
                "crash-2",
                "EngineCrashed",
                "the engine said: .*CUDA error",
                "--sim-fault=crash-after-requests:8",
                quotes="CUDA error",
                exit_code=1,
            ),
        ],
    )
    for name, measured in (("completed-1", 1), ("slo-1", 1), ("crash-2", 0)):
        experiment = await story.experiment(name)
        assert experiment
        assert len(experiment["status"].get("levels", [])) == measured
        assert ("fingerprint" in experiment["status"]) == bool(measured)


async def test_endings_of_a_benchmark_that_never_begins(story: Story) -> None:
    await story.make_runtime()
    tokenizer = {"source": "Hub", "id": "nobody/nothing"}
    impatient = {"spec.timeouts.pullSeconds": 5, "spec.timeouts.startupSeconds": 20}
    begun = time.monotonic()
    hub = Case(
        "tokenizer-1",
        "TokenizerUnavailable",
        r"^benchmark\.tokenizer.*nobody/nothing",
        {"spec.benchmark.tokenizer": tokenizer},
        exit_code=1,
    )
    await story.create_experiment(hub.name, hub.edits)
    others = asyncio.create_task(
        run(
            story,
            [
                Case.engine(
                    "no-list-1",
                    "EngineNotServing",
                    "no model list .*HTTP 500",
                    "--sim-fault=no-model-list",
                    edits=impatient,
                    exit_code=3,
                ),
                Case.engine(
                    "no-completion-1",
                    "EngineNotServing",
                    "lists its models but does not complete: HTTP 500",
                    "--sim-fault=no-completion",
                    exit_code=3,
                ),
            ],
        )
    )
    experiment = await story.experiment_finished(hub.name)
    assert time.monotonic() - begun < 60
    await check(story, hub, experiment)
    await others


async def test_a_cancelled_experiment_frees_its_gpus_within_seconds(story: Story) -> None:
    await story.make_runtime()
    await story.create_experiment("cancel-1", {"spec.benchmark": traffic(ENDLESS)})
    await story.mid_benchmark("cancel-1")
    begun = time.monotonic()
    await story.api.patch(f"{experiments(story.namespace)}/cancel-1", {"spec": {"cancel": True}})
    experiment = await story.experiment_finished("cancel-1")
    assert time.monotonic() - begun < 15
    await check(story, Case("cancel-1", "Cancelled", "cancelled on request"), experiment)
    assert await story.left() == []


async def test_a_task_goes_on_past_crashes_and_counts_them(story: Story) -> None:
    choices = ["crash-at-start", "out-of-memory", "none"]
    await story.create_task(
        {
            "spec.parameters": [{"name": "sim-fault", "choices": choices}],
            "spec.benchmark": traffic(BRIEF),
            "spec.search.maxExperiments": 3,
        }
    )
    task = await story.task_finished()
    assert (task["status"]["phase"], condition(task, "Finished")["reason"]) == ("Succeeded", "Completed")
    counts = task["status"]["experiments"]
    # A death without a cause is tried once more; running out of memory is not.
    assert (counts["summary"], counts["succeeded"], counts["failed"], counts["nextIndex"]) == ("3/3", 1, 2, 5)
    assert {item["reason"]: item["count"] for item in counts["reasons"]} == {"EngineCrashed": 2, "OutOfMemory": 1}
    tried = {item["spec"]["parameters"][0]["value"] for item in (await story.experiments())[1:]}
    assert tried == set(choices)
    assert await story.left() == []


async def test_surroundings_that_spoil_the_baseline_and_its_retry_stop_a_task(story: Story) -> None:
    runtime = await story.make_runtime("", {"spec.engineConfig.runner.image": UNKNOWN_IMAGE})
    await story.create_task({"spec.runtime": {"name": runtime, "engine": "SGLang"}})
    task = await story.task_finished()
    assert task["status"]["phase"] == "Failed"
    for kind, value in (("Succeeded", "False"), ("Finished", "True")):
        assert (condition(task, kind)["status"], condition(task, kind)["reason"]) == (value, "ImagePullFailed")
    assert re.search(
        f"chat-1: the engine's image {UNKNOWN_IMAGE} cannot be pulled.*runtime.image", task["status"]["message"]
    )
    found = [(item["metadata"]["name"], item["spec"].get("retryOf")) for item in await story.experiments()]
    assert found == [("chat-0", None), ("chat-1", "chat-0")], "a spoiled baseline is measured again"
    assert "best" not in task["status"]
    assert await story.left() == []


async def test_an_incompatible_runtime_is_told_before_anything_is_made(story: Story) -> None:
    runtime = await story.make_runtime("", {"spec.supportedModelFormats.0.modelArchitecture": "QwenForCausalLM"})
    await story.create_task({"spec.runtime": {"name": runtime, "engine": "SGLang"}})
    words = f"runtime.name: ClusterServingRuntime {runtime} cannot serve {story.namespace}: modelArchitecture is Llama"

    async def told() -> bool:
        return words in condition(await story.task(), "Valid").get("message", "")

    await wait_for(told, "the task is told what does not fit")
    assert await story.experiments() == []
    path = f"{OME}/clusterservingruntimes/{runtime}"
    formats = (await story.api.get(path))["spec"]["supportedModelFormats"]
    formats[0]["modelArchitecture"] = "LlamaForCausalLM"
    await story.api.patch(path, {"spec": {"supportedModelFormats": formats}})
    await story.in_phase("chat-0", "Benchmarking")
    await story.patch_task({"suspend": True})


async def test_an_incompatible_runtime_ends_an_experiment_in_omes_words(story: Story) -> None:
    await story.make_runtime("", {"spec.supportedModelFormats.0.modelArchitecture": "QwenForCausalLM"})
    await story.create_experiment("alone-1")
    experiment = await story.experiment_finished("alone-1")
    assert experiment["status"]["reason"] == "RuntimeIncompatible"
    words = r"RuntimeValidationError: Runtime .* does not support model .*: .*architecture mismatch"
    assert re.search(words, experiment["status"]["message"])
    assert await story.left() == []
