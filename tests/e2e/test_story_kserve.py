"""InferenceServices of KServe: what only they do to a task, told with the stand-in for KServe's controller."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from autotuner.kubernetes_object import Object
from tests.e2e.story import ENDLESS, SOME, condition, traffic
from tests.e2e.target_kinds import COMMAND, KEPT, KINDS
from tests.e2e.target_story import TargetPlace, TargetStory
from tests.support.objects import experiments
from tests.support.waiting import wait_for

pytestmark = pytest.mark.full
KSERVE = next(kind for kind in KINDS if kind.backend == "KServeInferenceService")


@pytest.fixture(scope="module")
def place() -> Iterator[TargetPlace]:
    with TargetPlace.of(KSERVE) as found:
        yield found


@pytest.fixture
async def story(place: TargetPlace) -> AsyncIterator[TargetStory]:
    async with place.story() as found:
        yield found


def runtimes(story: TargetStory) -> str:
    return f"/apis/serving.kserve.io/v1alpha1/namespaces/{story.namespace}/servingruntimes"


async def test_a_copy_is_local_and_serves_under_the_originals_name(story: TargetStory) -> None:
    await story.create_task({"spec.benchmark": traffic(SOME, [8]), "spec.target.servedModelName": "chat"})
    await story.mid_benchmark("tune-0")
    (copy,) = await story.copies()
    pods = await story.pods("app=isvc.tune-0-predictor")
    services = (await story.api.list(f"/api/v1/namespaces/{story.namespace}/services"))["items"]

    assert copy["metadata"]["labels"]["networking.kserve.io/visibility"] == "cluster-local"
    assert copy["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "none"
    assert "--served-model-name=chat" in pods[0]["spec"]["containers"][0]["args"]
    selectors = {one["metadata"]["name"]: one["spec"].get("selector", {}).get("app") for one in services}
    assert selectors["chat-predictor"] == "isvc.chat-predictor", "the original's Service selects no copy"
    assert (await story.task_finished("tune"))["status"]["phase"] == "Succeeded"


async def test_an_edit_of_the_runtime_ends_the_task(story: TargetStory) -> None:
    await story.create_task({"spec.benchmark": traffic(ENDLESS, [8]), "spec.search.maxExperiments": 2})
    await story.mid_benchmark("tune-0")
    before = await story.original()
    await story.api.patch(f"{runtimes(story)}/simulated", {"spec": {"terminationGracePeriodSeconds": 3}})
    task = await story.task_finished("tune")

    assert (task["status"]["phase"], condition(task, "Succeeded")["reason"]) == ("Failed", "RuntimeChanged")
    assert (await story.original())["metadata"]["generation"] == before["metadata"]["generation"]
    assert await story.left() == []


async def test_a_runtime_that_swallows_arguments_is_refused(story: TargetStory) -> None:
    shell = {"command": ["sh", "-c"], "args": [" ".join(["exec", *COMMAND, "--dialect=sglang", *KEPT])]}
    found = await story.api.get(f"{runtimes(story)}/simulated")
    containers = [{**found["spec"]["containers"][0], **shell}]
    await story.api.patch(f"{runtimes(story)}/simulated", {"spec": {"containers": containers}})

    async def rolled_out() -> bool:
        pod = await story.original_pod()
        return pod is not None and pod["spec"]["containers"][0]["command"] == shell["command"]

    await wait_for(rolled_out, "the original runs the script")
    await story.create_task()

    async def told() -> Object | None:
        valid = condition(await story.task("tune"), "Valid")
        return valid if "shell script" in valid.get("message", "") else None

    assert (await wait_for(told, "it is refused"))["status"] == "False"
    assert await story.experiments() == []


async def test_a_stopped_controller_is_named_while_its_finalizer_stays(story: TargetStory) -> None:
    await story.create_task({"spec.benchmark": traffic(ENDLESS, [8]), "spec.timeouts": {"teardownSeconds": 30}})
    await story.mid_benchmark("tune-0")
    story.bed.kill_kserve()
    try:
        await story.patch_task({"suspend": True}, "tune")

        async def told() -> bool:
            body = await story.api.get(f"{experiments(story.namespace)}/tune-0")
            return "is Deployment kserve-controller-manager" in condition(body, "Released").get("message", "")

        await wait_for(told, "the finalizer is told", 60)
        assert await story.pods("app=isvc.tune-0-predictor") == []
    finally:
        story.bed.start_kserve()
    await wait_for(lambda: _gone(story), "the copy is gone")


async def _gone(story: TargetStory) -> bool:
    return not await story.left()
