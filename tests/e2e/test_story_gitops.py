"""Tasks that live in Git: synced all the time, pruned, and over for good."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from testbed.api import ApiError
from tests.e2e.story import BRIEF, ENDLESS, OME, Story, condition, traffic
from tests.support.gitops import flux, health
from tests.support.objects import edited, make_task, tasks
from tests.support.waiting import wait_for

MANAGER = "argocd-controller"  # what Argo CD calls itself when it applies server-side
SYNC_SECONDS = 0.5
TRACKED: Object = {
    "metadata.annotations": {"argocd.argoproj.io/tracking-id": "llm:autotuner.io/TuningTask:team/chat"},
    "metadata.labels": {"app.kubernetes.io/instance": "llm", "team": "chat"},
}


@dataclass
class Repository:
    """A task in Git and who syncs it."""

    story: Story
    manifest: Object
    syncs: int = 0
    verdicts: list[tuple[str, str]] = field(default_factory=list)  # of Argo CD and of Flux, when they changed
    _last: float = 0.0

    @classmethod
    def of(cls, story: Story, **edits: Any) -> Repository:
        own = {
            "spec.model": {"name": story.namespace},
            "spec.parameters": [{"name": "tp-size", "values": [1, 2]}],
            "spec.benchmark": traffic(BRIEF),
            "spec.slos": None,
            "spec.search": {"strategy": "Grid", "maxExperiments": 1, "confirm": {"maxRepeats": 0}},
        }
        return cls(story, edited(make_task("chat", {**TRACKED, **own}), edits))

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
        assert difference(predicted, live) == []
        assert holds(live["spec"], self.manifest["spec"])
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


def holds(found: Any, wanted: Any) -> bool:
    """Whether everything wanted is there as it was written; more fields of an object are defaults."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(key in found and holds(found[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(holds, found, wanted))
    return bool(found == wanted)


def difference(predicted: Object, live: Object) -> list[str]:
    """Fields in which an apply would change an object, by Argo CD's server-side diff; its own bookkeeping aside."""
    one, other = (json.loads(json.dumps(body)) for body in (predicted, live))
    for body in (one, other):
        body["metadata"].pop("managedFields", None)
        body["metadata"].pop("resourceVersion", None)
        body.pop("status", None)  # the operator may have written it in between
    return [name for name in one.keys() | other.keys() if one.get(name) != other.get(name)]


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


async def test_a_task_synced_all_the_time_is_never_out_of_sync(story: Story) -> None:
    repository = Repository.of(story)
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


async def test_a_task_that_is_over_stays_over_whatever_is_synced(story: Story) -> None:
    repository = Repository.of(story)
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


async def test_a_sync_cannot_change_a_search_that_has_started(story: Story) -> None:
    repository = Repository.of(story, **{"spec.benchmark": traffic(ENDLESS)})
    await repository.apply()
    await story.in_phase("chat-0", "Benchmarking")
    before = await story.task()
    repository.manifest["spec"]["parameters"] = [{"name": "tp-size", "values": [1, 4]}]

    with pytest.raises(ApiError) as refused:
        await repository.apply()

    assert refused.value.status == 422
    assert "spec: Forbidden: the task has started: only suspend," in refused.value.message
    assert (await story.task())["spec"] == before["spec"]


async def test_a_pruned_task_leaves_nothing(story: Story) -> None:
    repository = Repository.of(story, **{"spec.benchmark": traffic(ENDLESS)})
    await repository.apply()
    await story.mid_benchmark("chat-0")
    assert len(await children(story)) == 5  # experiment, InferenceService, Job and two pods

    await story.api.delete(repository.path, {"propagationPolicy": "Background"})

    async def empty() -> bool:
        return not await children(story) and not await story.left()

    await wait_for(empty, "nothing of the task is left", 60)
    assert await story.found(repository.path) is None
