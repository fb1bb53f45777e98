"""Tasks that live in Git: synced all the time, pruned, and over for good."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import ApiError
from tests.e2e.story import BRIEF, ENDLESS, OME, Story, condition, traffic
from tests.support.gitops import MANAGER, Deployers, described, flux, health
from tests.support.objects import edited, experiments, make_task, tasks
from tests.support.waiting import wait_for

SYNC_SECONDS = 0.5
TRACKED: Object = {
    "metadata.annotations": {"argocd.argoproj.io/tracking-id": "llm:autotuner.io/TuningTask:team/chat"},
    "metadata.labels": {"app.kubernetes.io/instance": "llm", "team": "chat"},
}


@pytest.fixture(scope="module")
def deployers(bed: Testbed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployers]:
    with Deployers(asyncio.run(described(bed.kubeconfig, tmp_path_factory.mktemp("openapi")))) as program:
        yield program


@dataclass
class Repository:
    """A task in Git and who syncs it."""

    story: Story
    deployers: Deployers
    manifest: Object
    syncs: int = 0
    verdicts: list[tuple[str, str]] = field(default_factory=list)  # of Argo CD and of Flux, when they changed
    _last: float = 0.0

    @classmethod
    def of(cls, story: Story, deployers: Deployers, **edits: Any) -> Repository:
        own = {
            "spec.model": {"name": story.namespace},
            "spec.parameters": [{"name": "tp-size", "values": [1, 2]}],
            "spec.benchmark": traffic(BRIEF),
            "spec.slos": [{"metric": "TTFT", "max": "60s"}, {"metric": "ErrorRate", "max": "50%"}],
            "spec.constraints": [{"rule": "p.tp_size < 4"}],
            "spec.search": {"strategy": "Grid", "maxExperiments": 1, "confirm": {"maxRepeats": 0}},
        }
        return cls(story, deployers, edited(make_task("chat", {**TRACKED, **own}), edits))

    @property
    def path(self) -> str:
        return f"{tasks(self.story.namespace)}/chat"

    async def apply(self, **options: Any) -> Object:
        return await self.story.api.apply(self.path, self.manifest, MANAGER, fieldValidation="Strict", **options)

    async def sync(self) -> Object:
        """Apply it; what is there afterwards must be what was asked for, and Argo CD must see no difference."""
        live = await self.apply()
        predicted = await self.apply(dryRun="All")
        self.syncs += 1
        found = self.deployers.out_of_sync(self.manifest, without_status(live), without_status(predicted))
        assert found == {}
        meta, wanted = live["metadata"], self.manifest["metadata"]
        assert (meta["labels"], meta["annotations"]) == (wanted["labels"], wanted["annotations"])
        assert meta.keys().isdisjoint({"finalizers", "ownerReferences"})
        assert meta["generation"] == 1, "an apply that changes nothing is no new spec"
        assert owners(live) <= {(MANAGER, ""), ("autotuner", "status")}
        verdict = (health(live)[0], flux(live))
        if self.verdicts[-1:] != [verdict]:
            self.verdicts.append(verdict)
        return live

    async def sync_until_finished(self) -> Object:
        async def look() -> Object | None:
            if time.monotonic() - self._last < SYNC_SECONDS:
                return None
            self._last = time.monotonic()
            live = await self.sync()
            return live if condition(live, "Finished").get("status") == "True" else None

        return await wait_for(look, "the task finishes", 120)


def without_status(body: Object) -> Object:
    """An object as Argo CD compares it: the operator may have written the status in between."""
    return {key: part for key, part in body.items() if key != "status"}


def owners(body: Object) -> set[tuple[str, str]]:
    """Who owns fields of an object, and of which subresource; ours must be status and nothing else."""
    found = body["metadata"]["managedFields"]
    for entry in found:
        if entry["manager"] == "autotuner":
            assert set(entry["fieldsV1"]) == {"f:status"}
    return {(entry["manager"], entry.get("subresource", "")) for entry in found}


async def children(story: Story) -> list[Object]:
    """Experiments and what they made."""
    paths = (
        f"{OME}/namespaces/{story.namespace}/inferenceservices",
        f"/apis/batch/v1/namespaces/{story.namespace}/jobs",
    )
    pods = f"/api/v1/namespaces/{story.namespace}/pods"
    found = await story.experiments()
    for path in (*paths, pods):
        found += (await story.api.list(path))["items"]
    return found


async def test_a_task_synced_all_the_time_is_never_out_of_sync(story: Story, deployers: Deployers) -> None:
    repository = Repository.of(story, deployers)
    async with story.recorder() as recorder:
        task = await repository.sync_until_finished()
    assert repository.syncs > 10
    assert task["status"]["phase"] == "Succeeded"
    argo = [verdict for verdict, _ in repository.verdicts]
    assert (argo[0], argo[-1], set(argo)) == ("Progressing", "Healthy", {"Progressing", "Healthy"})
    assert repository.verdicts[-1] == ("Healthy", "Current")
    for sighting in (one for one in recorder.seen if one.kind != "TuningTask"):
        meta = sighting.body["metadata"]
        marks = {**meta.get("labels", {}), **meta.get("annotations", {})}
        assert not [key for key in marks if "argocd" in key or key == "app.kubernetes.io/instance"], (
            f"Argo CD would prune {sighting.kind} {sighting.name}"
        )

    version = task["metadata"]["resourceVersion"]
    assert (await repository.apply())["metadata"]["resourceVersion"] == version


async def test_a_task_that_is_over_stays_over_whatever_is_synced(story: Story, deployers: Deployers) -> None:
    repository = Repository.of(story, deployers)
    before = await repository.sync_until_finished()
    known = await story.experiments()

    repository.manifest["spec"]["search"]["maxExperiments"] = 2
    await repository.apply()

    async def acknowledged() -> Object | None:
        task = await repository.apply()
        return task if task["status"]["observedGeneration"] == task["metadata"]["generation"] else None

    after = await wait_for(acknowledged, "the operator has seen the edit")
    assert after["metadata"]["generation"] == 2
    assert after["status"]["completionTime"] == before["status"]["completionTime"]
    assert after["status"]["best"] == before["status"]["best"]
    assert [item["metadata"]["uid"] for item in await story.experiments()] == [
        item["metadata"]["uid"] for item in known
    ]
    assert (await story.event_seen("TuningTask", "chat", "AlreadyFinished"))["type"] == "Warning"
    await check_acknowledged(story, f"{experiments(story.namespace)}/chat-0")


async def check_acknowledged(story: Story, path: str) -> None:
    """A cancellation that comes too late is seen; else `kubectl wait` and kstatus, which compare generations, wait."""
    before = await story.api.patch(path, {"spec": {"cancel": True}})
    assert (before["metadata"]["generation"], before["status"]["observedGeneration"]) == (2, 1)

    async def acknowledged() -> Object | None:
        found = await story.api.get(path)
        return found if found["status"]["observedGeneration"] == 2 else None

    after = await wait_for(acknowledged, "the operator has seen the cancellation", 20)
    assert {one["observedGeneration"] for one in after["status"]["conditions"]} == {2}
    assert after["status"]["reason"] == before["status"]["reason"]
    assert (await story.event_seen("TuningExperiment", "chat-0", "AlreadyFinished"))["type"] == "Warning"


async def test_a_sync_cannot_change_a_search_that_has_started(story: Story, deployers: Deployers) -> None:
    repository = Repository.of(story, deployers, **{"spec.benchmark": traffic(ENDLESS)})
    await repository.apply()
    await story.in_phase("chat-0", "Benchmarking")
    before = await story.task()
    repository.manifest["spec"]["parameters"] = [{"name": "tp-size", "values": [1, 4]}]

    with pytest.raises(ApiError) as refused:
        await repository.apply()

    assert refused.value.status == 422
    assert "spec: Forbidden: the task has started: only suspend," in refused.value.message
    assert (await story.task())["spec"] == before["spec"]


async def test_a_pruned_task_leaves_nothing(story: Story, deployers: Deployers) -> None:
    repository = Repository.of(story, deployers, **{"spec.benchmark": traffic(ENDLESS)})
    await repository.apply()
    await story.mid_benchmark("chat-0")
    assert len(await children(story)) == 5  # experiment, InferenceService, Job and two pods

    await story.api.delete(repository.path, {"propagationPolicy": "Background"})

    async def empty() -> bool:
        return not await children(story) and not await story.left()

    await wait_for(empty, "nothing of the task is left", 60)
    assert await story.found(repository.path) is None
