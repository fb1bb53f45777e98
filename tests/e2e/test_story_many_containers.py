"""A benchmark beside so many containers that its termination message is cut."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest

from autotuner.benchmark.contract.result import is_result
from autotuner.kubernetes_object import Object
from tests.e2e.mutating_policy import mutating_policy
from tests.e2e.story import Story
from tests.support.waiting import wait_for

OTHERS = 40  # so that not even the shortest result fits into a share


@contextlib.asynccontextmanager
async def injected_containers(story: Story) -> AsyncIterator[None]:
    """Every pod of a Job of the namespace gets init containers while this is open, as meshes and injectors add them."""
    one = 'Object.spec.initContainers{{name: "other-{}", image: "testbed/shell", command: ["true"]}}'
    add = 'JSONPatch{{op: "add", path: "/spec/initContainers{}", value: {}}}'
    patches = [add.format("", "[]"), *(add.format("/-", one.format(number)) for number in range(OTHERS))]
    injects = {"patchType": "JSONPatch", "jsonPatch": {"expression": f"[{', '.join(patches)}]"}}
    labelled = {"matchExpressions": [{"key": "batch.kubernetes.io/job-name", "operator": "Exists"}]}
    probe: Object = {
        "metadata": {"name": "probe", "labels": {"batch.kubernetes.io/job-name": "probe"}},
        "spec": {"containers": [{"name": "benchmark", "image": "probe"}]},
    }

    async def injects_them() -> bool:
        made = await story.api.create(f"/api/v1/namespaces/{story.namespace}/pods", probe, dryRun="All")
        return bool(made["spec"].get("initContainers"))

    async with mutating_policy(story, ("", "pods"), injects, labelled):
        await wait_for(injects_them, "pods get more containers")
        yield


@pytest.mark.full  # the controller's unit tests tell the same of a message that is cut by hand
async def test_a_result_that_is_cut_is_read_from_the_log(story: Story) -> None:
    await story.make_runtime()
    messages: list[str] = []
    async with injected_containers(story), story.recorder() as recorder:
        await story.create_experiment("chat-1")
        done = await story.experiment_finished("chat-1")
        for sighting in recorder.of("Pod"):
            for entry in sighting.body.get("status", {}).get("containerStatuses", []):
                ended = entry["state"].get("terminated", {}) if entry["name"] == "benchmark" else {}
                messages += [ended["message"]] if ended.get("message") else []
    assert messages
    assert {len(message) for message in messages} == {12288 // (OTHERS + 1)}
    assert not any(map(is_result, messages))
    assert (done["status"]["reason"], done["status"]["ladder"]) == ("Completed", "Complete")
    assert [level["concurrency"] for level in done["status"]["levels"]] == [2]
