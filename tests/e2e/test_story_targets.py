"""What serves already is tuned: every kind of target, told the same way."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import sysconfig
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import yaml

from autotuner.api.common import EXPERIMENT_UID_LABEL
from autotuner.kubernetes_object import Object
from tests.e2e.story import ENDLESS, SOME, condition, traffic
from tests.e2e.target_kinds import KINDS, TargetKind
from tests.e2e.target_story import HOME, TargetPlace, TargetStory
from tests.support.waiting import wait_for

UNKNOWN_IMAGE = "testbed/unknown:1"
LABELS = {"app": "chat", "team": "x"}
TRAFFIC = ["--scenario=N(100,20)/(20,4)", "--concurrency=4", "--requests=10", "--slo=ErrorRate=1%"]


# OME's stand-in takes longest; the other stories of the normal run serve by it already.
ALWAYS = [kind for kind in KINDS if not kind.testbed.get("ome")]


@pytest.fixture(
    scope="module",
    params=[pytest.param(kind, id=kind.backend, marks=[] if kind in ALWAYS else pytest.mark.full) for kind in KINDS],
)
def kind(request: pytest.FixtureRequest) -> TargetKind:
    found: TargetKind = request.param
    return found


@pytest.fixture(scope="module")
def place(kind: TargetKind) -> Iterator[TargetPlace]:
    with TargetPlace.of(kind) as found:
        yield found


@pytest.fixture
async def story(place: TargetPlace) -> AsyncIterator[TargetStory]:
    async with place.story() as found:
        yield found


async def test_it_is_tuned_without_being_touched_and_patched_with_what_won(story: TargetStory) -> None:
    original, before = await story.original_pod() or {}, await story.original()
    await attract_traffic(story)
    seen: dict[str, Object] = {}
    await story.create_task()

    async def over() -> Object | None:
        seen.update({pod["metadata"]["name"]: pod for pod in await story.pods(EXPERIMENT_UID_LABEL)})
        assert await behind_service(story) <= {original["metadata"]["uid"]}, "no copy gets the original's traffic"
        task = await story.task("tune")
        return task if condition(task, "Finished").get("status") == "True" else None

    task = await wait_for(over, "the task is over", 240)
    assert task["status"]["phase"] == "Succeeded", task["status"]["message"]
    assert len(seen) >= 4
    for pod in seen.values():
        assert not LABELS.items() & pod["metadata"]["labels"].items(), "nothing that selects the original selects it"
    after = await story.original()
    assert (after["metadata"]["generation"], after["spec"]) == (before["metadata"]["generation"], before["spec"])
    assert (await story.original_pod() or {})["metadata"]["uid"] == original["metadata"]["uid"]
    baseline = await story.experiment("tune-0") or {}
    assert baseline["spec"]["service"]["args"] == list(story.kind.tuned)
    assert task["status"]["best"]["parameters"] == [{"name": story.kind.parameter, "value": "64"}]
    assert await story.left() == []
    await apply_winner(story)


async def apply_winner(story: TargetStory) -> None:
    """The recommended patch brings the winner's arguments into the original's pods."""
    config = await story.api.get(f"/api/v1/namespaces/{story.namespace}/configmaps/tune-best")
    patch = yaml.safe_load(config["data"]["patch.yaml"])
    await story.api.patch(f"{story.kind.collection(story.namespace)}/chat", patch, story.kind.patch_type)

    async def rolled_out() -> bool:
        pod = await story.original_pod()
        return pod is not None and f"--{story.kind.parameter}=64" in json.dumps(pod["spec"]["containers"])

    await wait_for(rolled_out, "the winner's arguments are in the original's pods", 60)


async def attract_traffic(story: TargetStory) -> None:
    """What selects the original's pods by their labels."""
    core, policy = f"/api/v1/namespaces/{story.namespace}", f"namespaces/{story.namespace}"
    selector = {"matchLabels": dict(story.kind.selected)}
    service = {
        "metadata": {"name": "users"},
        "spec": {"selector": dict(story.kind.selected), "ports": [{"port": 8080}]},
    }
    await story.api.create(f"{core}/services", service)
    budget = {"metadata": {"name": "chat"}, "spec": {"selector": selector, "minAvailable": 1}}
    await story.api.create(f"/apis/policy/v1/{policy}/poddisruptionbudgets", budget)
    network = {"metadata": {"name": "chat"}, "spec": {"podSelector": selector, "policyTypes": ["Ingress"]}}
    await story.api.create(f"/apis/networking.k8s.io/v1/{policy}/networkpolicies", network)


async def behind_service(story: TargetStory) -> set[str]:
    """The pods to which the Service of the original's users leads."""
    path = f"/apis/discovery.k8s.io/v1/namespaces/{story.namespace}/endpointslices"
    slices = (await story.api.list(path, labelSelector="kubernetes.io/service-name=users"))["items"]
    return {one["targetRef"]["uid"] for item in slices for one in item.get("endpoints") or ()}


