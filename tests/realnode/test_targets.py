"""Deployments on a real node: presets that they serve, and a real vLLM that somebody runs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from testbed.api import Api
from testbed.vllm_cpu import environment
from testbed.vllm_cpu.model import write_model
from tests.e2e.story import condition
from tests.e2e.target_kinds import KINDS
from tests.realnode.cluster import Cluster
from tests.realnode.installation import Installation
from tests.realnode.story import RealStory, RealTargetStory

pytestmark = pytest.mark.full


async def test_presets_are_served_by_deployments(story: RealStory) -> None:
    edits = {"spec.backend": "Deployment", "spec.model": {"preset": "llama-3-2-1b-instruct"}}
    await story.create_task(edits)
    task = await story.task_finished(seconds=300)
    assert task["status"]["phase"] == "Succeeded", task["status"]["message"]
    assert task["status"]["resolved"]["backend"] == "Deployment"
    assert {item["status"]["reason"] for item in await story.experiments()} == {"Completed"}
    assert await story.left() == []


@pytest.fixture
async def served(
    cluster: Cluster, installation: Installation, api: Api, tmp_path: Path
) -> AsyncIterator[RealTargetStory]:
    """A namespace in which a real vLLM serves, with its environment from the node."""
    if cluster.node is None:
        pytest.skip("not run: vLLM's environment is on no node of this cluster")
    write_model(tmp_path / "tiny")
    begun = RealTargetStory.begin(cluster, installation, api)  # type: ignore[arg-type]  # as in conftest
    async with begun as place:
        place.kind = replace(KINDS[0], engine="VLLM", original=lambda: vllm(cluster.benchmark_image, tmp_path / "tiny"))
        await place.serve(seconds=600)
        yield place


def vllm(image: str, model: Path) -> Object:
    """A Deployment of the real vLLM; its programs and the model are the node's."""
    folder = environment.build()
    python = Path(os.path.realpath(folder / "bin" / "python")).parents[1]
    paths = {"programs": Path("/usr"), "python": python, "environment": folder, "model": model}
    variables = {
        **environment.variables(folder),
        "LD_PRELOAD": environment.preloaded(folder),
        "VLLM_CACHE_ROOT": "/tmp/cache",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "HOME": "/tmp",
    }
    engine = {
        "name": "vllm",
        "image": image,
        "command": [f"{folder}/bin/python", "-m", "vllm.entrypoints.openai.api_server"],
        "args": ["--host=0.0.0.0", "--port=8000", f"--model={model}", "--served-model-name=tiny", *TUNED],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "ports": [{"containerPort": 8000}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 2},
        "securityContext": {"runAsUser": 0},
        "volumeMounts": [
            {"name": "shm", "mountPath": "/dev/shm"},
            *({"name": name, "mountPath": str(path), "readOnly": True} for name, path in paths.items()),
        ],
    }
    volumes: list[Object] = [{"name": name, "hostPath": {"path": str(path)}} for name, path in paths.items()]
    volumes.append({"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}})
    labels = {"app": "chat"}
    pod = {"containers": [engine], "volumes": volumes, "terminationGracePeriodSeconds": 5}
    return {
        "metadata": {"name": "chat", "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }


TUNED = ["--load-format=dummy", "--enforce-eager", "--max-num-seqs=2"]


def task() -> dict[str, Any]:
    return {
        "spec.placement.acceleratorResource": "",
        "spec.target": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"},
        "spec.parameters": [{"name": "max-num-seqs", "values": [2, 64]}],
        "spec.benchmark": {
            "scenarios": [{"name": "chat", "load": "D(200,40)"}],
            "concurrency": [16],
            "maxRequestsPerLevel": 64,
            "maxMinutesPerLevel": 8,
            "tokenizer": {"source": "ModelVolume"},
        },
        "spec.objectives": [{"metric": "TTFT", "statistic": "P50"}],
        "spec.slos": None,
    }


@pytest.mark.timeout(1800)
async def test_a_real_vllm_that_somebody_runs_is_tuned(served: RealTargetStory) -> None:
    original = await served.original_pod() or {}
    await served.create_task(task())
    finished = await served.task_finished("tune", 1200)
    assert finished["status"]["phase"] == "Succeeded", finished["status"]["message"]
    assert finished["status"]["resolved"]["engine"] == "VLLM"
    baseline, other = await served.experiments()
    assert baseline["spec"]["service"]["args"] == TUNED
    assert {one["status"]["reason"] for one in (baseline, other)} == {"Completed"}
    assert "--max-num-seqs=64" in other["spec"]["service"]["args"]
    assert condition(finished, "Finished")["reason"] == "Completed"
    assert (await served.original_pod() or {})["metadata"]["uid"] == original["metadata"]["uid"]
    assert await served.left() == []
