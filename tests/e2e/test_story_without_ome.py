"""A cluster without OME: presets are served by Deployments, and OME is used once it is there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import yaml

from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import Api, install_crds
from testbed.ome.install import definitions
from testbed.operator_process import Operator
from testbed.waiting import until
from tests.e2e.story import BRIEF, condition, traffic
from tests.support.objects import experiments, make_task, tasks
from tests.support.waiting import wait_for

NAMESPACE = "plain"
SMALL = {
    "spec.parameters": [{"name": "tp-size", "values": [1, 2]}],
    "spec.benchmark": traffic(BRIEF, [2]),
    "spec.slos": [{"metric": "ErrorRate", "max": "1%"}],
    "spec.search": {"strategy": "Grid", "maxExperiments": 1, "confirm": {"maxRepeats": 0}},
}
MADE = (
    f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments",
    f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs",
    f"/api/v1/namespaces/{NAMESPACE}/services",
    f"/api/v1/namespaces/{NAMESPACE}/pods",
)


@pytest.fixture(scope="module")
def bed() -> Iterator[Testbed]:
    with Testbed.start(ome=False) as testbed:
        yield testbed


@pytest.fixture
async def api(bed: Testbed) -> AsyncIterator[Api]:
    async with Api(bed.kubeconfig, agent="test") as client:
        await install_crds(client)
        await client.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        yield client


def over(body: Object) -> bool:
    return condition(body, "Finished").get("status") == "True"


async def names(api: Api, collection: str) -> list[str]:
    return [item["metadata"]["name"] for item in (await api.list(collection))["items"]]


async def test_presets_are_served_without_ome_and_with_it_once_it_is_there(bed: Testbed, api: Api) -> None:
    with Operator(bed.kubeconfig, bed.logs / "operator.log", {"AUTOTUNER_NAMESPACES": NAMESPACE}) as operator:
        await api.create(tasks(NAMESPACE), make_task("chat", SMALL))
        task = await until(api, tasks(NAMESPACE), "chat", over, 90)
        status = task["status"]

        assert (status["phase"], status["resolved"]["backend"]) == ("Succeeded", "Deployment"), status["message"]
        assert "Deployment serves the engines, since OME cannot" in condition(task, "Valid")["message"]
        for item in (await api.list(experiments(NAMESPACE)))["items"]:
            assert item["spec"]["service"]["runtime"]["kind"] == "ControllerRevision"
            assert item["status"]["reason"] == "Completed", item["status"]["message"]
        assert await wait_for_nothing(api) == []
        winner = winner_in(await api.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/chat-best"))
        await api.create(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments", winner, dryRun="All")

        await api.apply_all(definitions(), "test")

        async def noticed() -> bool:
            return any("backend OME can serve now" in entry["message"] for entry in operator.log())

        await wait_for(noticed, "the operator has heard of OME", 60)
        await api.create(tasks(NAMESPACE), make_task("late", SMALL))
        # Nobody here makes models Ready.
        await until(api, tasks(NAMESPACE), "late", lambda body: condition(body, "ModelReady").get("status") == "False")
        assert await names(api, "/apis/ome.io/v1beta1/clusterbasemodels") == ["llama-3-2-1b-instruct"]
        assert not operator.errors()


async def wait_for_nothing(api: Api) -> list[str]:
    """Waits until nothing is left of experiments; returns what is."""
    left: list[str] = []

    async def look() -> bool:
        left[:] = [name for collection in MADE for name in await names(api, collection)]
        return not left

    await wait_for(look, "everything is released", 30)
    return left


def winner_in(config: Object) -> Object:
    """The winner in a recommendation."""
    body: Object = yaml.safe_load(config["data"]["deployment.yaml"])
    return body
