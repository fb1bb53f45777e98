"""What is read of a target from the API: before a task begins the object itself, afterwards the snapshot of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from autotuner import backend_choice
from autotuner.api.task import TaskSpec
from autotuner.api.task_status import Resolved, TaskStatus
from autotuner.controllers import read_target
from autotuner.controllers.read_target import ReadTarget
from autotuner.controllers.recent_reads import RecentReads
from autotuner.kube import DEPLOYMENT, PERSISTENT_VOLUME_CLAIM
from autotuner.kubernetes_object import Object, Resource
from autotuner.memory_api.api import MemoryApi
from autotuner.serving.target.snapshots import CONTROLLER_REVISION, snapshot
from tests.unit.task_builders import make_task, shipped

NOW = datetime(2026, 11, 1, tzinfo=UTC)
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}
BACKENDS = backend_choice.BACKENDS


def deployment(args: list[str] | None = None, claim: str = "") -> Object:
    engine = {"name": "vllm", "image": "vllm/vllm-openai:v0.33.0", "args": ["--model=m/m", *(args or [])]}
    volumes = [{"name": "weights", "persistentVolumeClaim": {"claimName": claim}}] if claim else []
    pod = {"containers": [engine], "volumes": volumes}
    meta = {"name": "chat", "namespace": "team"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        "spec": {"replicas": 1, "template": {"spec": pod}},
    }


def spec_of(**placement: Any) -> TaskSpec:
    body = make_task(target=TARGET, placement=placement)["spec"]
    del body["model"], body["runtime"]
    return TaskSpec.model_validate(body)


async def read(*there: tuple[Resource, Object], status: TaskStatus | None = None, **placement: Any) -> ReadTarget:
    kube = MemoryApi(lambda: NOW)
    for resource, body in there:
        await kube.create(resource, "team", body)
    spec, recent = spec_of(**placement), RecentReads(kube)
    return await read_target.read(kube, recent, BACKENDS, spec, status or TaskStatus(), "team", shipped())


def claim(*modes: str) -> tuple[Resource, Object]:
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "weights", "namespace": "team"}}
    return PERSISTENT_VOLUME_CLAIM, {**body, "spec": {"accessModes": list(modes)}}


async def test_a_target_that_does_not_exist_is_a_fault() -> None:
    found = await read()

    assert found.fault == "Deployment chat does not exist; create it, or name another"
    assert not found.changed


async def test_what_runs_stands_for_the_model_and_the_runtime() -> None:
    found = await read((DEPLOYMENT, deployment(["--max-num-seqs=8"])))

    assert (found.fault, found.spec.runtime.engine) == ("", "VLLM")
    assert found.spec.runtime.custom is not None
    assert found.spec.runtime.custom.spec["container"] == "vllm"


@pytest.mark.parametrize(
    ("modes", "placement", "fault"),
    [
        (["ReadWriteMany"], {}, ""),
        (["ReadOnlyMany", "ReadWriteOnce"], {}, ""),
        (
            ["ReadWriteOnce"],
            {},
            "Deployment chat mounts PersistentVolumeClaim weights, which allows ReadWriteOnce alone, and it is in use:"
            " copy the files to a claim that many may read, or keep the engines on its node with placement.nodeSelector"
            " (kubernetes.io/hostname)",
        ),
        (["ReadWriteOnce"], {"nodeSelector": {"kubernetes.io/hostname": "node-a"}}, ""),
        (
            ["ReadWriteOncePod"],
            {"nodeSelector": {"kubernetes.io/hostname": "node-a"}},
            "Deployment chat mounts PersistentVolumeClaim weights, which allows ReadWriteOncePod alone, and it is in"
            " use: copy the files to a claim that many may read",
        ),
    ],
)
async def test_a_claim_in_use_is_shared_or_a_fault(modes: list[str], placement: dict[str, Any], fault: str) -> None:
    found = await read((DEPLOYMENT, deployment(claim="weights")), claim(*modes), **placement)

    assert found.fault == fault


@pytest.mark.parametrize(
    ("now", "changed"),
    [(["--max-num-seqs=8"], False), (["--max-num-seqs=9"], True), (None, False)],
    ids=["as it was", "edited", "deleted"],
)
async def test_a_task_that_has_begun_keeps_to_its_snapshot(now: list[str] | None, changed: bool) -> None:
    before = await read((DEPLOYMENT, deployment(["--max-num-seqs=8"])))
    assert before.spec.runtime.custom is not None
    kept = snapshot("tune", "team", before.spec.runtime.custom.spec)
    resolved = {"configurations": 1, "engine": "VLLM", "model": "m", "backend": "Deployment"}
    status = TaskStatus(resolved=Resolved.model_validate({**resolved, "runtime": kept["metadata"]["name"]}))
    live = [(DEPLOYMENT, deployment(now))] if now is not None else []

    found = await read((CONTROLLER_REVISION, kept), *live, status=status)

    assert found.changed == changed
    assert found.spec.runtime == before.spec.runtime


async def test_nothing_is_read_of_a_kind_that_is_not_served() -> None:
    BACKENDS.absent["Deployment"] = "deployments.apps: 403"
    try:
        found = await read((DEPLOYMENT, deployment()))
    finally:
        BACKENDS.absent.clear()

    assert (found.fault, found.changed) == ("", False)