@pytest.mark.full
async def test_one_command_proposes_a_task_that_is_measured(story: TargetStory) -> None:
    program = Path(sysconfig.get_path("scripts")) / "autotuner"
    what = f"{story.kind.kind}.{story.kind.api_version.split('/')[0]}/chat".lower()
    words = ["create", what, "-n", story.namespace, f"--engine={story.kind.engine}", *TRAFFIC, "--apply"]
    environment = {**os.environ, "KUBECONFIG": str(story.bed.kubeconfig)}
    process = await asyncio.create_subprocess_exec(program, *words, env=environment, stderr=asyncio.subprocess.PIPE)
    _, told = await process.communicate()
    assert process.returncode == 0, told.decode()
    baseline = await story.experiment_finished("tune-chat-0", 120)
    assert baseline["status"]["reason"] == "Completed", baseline["status"]["message"]
    assert baseline["spec"]["service"]["args"] == list(story.kind.tuned)


@pytest.mark.full
async def test_a_configuration_that_runs_out_of_memory_is_told_as_that(story: TargetStory) -> None:
    await story.create_task(
        {
            "spec.target.allowUnknownFlags": True,
            "spec.parameters": [{"name": "sim-memory-gib", "values": [2, 80]}],
            "spec.search.maxExperiments": 2,
        }
    )
    task = await story.task_finished("tune")
    assert task["status"]["phase"] == "Succeeded", task["status"]["message"]
    assert task["status"]["experiments"]["reasons"] == [{"reason": "OutOfMemory", "count": 1}]
    ended = {item["status"]["reason"]: item["status"] for item in await story.experiments()}
    assert "out of memory" in ended["OutOfMemory"]["evidence"]["logTail"]
    assert await story.left() == []


@pytest.mark.full
async def test_an_image_that_cannot_be_pulled_stops_the_task(story: TargetStory) -> None:
    await story.create_task({"spec.target.image": UNKNOWN_IMAGE})
    task = await story.task_finished("tune")
    assert (task["status"]["phase"], condition(task, "Succeeded")["reason"]) == ("Failed", "ImagePullFailed")
    assert f"the engine's image {UNKNOWN_IMAGE} cannot be pulled" in task["status"]["message"]
    assert "target.image" in task["status"]["message"]
    assert await story.left() == []


@pytest.mark.full
async def test_a_copy_that_somebody_deletes_is_measured_again(story: TargetStory) -> None:
    await story.create_task({"spec.benchmark": traffic(SOME, [8])})
    await story.mid_benchmark("tune-0")
    (copy,) = await story.copies()
    await story.api.delete(f"{story.kind.collection(story.namespace)}/{copy['metadata']['name']}")
    spoiled = await story.experiment_finished("tune-0")
    assert spoiled["status"]["reason"] == "Evicted", spoiled["status"]["message"]
    task = await story.task_finished("tune")
    assert task["status"]["baseline"]["experiment"] == "tune-1"
    assert await story.left() == []


@pytest.mark.full
async def test_an_operator_that_starts_anew_measures_nothing_twice(story: TargetStory) -> None:
    async with story.recorder() as recorder:
        await story.create_task({"spec.benchmark": traffic(SOME, [8])})
        await story.in_phase("tune-0", "Starting")
        story.operator.kill()
        story.operator.start()
        await story.mid_benchmark("tune-0")
        story.operator.kill()
        story.operator.start()
        task = await story.task_finished("tune")
    assert task["status"]["phase"] == "Succeeded", task["status"]["message"]
    assert [item["status"]["reason"] for item in await story.experiments()] == ["Completed", "Completed"]
    assert all(len(uids) == 1 for uids in recorder.uids("Job").values())
    assert await story.left() == []


@pytest.mark.full
async def test_an_uninstall_frees_all(story: TargetStory) -> None:
    await story.create_task({"spec.benchmark": traffic(ENDLESS, [8])})
    await story.mid_benchmark("tune-0")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "autotuner.main", "cancel", "--timeout=60"),
        env={**os.environ, "KUBECONFIG": str(story.bed.kubeconfig), "POD_NAMESPACE": HOME},
    )
    assert await process.wait() == 0
    assert await story.left() == []
    assert await story.original_pod() is not None


@pytest.mark.full
async def test_a_target_that_is_edited_stops_its_task(story: TargetStory) -> None:
    await story.create_task({"spec.benchmark": traffic(SOME, [8]), "spec.search.maxExperiments": 2})
    await story.mid_benchmark("tune-0")
    await story.change_original()
    task = await story.task_finished("tune")
    assert (task["status"]["phase"], condition(task, "Succeeded")["reason"]) == ("Failed", "RuntimeChanged")
    assert f"{story.kind.kind} chat was changed" in task["status"]["message"]
    assert await story.left() == []
