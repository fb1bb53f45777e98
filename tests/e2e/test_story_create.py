"""Somebody points at a Deployment that runs, in a cluster without OME: one command later it is being tuned."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import Api, ApiError, install_crds
from testbed.operator_process import Operator
from tests.e2e.story import condition
from tests.support.objects import experiments, tasks
from tests.support.waiting import wait_for

NAMESPACE = "llm"
ENGINE: Object = {
    "name": "engine",
    "image": "docker.io/autotuner/benchmark:0.1.0",
    "command": ["python", "-m", "autotuner.simulator", "--dialect=vllm", "--host=$(POD_IP)", "--port=8080"],
    "args": ["--model=meta-llama/Llama-3.2-1B-Instruct", "--max-num-seqs=4"],
    "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
    "ports": [{"containerPort": 8080}],
    "readinessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1},
    "resources": {"requests": {"cpu": "100m"}, "limits": {"nvidia.com/gpu": "1"}},
}
CHAT: Object = {
    "metadata": {"name": "chat"},
    "spec": {
        "selector": {"matchLabels": {"app": "chat"}},
        "template": {"metadata": {"labels": {"app": "chat"}}, "spec": {"containers": [ENGINE]}},
    },
}
TRAFFIC = ["--scenario=N(100,20)/(20,4)", "--concurrency=4", "--requests=10", "--slo=ErrorRate=1%"]


@pytest.fixture(scope="module")
def bed() -> Iterator[Testbed]:
    with Testbed.start(ome=False) as testbed:
        yield testbed


@pytest.fixture
async def api(bed: Testbed) -> AsyncIterator[Api]:
    async with Api(bed.kubeconfig, agent="test") as client:
        await client.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        await client.create(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments", CHAT)
        yield client


def create(bed: Testbed, *words: str) -> subprocess.CompletedProcess[str]:
    """Types the command with the testbed's kubeconfig."""
    program = Path(sysconfig.get_path("scripts")) / "autotuner"
    line = [program, "create", "deployment/chat", "-n", NAMESPACE, "--engine=VLLM", *TRAFFIC, *words]
    return subprocess.run(
        line, env={**os.environ, "KUBECONFIG": str(bed.kubeconfig)}, capture_output=True, text=True, check=False
    )


async def test_what_runs_is_tuned_by_one_command(bed: Testbed, api: Api) -> None:
    early = create(bed, "--apply")
    assert (early.returncode, early.stdout) == (1, "")
    assert "autotuner is not installed in this cluster: helm install autotuner" in early.stderr

    await install_crds(api)
    with Operator(bed.kubeconfig, bed.logs / "operator.log", {"AUTOTUNER_NAMESPACES": NAMESPACE}) as operator:
        ended = create(bed, "--apply")
        assert ended.returncode == 0, ended.stderr
        assert f"created TuningTask tune-chat in namespace {NAMESPACE}" in ended.stderr

        async def measured() -> Object | None:
            task = await api.get(f"{tasks(NAMESPACE)}/tune-chat")
            assert condition(task, "Valid").get("status") != "False", condition(task, "Valid")
            try:
                body: Object = await api.get(f"{experiments(NAMESPACE)}/tune-chat-0")
            except ApiError:
                return None
            return body if condition(body, "Finished").get("status") == "True" else None

        baseline = await wait_for(measured, "the baseline is measured", 120)
        assert baseline["status"]["reason"] == "Completed", baseline["status"]["message"]
        assert baseline["spec"]["service"]["args"][-1] == "--max-num-seqs=4"
        assert not operator.errors()
