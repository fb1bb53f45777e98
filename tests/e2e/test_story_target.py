"""A Deployment that somebody runs is tuned: copied without its traffic, measured, and patched with what won."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Iterator

import pytest
import yaml

from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import Api, install_crds
from testbed.operator_process import Operator
from tests.e2e.story import BRIEF, condition, traffic
from tests.support.objects import edited, experiments, make_task, tasks
from tests.support.waiting import wait_for

NAMESPACE = "tuned"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
COMMAND = ["python", "-m", "autotuner.simulator", "--dialect=sglang", "--host=$(POD_IP)", "--port=8080"]
MODEL = ["--model-path=meta-llama/Llama-3.2-1B-Instruct", "--served-model-name=llama"]
ENGINE: Object = {
    "name": "engine",
    "image": "docker.io/autotuner/benchmark:0.1.0",
    "command": [*COMMAND, *MODEL],
    "args": ["--tp-size=1", "--mem-fraction-static=0.85", "--max-running-requests=1"],
    "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
    "ports": [{"containerPort": 8080}],
    "readinessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1},
    "resources": {"requests": {"cpu": "100m"}, "limits": {"nvidia.com/gpu": "1"}},
}
CHAT: Object = {
    "metadata": {"name": "chat", "labels": {"app": "chat"}},
    "spec": {
        "selector": {"matchLabels": {"app": "chat"}},
        "template": {"metadata": {"labels": {"app": "chat"}}, "spec": {"containers": [ENGINE]}},
    },
}
TASK = edited(
    make_task(
        "tune",
        {
            "spec.target": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat", "engine": "SGLang"},
            "spec.parameters": [{"name": "max-running-requests", "values": [1, 64]}],
            "spec.benchmark": traffic(BRIEF, [8]),
            "spec.slos": [{"metric": "ErrorRate", "max": "1%"}],
            "spec.search": {"strategy": "Grid", "maxExperiments": 2, "confirm": {"maxRepeats": 0}},
        },
    ),
    {"spec.model": None, "spec.runtime": None},
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


async def ready(api: Api) -> Object | None:
    """The original's pod, once it serves."""
    for pod in (await api.list(PODS, labelSelector="app=chat"))["items"]:
        conditions = {one["type"]: one["status"] for one in pod.get("status", {}).get("conditions", [])}
        if conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]:
            return dict(pod)
    return None


async def behind(api: Api) -> set[str]:
    """The pods that the original's Service leads to."""
    slices = (await api.list(SLICES, labelSelector="kubernetes.io/service-name=chat"))["items"]
    return {one["targetRef"]["uid"] for item in slices for one in item.get("endpoints") or ()}


async def test_what_runs_is_tuned_without_being_touched_and_patched(bed: Testbed, api: Api) -> None:
    with Operator(bed.kubeconfig, bed.logs / "operator.log", {"AUTOTUNER_NAMESPACES": NAMESPACE}) as operator:
        await api.create(DEPLOYMENTS, copy.deepcopy(CHAT))
        await api.create(
            SERVICES, {"metadata": {"name": "chat"}, "spec": {"selector": {"app": "chat"}, "ports": [{"port": 8080}]}}
        )
        original = await wait_for(lambda: ready(api), "the original serves")
        before = await api.get(f"{DEPLOYMENTS}/chat")
        await api.create(tasks(NAMESPACE), TASK)
        seen: set[str] = set()

        async def over() -> Object | None:
            seen.update(await behind(api))
            task: Object = await api.get(f"{tasks(NAMESPACE)}/tune")
            return task if condition(task, "Finished").get("status") == "True" else None

        task = await wait_for(over, "the task is over", 120)
        assert task["status"]["phase"] == "Succeeded", task["status"]["message"]
        assert seen == {original["metadata"]["uid"]}, "no copy gets the original's traffic"
        after = await api.get(f"{DEPLOYMENTS}/chat")
        assert (after["metadata"]["generation"], after["spec"]) == (before["metadata"]["generation"], before["spec"])
        assert (await ready(api) or {})["metadata"]["uid"] == original["metadata"]["uid"]
        baseline = await api.get(f"{experiments(NAMESPACE)}/tune-0")
        assert baseline["spec"]["service"]["args"] == ["--dialect=sglang", *ENGINE["args"]]
        assert task["status"]["best"]["parameters"] == [{"name": "max-running-requests", "value": "64"}]

        config = await api.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/tune-best")
        patch = yaml.safe_load(config["data"]["patch.yaml"])
        await api.patch(f"{DEPLOYMENTS}/chat", patch, "application/strategic-merge-patch+json")

        async def rolled_out() -> bool:
            pod = await ready(api)
            return pod is not None and "--max-running-requests=64" in pod["spec"]["containers"][0]["args"]

        await wait_for(rolled_out, "the winner's arguments are in the original's pods", 60)
        pod = await ready(api) or {}
        command = pod["spec"]["containers"][0]["command"]
        assert command == [word for word in ENGINE["command"] if word != "--dialect=sglang"]
        assert not operator.errors()
