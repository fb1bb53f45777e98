"""What only an LLMInferenceService does: presets that roll it, a shell between arguments and engine, late pods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from autotuner.api.common import EXPERIMENT_UID_LABEL
from autotuner.kubernetes_object import Object
from testbed.llmisvc.install import PRESET, SYSTEM
from tests.e2e.story import SOME, condition, traffic
from tests.e2e.target_kinds import KINDS, TargetKind
from tests.e2e.target_story import TargetPlace, TargetStory
from tests.support.waiting import wait_for

pytestmark = pytest.mark.full
KIND: TargetKind = next(kind for kind in KINDS if kind.backend == "KServeLLMInferenceService")
CONFIGURATIONS = "/apis/serving.kserve.io/v1alpha2/namespaces/{}/llminferenceserviceconfigs"


@pytest.fixture(scope="module")
def place() -> Iterator[TargetPlace]:
    with TargetPlace.of(KIND) as found:
        yield found


@pytest.fixture
async def story(place: TargetPlace) -> AsyncIterator[TargetStory]:
    async with place.story() as found:
        yield found


async def stopped_for(story: TargetStory, reason: str) -> Object:
    task = await story.task_finished("tune")
    assert (task["status"]["phase"], condition(task, "Succeeded")["reason"]) == ("Failed", reason)
    assert await story.left() == []
    return task


async def test_an_edit_of_the_preset_stops_the_task_though_the_object_is_the_same(story: TargetStory) -> None:
    before = await story.original()
    await story.create_task({"spec.benchmark": traffic(SOME, [8])})
    await story.mid_benchmark("tune-0")
    path = f"{CONFIGURATIONS.format(SYSTEM)}/{PRESET}"
    patch = {"spec": {"annotations": {"edited": story.namespace}}}
    await story.api.patch(path, patch)
    await stopped_for(story, "RuntimeChanged")
    assert (await story.original())["metadata"]["generation"] == before["metadata"]["generation"]


async def test_a_release_waits_for_pods_that_outlive_their_object(story: TargetStory) -> None:
    await story.create_task(
        {
            "spec.benchmark": traffic(SOME, [8]),
            "spec.placement": {"annotations": {"testbed.autotuner.io/llmisvc": "leaves-pods"}},
        }
    )
    outlived = False

    async def over() -> Object | None:
        nonlocal outlived
        pods, copies = await story.pods(EXPERIMENT_UID_LABEL), await story.copies()
        there = {one["metadata"]["labels"][EXPERIMENT_UID_LABEL] for one in copies}
        for body in await story.experiments():
            own = [pod for pod in pods if pod["metadata"]["labels"][EXPERIMENT_UID_LABEL] == body["metadata"]["uid"]]
            outlived |= (
                bool(own) and body["metadata"]["uid"] not in there and body["status"].get("phase") == "Releasing"
            )
            if condition(body, "Released").get("status") == "True":
                now = await story.pods(f"{EXPERIMENT_UID_LABEL}={body['metadata']['uid']}")
                assert now == [], "it is over once no pod is left"
        task = await story.task("tune")
        return task if condition(task, "Finished").get("status") == "True" else None

    task = await wait_for(over, "the task is over", 120)
    assert task["status"]["phase"] == "Succeeded", task["status"]["message"]
    assert outlived, "pods were there without their object"


async def test_a_task_with_a_long_name_and_a_base_reference(story: TargetStory) -> None:
    main = {"name": "main", "args": ["--base"], "env": [{"name": "VLLM_ADDITIONAL_ARGS", "value": "--enforce-eager"}]}
    base = {
        "apiVersion": "serving.kserve.io/v1alpha2",
        "kind": "LLMInferenceServiceConfig",
        "metadata": {"name": "base"},
        "spec": {"template": {"containers": [main]}},
    }
    await story.api.create(CONFIGURATIONS.format(story.namespace), base)
    path = f"{KIND.collection(story.namespace)}/chat"
    own = KIND.original()["spec"]["template"]["containers"][0]
    spec = {"baseRefs": [{"name": "base"}], "template": {"containers": [{**own, "env": []}]}}
    await story.api.patch(path, {"spec": spec})

    async def rolled_out() -> bool:
        pod, found = await story.original_pod(), await story.original()
        observed = found["status"]["observedGeneration"] == found["metadata"]["generation"]
        return observed and pod is not None and "--enforce-eager" in str(pod["spec"]["containers"][0]["env"])

    await wait_for(rolled_out, "the base reference counts", 60)
    name = "t" + 38 * "o" + "l"
    await story.create_task(name=name)
    task = await story.task_finished(name)
    assert task["status"]["phase"] == "Succeeded", task["status"]["message"]
    first = await story.experiment(f"{name}-0") or {}
    args = first["spec"]["service"]["args"]
    assert "--enforce-eager" in args, "what the base reference adds is a part of the baseline"
    assert "--base" not in args, "the object's list replaces that of the base reference"
    assert await story.left() == []


async def test_what_cannot_be_copied_is_told(story: TargetStory) -> None:
    path = f"{KIND.collection(story.namespace)}/chat"
    await story.api.patch(path, {"metadata": {"annotations": {"serving.kserve.io/stop": "true"}}})
    await story.create_task()

    async def told() -> str:
        valid = condition(await story.task("tune"), "Valid")
        return str(valid.get("message", "")) if valid.get("status") == "False" else ""

    words = await wait_for(told, "the task is not valid")
    assert "LLMInferenceService chat is stopped by its annotation serving.kserve.io/stop" in words
