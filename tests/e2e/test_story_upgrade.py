"""An upgrade from an earlier release while a task runs: its chart, its operator and its objects go on as they are.

`tests/data/release-1201970.tar.xz` holds that revision's chart (`helm package`, unpacked) and its wheel, unpacked. The
operators run beside the cluster, as in all stories; Helm brings everything else.
"""

from __future__ import annotations

import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import Api
from testbed.node.images import RELEASES
from testbed.operator_process import ROOT, Operator
from tests.e2e.conftest import SETTINGS
from tests.e2e.story import BRIEF, SOME, Story, traffic
from tests.support.chart import CHART, helm
from tests.support.gitops import MANAGER
from tests.support.objects import edited, make_task, tasks

EARLIER = ROOT / "tests" / "data" / "release-1201970.tar.xz"
NAMESPACE = "tuning"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the earlier release: `chart`, and `site` with the package."""
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(EARLIER) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def bed() -> Iterator[Testbed]:
    """A testbed of its own: its CRDs are those of the earlier release for a while."""
    with Testbed.start() as testbed:
        yield testbed


@pytest.fixture
async def api(bed: Testbed) -> AsyncIterator[Api]:
    async with Api(bed.kubeconfig, agent="test") as client:
        yield client


async def adopted(api: Api) -> None:
    """The CRDs that the testbed brought are the release's."""
    marks = {"meta.helm.sh/release-name": "autotuner", "meta.helm.sh/release-namespace": NAMESPACE}
    for name in ("tuningtasks", "tuningexperiments"):
        meta = {"annotations": marks, "labels": {"app.kubernetes.io/managed-by": "Helm"}}
        await api.patch(f"{CRDS}/{name}.autotuner.io", {"metadata": meta})


def release(bed: Testbed, command: str, chart: Path, *words: str, program: str) -> None:
    """Have Helm install or upgrade a chart, without operators of its own."""
    where = (f"--kubeconfig={bed.kubeconfig}", f"--namespace={NAMESPACE}", "--set", "replicas=0")
    helm(command, "autotuner", str(chart), *where, *words, program=program)


@pytest.mark.full
async def test_a_task_that_runs_during_an_upgrade_loses_nothing(bed: Testbed, api: Api, earlier: Path) -> None:
    await adopted(api)
    release(bed, "install", earlier / "chart", "--create-namespace", program="helm")
    (bed.folder / RELEASES).mkdir()
    (bed.folder / RELEASES / "earlier").symlink_to(earlier / "site")
    image = "docker.io/autotuner/benchmark:earlier"
    own = {"PYTHONPATH": str(earlier / "site"), "AUTOTUNER_BENCHMARK_IMAGE": image}
    after = Operator(bed.kubeconfig, bed.logs / "operator.log", SETTINGS)
    after.log_path.touch()
    try:
        # Of its errors none counts: for a moment the earlier operator meets fields that it does not know.
        with Operator(bed.kubeconfig, bed.logs / "earlier.log", {**SETTINGS, **own}) as before:
            async with Story.begin(bed, after, api) as story:
                manifest = wanted(story.namespace)
                await api.apply(f"{tasks(story.namespace)}/chat", manifest, MANAGER)
                await story.experiment_finished("chat-0")
                await story.mid_benchmark("chat-1")
                stored, known = await story.task(), await story.experiments()
                assert stored["spec"]["slos"][0]["enforcement"] == "Hard", "the earlier CRDs fill in"

                release(bed, "upgrade", CHART, program="helm4")
                before.terminate()
                after.start()
                await check_goes_on(story, manifest, stored, known)
    finally:
        if after.alive:
            after.terminate()


def wanted(namespace: str) -> Object:
    """A task with everything whose storage has changed since."""
    own = {
        "metadata.namespace": namespace,
        "spec.model": {"name": namespace},
        "spec.parameters": [{"name": "tp-size", "values": [1, 2]}],
        "spec.baseline": {"args": ["--schedule-conservativeness=0.9"]},
        "spec.benchmark": traffic({**SOME, "requests": 2 * BRIEF["requests"] + SOME["requests"]}),
        "spec.slos": [{"metric": "TTFT", "max": "60s"}],
        "spec.constraints": [{"rule": "p.tp_size < 4"}],
        "spec.search": {"strategy": "Grid", "maxExperiments": 2, "confirm": {"maxRepeats": 0}},
    }
    return edited(make_task("chat"), own)


async def check_goes_on(story: Story, manifest: Object, stored: Object, known: list[Object]) -> None:
    """The new operator finishes what the earlier one began, and measures nothing twice."""
    synced = await story.api.apply(f"{tasks(story.namespace)}/chat", manifest, MANAGER)
    assert "enforcement" not in synced["spec"]["slos"][0]
    task = await story.task_finished()
    assert task["status"]["phase"] == "Succeeded"
    assert task["status"]["startTime"] == stored["status"]["startTime"]
    counts = task["status"]["experiments"]
    assert (counts["succeeded"], counts["failed"], counts["nextIndex"]) == (2, 0, 3)
    made = {one["metadata"]["name"]: one for one in await story.experiments()}
    assert list(made) == ["chat-0", "chat-1", "chat-2"]
    for one in known:
        assert made[one["metadata"]["name"]]["metadata"]["uid"] == one["metadata"]["uid"]
        assert made[one["metadata"]["name"]]["spec"] == one["spec"]
    assert made["chat-0"]["status"]["levels"] == known[0]["status"]["levels"]
    engine = known[1]["status"]["enginePod"]
    assert made["chat-1"]["status"]["enginePod"] == engine, "the engine that ran went on"
