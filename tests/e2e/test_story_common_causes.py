"""What every configuration would meet again stops a task soon, with the cause and the field that mends it."""

from __future__ import annotations

import json
import re

import pytest

from autotuner.kubernetes_object import Object
from tests.e2e.story import Story, condition

KEY = "sesame-3f9a01bc"


async def make_engine(story: Story, name: str, flag: str) -> Object:
    """A runtime whose command has one flag more; returns what names it in a task."""
    runner = "spec.engineConfig.runner.command"
    # The list's length as index appends to it.
    runtime = await story.make_runtime(name, {f"{runner}.8": flag})
    return {"name": runtime, "engine": "SGLang"}


async def stopped(story: Story, name: str, reason: str, words: str) -> list[str]:
    """A task once it is over, which it is for this reason, saying this; returns the names of its experiments."""
    task = await story.task_finished(name, 240)
    status = task["status"]
    assert (status["phase"], condition(task, "Finished")["reason"]) == ("Failed", reason), status["message"]
    assert re.search(words, status["message"]), status["message"]
    assert condition(task, "Succeeded")["message"] == status["message"]
    assert "best" not in status
    return [item["metadata"]["name"] for item in await story.experiments() if item["metadata"]["name"].startswith(name)]


async def test_names_and_keys_that_nobody_can_guess_stop_a_task_at_its_first_experiment(story: Story) -> None:
    await story.create_task({"spec.runtime": await make_engine(story, "two", "--sim-fault=two-names")}, "two")
    await story.create_task({"spec.runtime": await make_engine(story, "key", "--api-key=secret")}, "key")
    words = r"two-0: the engine serves several names \(model, model-too\)"
    assert await stopped(story, "two", "ModelNameAmbiguous", words) == ["two-0"]
    words = r"key-0: the engine refuses requests without a valid API key \(HTTP 401\): .*runtime\.apiKeySecret"
    assert await stopped(story, "key", "Unauthorized", words) == ["key-0"]
    assert await story.left() == []


async def test_an_engine_with_a_key_and_two_names_is_measured_by_the_name_and_the_key_that_are_named(
    story: Story,
) -> None:
    runner = "spec.engineConfig.runner"
    from_secret = {"name": "ENGINE_KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "engine"}}}
    edits = {
        f"{runner}.command.8": "--sim-fault=two-names",
        f"{runner}.command.9": "--api-key=$(ENGINE_KEY)",
        f"{runner}.env.1": from_secret,
    }
    # As `echo` and files leave it: with a line break, which is no part of the key.
    keys = {"engine": KEY, "right": KEY + "\n", "wrong": "another"}
    await story.api.create(
        f"/api/v1/namespaces/{story.namespace}/secrets", {"metadata": {"name": "keys"}, "stringData": keys}
    )
    runtime: Object = {"name": await story.make_runtime("", edits), "engine": "SGLang", "servedModelName": "model"}
    own = {
        "placement.labels": {"cost-centre": "4711"},
        "benchmark.pod.annotations": {"sidecar.istio.io/inject": "false"},
    }
    async with story.recorder() as record:
        for name in ("right", "wrong"):
            given = {"runtime": {**runtime, "apiKeySecret": {"name": "keys", "key": name}}, "search.maxExperiments": 1}
            await story.create_task({f"spec.{field}": value for field, value in (given | own).items()}, name)

        words = r"wrong-0: the engine refuses the API key of runtime\.apiKeySecret .*HTTP 401"
        assert await stopped(story, "wrong", "Unauthorized", words) == ["wrong-0"]
        done = await story.task_finished("right", 240)
    assert done["status"]["phase"] == "Succeeded", done["status"]["message"]
    assert KEY not in json.dumps([one.body for one in record.seen]) + "".join(map(str, story.operator.log()))
    made = [one.body["metadata"] for kind in ("InferenceService", "Job", "Pod") for one in record.of(kind)]
    assert {meta["labels"].get("cost-centre") for meta in made} == {"4711"}
    annotated = [meta for meta in made if "sidecar.istio.io/inject" in meta.get("annotations", {})]
    assert {meta["labels"].get("batch.kubernetes.io/job-name") for meta in annotated} >= {"right-0", "wrong-0"}
    assert None not in {meta["labels"].get("batch.kubernetes.io/job-name") for meta in annotated}


async def test_a_program_that_the_image_does_not_have_stops_a_task_at_its_baseline(story: Story) -> None:
    runtime = await story.make_runtime("", {"spec.engineConfig.runner.command.0": "/no/such/program"})
    await story.create_task({"spec.runtime": {"name": runtime, "engine": "SGLang"}}, "absent")
    words = (
        "absent-0: the engine's container cannot be started: .*/no/such/program.*so would every other configuration end"
    )
    assert await stopped(story, "absent", "EngineCrashed", words) == ["absent-0"]
    assert await story.left() == []


@pytest.mark.full  # each engine is asked for half a minute before it is believed
async def test_an_engine_below_a_path_prefix_stops_a_task_by_the_third_equal_words(story: Story) -> None:
    await story.create_task({"spec.runtime": await make_engine(story, "prefix", "--sim-fault=path-prefix")}, "prefix")
    words = (
        r"no model list \(/v1/models: HTTP 404 .*without a path prefix; .*the same words: look at runtime\.extraArgs"
    )
    found = await stopped(story, "prefix", "EngineNotServing", words)
    assert len(found) <= 3, found
    assert await story.left() == []
