"""The operator's rights are what it uses: no more, and no less. The API server's audit log says what it used."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import Api, ApiError
from testbed.operator_process import ROOT, Operator
from tests.cluster.operator_of_account import started
from tests.e2e.story import ENDLESS, SWITCH, Story, condition, traffic
from tests.support.accounts import Right, account_kubeconfig, audited, make_account, needed, rights
from tests.support.waiting import wait_for

RULES: dict[str, Any] = yaml.safe_load((ROOT / "packaging" / "rbac.yaml").read_text())
# Those that the chart names where nobody says which; targets of the others have an audit of their own.
BACKENDS: dict[str, dict[str, list[Object]]] = {name: RULES["backends"][name] for name in ("ome", "deployment")}


def of_backends(kind: str) -> list[Object]:
    """The rules of this kind that any backend needs."""
    return [rule for one in BACKENDS.values() for rule in one[kind]]


SERVED: list[Object] = RULES["operatorNamespaced"] + of_backends("namespaced")
CLUSTER: list[Object] = RULES["operatorCluster"] + of_backends("cluster") + of_backends("clusterObjects")
# Asked for beside the request itself: by an admission plug-in, and by a server-side apply that creates.
IMPLIED = {Right("autotuner.io", f"{plural}/finalizers", "update") for plural in ("tuningtasks", "tuningexperiments")}
IMPLIED |= {Right("", "configmaps", "create")}
# A task that makes its own objects in its namespace, after it has been previewed.
NAMESPACED = {
    "spec.suspend": True,
    "spec.search": {"strategy": "Grid", "maxExperiments": 1, "confirm": {"maxRepeats": 0}},
    "spec.model": {
        "preset": "llama-3-2-1b-instruct",
        "volume": {"claimName": "weights", "mountPath": "/models/llama-3-2-1b"},
        "scope": "Namespaced",
    },
    "spec.runtime": {"preset": "simulated-sglang", "overrides": {"disabled": False}, "scope": "Namespaced"},
    "spec.placement": {"queueName": "team", "priorityClassName": "low", "workloadPriorityClassName": "low"},
}
PLAIN = {
    "spec.search": NAMESPACED["spec.search"],
    "spec.backend": "Deployment",
    "spec.model": {"preset": "llama-3-2-1b-instruct"},
}
# What every user may read: discovery.
PUBLIC = ("/api", "/apis", "/readyz", "/version")


@pytest.fixture(scope="module")
def bed() -> Iterator[Testbed]:
    """A testbed that writes down every request, with queues."""
    with Testbed.start(audit=True, kueue=True) as testbed:
        yield testbed


@pytest.fixture
async def api(bed: Testbed) -> AsyncIterator[Api]:
    async with Api(bed.kubeconfig, agent="test") as client:
        yield client


@pytest.fixture
async def story(bed: Testbed, api: Api, tmp_path: Path) -> AsyncIterator[Story]:
    """A namespace that is served and the operator's own."""
    idle = Operator(bed.kubeconfig, tmp_path / "nobody.log")
    idle.log_path.touch()
    async with Story.begin(bed, idle, api) as place:
        yield place


