"""Whether Argo CD would show our objects as out of sync: by its own diff, both ways, before, during and after a run."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autotuner.kube import FIELD_MANAGER
from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import Api, load_documents
from tests.conformance.cases.specs import ACCEPTED
from tests.support.gitops import MANAGER, Deployers, described
from tests.support.objects import edited, experiments, make_experiment, make_task, tasks
from tests.unit.gitops.states import BENCHMARKING, RELEASING, after_experiments
from tests.unit.task_builders import reaching

ROOT = Path(__file__).parents[2]
EXAMPLES = [*sorted((ROOT / "examples").glob("*.yaml")), ROOT / "tests" / "data" / "everything.yaml"]
TRACKING = {"argocd.argoproj.io/tracking-id": "llm:autotuner.io/TuningTask:team/chat"}
MEASURING = after_experiments(reaching(1000))["status"]
MEASURED = after_experiments(reaching(1000), reaching(1100), reaching(1200), reaching(900))["status"]
DRAWN = 50
NAMESPACE = "in-git"  # one for all of them: to make one takes longer than a test

_SLOS: tuple[Object, ...] = (
    {"metric": "TTFT", "max": "500ms"},
    {"metric": "TTFT", "statistic": "P50", "max": "0.2s", "enforcement": "Hard"},
    {"metric": "TPOT", "statistic": "P95", "max": "40ms", "enforcement": "Soft"},
    {"metric": "E2ELatency", "max": "5s", "enforcement": "Soft", "weight": 2, "steepness": 0.1},
    {"metric": "ErrorRate", "max": "1%"},
    {"metric": "TotalThroughput", "min": "9tok/s"},
)
_CONSTRAINTS: tuple[Object, ...] = (
    {"rule": "p.tp_size < 4"},
    {"rule": "!has(p.tp_size) || p.tp_size > 0", "message": "why"},
    {"rule": "true", "message": ""},
)
_PLACEMENTS: tuple[Object | None, ...] = (
    None,
    {"acceleratorResource": "", "nodeSelector": {"pool": "gpu"}},
    {"tolerations": [{"operator": "Exists"}, {"key": "a", "effect": "NoExecute", "tolerationSeconds": 5}]},
    {"queueName": "llm", "priorityClassName": "low"},
)
_BUDGETS: tuple[Object | None, ...] = (None, {"maxGPUHours": 2}, {"maxHours": 0.5, "maxFailedExperiments": 3})


def drawn(seed: int) -> Object:
    """A task as somebody might write it: something of every field, written out or left to its default."""
    dice = random.Random(seed)
    edits: dict[str, Any] = dict(dice.choice(list(ACCEPTED.values())))
    more = {
        "metadata.name": f"drawn-{seed}",
        "metadata.annotations": TRACKING,
        "spec.placement": dice.choice(_PLACEMENTS),
        "spec.budget": dice.choice(_BUDGETS),
        "spec.timeouts": dice.choice([None, {}, {"queueSeconds": 60}]),
        "spec.suspend": dice.choice([None, False, True]),
        "spec.search": {"maxExperiments": dice.randint(1, 9), **dice.choice([{}, {"reuse": {}}, {"confirm": {}}])},
        "spec.constraints": dice.choice([None, dice.sample(_CONSTRAINTS, dice.randint(1, 3))]),
    }
    edits |= {field: value for field, value in more.items() if value is not None}
    if "spec.slos" not in edits and "spec.objectives.0" not in edits:
        edits["spec.slos"] = dice.sample(_SLOS, dice.randint(1, len(_SLOS)))
    return edited(make_task(), edits)


def examples() -> list[Object]:
    """All tasks of the examples, as Argo CD marks them."""
    found = [document for path in EXAMPLES for document in load_documents(path)]
    return [edited(body, {"metadata.annotations": TRACKING}) for body in found if body["kind"] == "TuningTask"]


WRITTEN = [pytest.param(body, id=body["metadata"]["name"]) for body in (*examples(), *map(drawn, range(DRAWN)))]


@pytest.fixture(scope="module")
def deployers(bed: Testbed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployers]:
    async def prepared() -> Path:
        async with Api(bed.kubeconfig, agent="test") as api:
            await api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        return await described(bed.kubeconfig, tmp_path_factory.mktemp("openapi"))

    with Deployers(asyncio.run(prepared())) as program:
        yield program


@dataclass
class InGit:
    """An object that Argo CD applies."""

    api: Api
    deployers: Deployers
    path: str
    manifest: Object

    async def sync(self, **options: Any) -> Object:
        return await self.api.apply(self.path, self.manifest, MANAGER, fieldValidation="Strict", **options)

    async def record(self, status: Object) -> None:
        """Write a status as the operator does."""
        meta = {"name": self.manifest["metadata"]["name"]}
        body = {"apiVersion": self.manifest["apiVersion"], "kind": self.manifest["kind"], "metadata": meta}
        await self.api.apply(f"{self.path}/status", {**body, "status": status}, FIELD_MANAGER)

    async def out_of_sync(self) -> dict[str, tuple[object, object]]:
        live, predicted = await self.api.get(self.path), await self.sync(dryRun="All")
        return self.deployers.out_of_sync(self.manifest, live, predicted)


async def found_in_a_run(git: InGit, *statuses: Object) -> list[dict[str, tuple[object, object]]]:
    """What Argo CD shows before a run, after each of these statuses, and after another sync."""
    await git.sync()
    found = [await git.out_of_sync()]
    for status in statuses:
        await git.record(status)
        found.append(await git.out_of_sync())
    assert (await git.sync())["metadata"]["generation"] == 1
    return [*found, await git.out_of_sync()]


@pytest.mark.parametrize("manifest", WRITTEN)
async def test_a_task_is_in_sync_before_during_and_after_its_run(
    api: Api, deployers: Deployers, manifest: Object
) -> None:
    git = InGit(api, deployers, f"{tasks(NAMESPACE)}/{manifest['metadata']['name']}", manifest)

    assert await found_in_a_run(git, MEASURING, MEASURED) == [{}] * 4


async def test_an_experiment_is_in_sync_before_during_and_after_its_run(api: Api, deployers: Deployers) -> None:
    manifest = make_experiment("chat-1", {"metadata.annotations": TRACKING})
    git = InGit(api, deployers, f"{experiments(NAMESPACE)}/chat-1", manifest)

    assert await found_in_a_run(git, BENCHMARKING["status"], RELEASING["status"]) == [{}] * 4


async def test_what_is_edited_in_the_cluster_is_out_of_sync(api: Api, deployers: Deployers) -> None:
    git = InGit(api, deployers, f"{tasks(NAMESPACE)}/chat", make_task())
    await git.sync()
    await api.patch(git.path, {"spec": {"slos": [{"metric": "TTFT", "max": "1s"}]}})

    assert {path.split()[0] for path in await git.out_of_sync()} == {"merge-diff", "server-diff"}


async def test_a_task_of_an_earlier_version_is_brought_into_sync_by_one_sync(api: Api, deployers: Deployers) -> None:
    """Earlier CRDs wrote defaults into the items of lists, where they stay in objects that were stored then."""
    git = InGit(api, deployers, f"{tasks(NAMESPACE)}/earlier", make_task("earlier"))
    stored = edited(make_task("earlier"), {"spec.slos.0.enforcement": "Hard"})
    await api.apply(git.path, stored, MANAGER)
    await git.record(MEASURING)
    assert await git.out_of_sync() != {}

    await git.sync()

    assert await git.out_of_sync() == {}
