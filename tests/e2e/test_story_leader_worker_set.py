"""What only engines of several pods have: workers that fail, and deletions that leave them behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from autotuner.api.common import EXPERIMENT_UID_LABEL
from autotuner.kubernetes_object import Object
from tests.e2e.story import SOME, condition, traffic
from tests.e2e.target_kinds import KINDS
from tests.e2e.target_story import TargetPlace, TargetStory
from tests.support.waiting import wait_for

pytestmark = pytest.mark.full
KIND = next(kind for kind in KINDS if kind.backend == "LeaderWorkerSet")
BROKEN = {"name": "broken", "args": [], "env": [{"name": "WORKER", "value": "broken"}]}
SOUND = {"name": "sound", "args": [], "env": [{"name": "WORKER", "value": "sound"}]}


@pytest.fixture(scope="module")
def place() -> Iterator[TargetPlace]:
    with TargetPlace.of(KIND) as found:
        yield found


@pytest.fixture
async def story(place: TargetPlace) -> AsyncIterator[TargetStory]:
    async with place.story() as found:
        yield found


async def test_the_words_of_a_worker_end_an_experiment(story: TargetStory) -> None:
    """The default policy would make the group anew, and the words would be gone with the pod."""
    await story.create_task(
        {
            "spec.parameters": [{"name": "worker", "variants": [BROKEN, SOUND]}],
            "spec.search.maxExperiments": 2,
        }
    )
    task = await story.task_finished("tune")
    assert task["status"]["phase"] == "Succeeded", task["status"]["message"]
    ended = {item["status"]["reason"]: item["status"] for item in await story.experiments()}
    assert "worker 1 of the engine's 2 pods: the engine said" in ended["OutOfMemory"]["message"]
    assert "CUDA out of memory" in ended["OutOfMemory"]["evidence"]["logTail"]
    assert await story.left() == []


async def test_a_set_that_is_gone_is_no_release_while_its_worker_is_left(story: TargetStory) -> None:
    """Deleted in the background, the set goes at once, and its worker only after its leader."""
    await story.create_task({"spec.benchmark": traffic(SOME, [8])})
    await story.mid_benchmark("tune-0")
    (copy,) = await story.copies()
    orders: list[tuple[bool, int]] = []

    async def released() -> bool:
        pods = len(await story.pods(EXPERIMENT_UID_LABEL))
        body = await story.experiment("tune-0") or {}
        done = condition(body, "Released").get("status") == "True"
        orders.append((done, pods))
        return done

    path = f"{KIND.collection(story.namespace)}/{copy['metadata']['name']}"
    await story.api.delete(path, {"propagationPolicy": "Background"})
    await wait_for(released, "the experiment is released", 60)
    assert any(pods and not done for done, pods in orders), "pods outlive their set"
    body = await story.experiment("tune-0") or {}
    assert body["status"]["reason"] == "Evicted", body["status"]["message"]
    await story.task_finished("tune")
    assert await story.left() == []


async def test_a_worker_that_is_replaced_while_it_is_measured_spoils_the_experiment(story: TargetStory) -> None:
    await story.create_task({"spec.benchmark": traffic(SOME, [8])})
    await story.mid_benchmark("tune-0")
    worker = next(pod for pod in await story.pods(EXPERIMENT_UID_LABEL) if pod["metadata"]["name"].endswith("-0-1"))
    await story.api.delete(f"/api/v1/namespaces/{story.namespace}/pods/{worker['metadata']['name']}")
    spoiled: Object = await story.experiment_finished("tune-0")
    assert spoiled["status"]["reason"] == "Evicted", spoiled["status"]["message"]
    await story.task_finished("tune")
    assert await story.left() == []


async def test_a_quota_that_has_no_room_for_the_workers_is_waited_for(story: TargetStory) -> None:
    quota = f"/api/v1/namespaces/{story.namespace}/resourcequotas"
    # The original has two pods, and the leader of a copy would be the third.
    await story.api.create(quota, {"metadata": {"name": "pods"}, "spec": {"hard": {"pods": "3"}}})

    async def counted() -> bool:
        return "used" in (await story.api.get(f"{quota}/pods")).get("status", {})

    await wait_for(counted, "the quota is in force")
    await story.create_task()

    async def waits() -> bool:
        body = await story.experiment("tune-0") or {}
        return "exceeded quota: pods" in body.get("status", {}).get("message", "")

    await wait_for(waits, "the experiment says for what it waits", 40)
    await story.api.delete(f"{quota}/pods")
    task = await story.task_finished("tune")
    assert task["status"]["phase"] == "Succeeded", task["status"]["message"]