async def release(story: Story, kubeconfig: Path) -> None:
    """Runs `cancel` as the chart's hook does."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "autotuner.main", "cancel", "--timeout=60"),
        env={**os.environ, "KUBECONFIG": str(kubeconfig), "POD_NAMESPACE": story.namespace},
    )
    assert await process.wait() == 0


async def cancelled(story: Story, name: str) -> bool:
    body = await story.experiment(name)
    return body is not None and bool(body["spec"]["cancel"])


async def make_claim(story: Story, folder: Path) -> None:
    """A claim that is bound when a pod first uses it."""
    name, size = f"{story.namespace}-weights", {"storage": "1Gi"}
    late = {"provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}
    common = {"accessModes": ["ReadOnlyMany"], "storageClassName": name}
    volume = {**common, "capacity": size, "hostPath": {"path": str(folder)}}
    await story.api.create("/apis/storage.k8s.io/v1/storageclasses", {"metadata": {"name": name}, **late})
    await story.api.create("/api/v1/persistentvolumes", {"metadata": {"name": name}, "spec": volume})
    claim = {"metadata": {"name": "weights"}, "spec": {**common, "resources": {"requests": size}}}
    await story.api.create(f"/api/v1/namespaces/{story.namespace}/persistentvolumeclaims", claim)


async def make_queue(story: Story) -> None:
    """A LocalQueue for the testbed's ClusterQueue, and classes of priority."""
    kueue = {"apiVersion": "kueue.x-k8s.io/v1beta2", "metadata": {"name": "team", "namespace": story.namespace}}
    low = {"metadata": {"name": "low"}, "value": -10}
    await story.api.apply_all(
        [
            {**kueue, "kind": "LocalQueue", "spec": {"clusterQueue": "gpus"}},
            {**kueue, "kind": "WorkloadPriorityClass", **low},
            {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", **low},
        ],
        "test",
    )


async def own_deployment(story: Story) -> None:
    """A task whose engine runs in a Deployment, where somebody else has a Service of its name."""
    port = {"spec": {"ports": [{"port": 80}]}}
    await story.api.create(f"/api/v1/namespaces/{story.namespace}/services", {"metadata": {"name": "plain-0"}, **port})
    await story.create_task(PLAIN, name="plain")
    assert (await story.experiment_finished("plain-0"))["status"]["reason"] == "JobRefused"
    await story.task_finished("plain")


async def previewed(story: Story, name: str) -> bool:
    return "preview" in (await story.task(name)).get("status", {})


def check(bed: Testbed, user: str, granted: set[Right]) -> None:
    """Nothing was denied, and nothing is granted that was not used."""
    entries = list(audited(bed, user))
    refused = [entry["requestURI"] for entry in entries if entry["responseStatus"]["code"] == 403]
    assert not refused
    used = {right for right in map(needed, entries) if right}
    assert used - granted == set(), "used, though another role must have granted it"
    assert granted - IMPLIED - used == set(), "granted, but never used"
    elsewhere = {entry["requestURI"].split("?")[0] for entry in entries if needed(entry) is None}
    assert all(path.startswith(PUBLIC) for path in elsewhere), elsewhere


async def test_every_right_is_used_and_none_is_missing(bed: Testbed, api: Api, story: Story, tmp_path: Path) -> None:
    home = {story.namespace: RULES["operatorHome"]}
    user = await make_account(api, story.namespace, "operator", CLUSTER + SERVED, home)
    hook = await make_account(
        api, story.namespace, "hook", RULES["cancelNamespaced"], {story.namespace: RULES["cancelHome"]}
    )
    operator = started(story, await account_kubeconfig(api, bed, user, tmp_path), AUTOTUNER_BACKENDS=",".join(BACKENDS))
    try:
        killed = await story.make_runtime(
            "killed", {"spec.engineConfig.annotations": {"testbed.autotuner.io/oom-killed": "true"}}
        )
        silent = await story.make_runtime("silent", {"metadata.annotations": {SWITCH: "silent"}})
        await story.create_experiment("killed-1", {"spec.service.runtime.name": killed})
        await story.create_experiment("silent-1", {"spec.service.runtime.name": silent})
        await story.create_task({"spec.model": {"preset": "llama-3-2-1b-instruct"}, "spec.benchmark": traffic(ENDLESS)})
        await make_claim(story, tmp_path)
        await make_queue(story)
        await story.create_task(NAMESPACED, name="own")
        assert (await story.experiment_finished("killed-1"))["status"]["reason"] == "OutOfMemory"
        assert (await story.experiment_finished("silent-1"))["status"]["reason"] == "ServingNotCreated"
        await story.in_phase("chat-0", "Benchmarking")
        await story.patch_task({"suspend": True})
        assert (await story.experiment_finished("chat-0"))["status"]["reason"] == "Cancelled"
        await wait_for(lambda: previewed(story, "own"), "a preview is shown")
        await story.patch_task({"suspend": False}, name="own")
        assert (await story.task_finished("own"))["status"]["phase"] == "Succeeded"
        await own_deployment(story)
        await story.make_runtime()
        await story.create_experiment("alone-1", {"spec.benchmark": traffic(ENDLESS)})
        await story.in_phase("alone-1", "Benchmarking")
        # Before an uninstall the hook does it, or somebody in the operator's own pod.
        releases = [asyncio.create_task(release(story, await account_kubeconfig(api, bed, hook, tmp_path)))]
        await wait_for(lambda: cancelled(story, "alone-1"), "the hook cancels")
        releases.append(asyncio.create_task(release(story, tmp_path / f"{story.namespace}-operator.kubeconfig")))
        await asyncio.gather(*releases)
        assert (await story.experiment_finished("alone-1", 1))["status"]["reason"] == "Cancelled"
    finally:
        assert operator.terminate() == 0
    await api.delete(f"/apis/coordination.k8s.io/v1/namespaces/{story.namespace}/leases/autotuner")
    await release(story, tmp_path / f"{story.namespace}-hook.kubeconfig")
    check(bed, user, rights(CLUSTER + SERVED + RULES["operatorHome"]))
    check(bed, hook, rights(RULES["cancelNamespaced"] + RULES["cancelHome"]))
    assert not operator.errors()


async def test_one_namespace_needs_no_rights_elsewhere(bed: Testbed, api: Api, story: Story, tmp_path: Path) -> None:
    home = {story.namespace: SERVED + RULES["operatorHome"]}
    user = await make_account(api, story.namespace, "operator", RULES["operatorCluster"] + of_backends("cluster"), home)
    kubeconfig = await account_kubeconfig(api, bed, user, tmp_path)
    own = {"AUTOTUNER_NAMESPACES": story.namespace, "AUTOTUNER_CLUSTER_OBJECTS": "false"}
    operator = started(story, kubeconfig, AUTOTUNER_BACKENDS=",".join(BACKENDS), **own)
    try:
        await story.create_task({"spec.runtime": {"preset": "absent"}})

        async def told() -> bool:
            return condition(await story.task(), "Valid").get("reason") == "UnknownPreset"

        await wait_for(told, "the task is judged")
    finally:
        assert operator.terminate() == 0
    assert not [entry["requestURI"] for entry in audited(bed, user) if entry["responseStatus"]["code"] == 403]
    assert not operator.errors()


async def test_owner_references_need_the_right_to_block_the_owner(
    bed: Testbed, api: Api, story: Story, tmp_path: Path
) -> None:
    """Where the admission plug-in is on, as in this testbed."""
    rules = [rule for rule in SERVED if not any("finalizers" in it for it in rule["resources"])]
    assert len(rules) == len(SERVED) - 1
    owner = await story.create_experiment("alone-1")
    reference = {
        **{key: owner[key] for key in ("apiVersion", "kind")},
        **{key: owner["metadata"][key] for key in ("name", "uid")},
        "controller": True,
        "blockOwnerDeletion": True,
    }
    service: Object = {
        "apiVersion": "ome.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "alone-1", "ownerReferences": [reference]},
        "spec": {"model": {"name": story.namespace}},
    }
    path = f"/apis/ome.io/v1beta1/namespaces/{story.namespace}/inferenceservices"
    for name, granted in (("less", rules), ("enough", SERVED)):
        user = await make_account(api, story.namespace, name, [], {story.namespace: granted})
        async with Api(await account_kubeconfig(api, bed, user, tmp_path), agent="test") as client:
            if name == "less":
                with pytest.raises(ApiError, match="blockOwnerDeletion"):
                    await client.create(path, service, dryRun="All")
            else:
                await client.create(path, service, dryRun="All")
