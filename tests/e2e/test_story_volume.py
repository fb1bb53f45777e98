"""Weights on a PersistentVolumeClaim: refused until it can work, then read by engine and benchmark."""

from __future__ import annotations

import shutil
from pathlib import Path

from autotuner.kubernetes_object import Object
from tests.e2e.simulated import TOKENIZER
from tests.e2e.story import BRIEF, Story, condition, traffic
from tests.support.waiting import wait_for

FOLDER = "meta/llama-3-2-1b-instruct"
VOLUME: Object = {"claimName": "weights", "subPath": FOLDER, "mountPath": "/weights"}
FROM_CLAIM: Object = {**traffic(BRIEF), "tokenizer": {"source": "ModelVolume"}}


async def make_claim(story: Story, folder: Path) -> None:
    """A claim for one node, of a folder of this machine that holds a model's tokenizer."""
    shutil.copytree(TOKENIZER, folder / FOLDER)
    size, name = {"storage": "1Gi"}, f"{story.namespace}-weights"
    common = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    place = {"hostPath": {"path": str(folder)}, "claimRef": {"namespace": story.namespace, "name": "weights"}}
    volume = {"metadata": {"name": name}, "spec": {**common, **place, "capacity": size}}
    claim = {"metadata": {"name": "weights"}, "spec": {**common, "volumeName": name, "resources": {"requests": size}}}
    await story.api.create("/api/v1/persistentvolumes", volume)
    await story.api.create(f"/api/v1/namespaces/{story.namespace}/persistentvolumeclaims", claim)


async def told(story: Story, kind: str, words: str) -> None:
    """Waits until a condition of the task that is False says this."""

    async def look() -> bool:
        found = condition(await story.task(), kind)
        return found.get("status") == "False" and words in found["message"]

    await wait_for(look, f"{kind} says {words}")


async def test_weights_on_a_claim(story: Story, tmp_path: Path) -> None:
    enforced = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
    await story.api.patch(f"/api/v1/namespaces/{story.namespace}", enforced)
    await story.create_task(
        {
            "spec.model": {"preset": "llama-3-2-1b-instruct", "scope": "Namespaced"},
            "spec.benchmark": FROM_CLAIM,
            "spec.search.maxExperiments": 1,
        }
    )
    await told(story, "Valid", "which Pod Security (baseline) forbids")
    await story.patch_task({"model": {"volume": VOLUME}})
    await told(story, "Valid", "model.volume.claimName: PersistentVolumeClaim weights does not exist in namespace")
    await make_claim(story, tmp_path)
    await told(story, "Valid", "benchmark.placement: PersistentVolumeClaim weights is ReadWriteOnce")
    assert await story.experiments() == []

    await story.patch_task({"benchmark": {"placement": "SameNode"}})
    await story.in_phase("chat-0", "Benchmarking")
    pods = (await story.api.list(f"/api/v1/namespaces/{story.namespace}/pods"))["items"]
    task = await story.task_finished()

    assert len(pods) == 2
    for pod in pods:
        claims = [
            volume["persistentVolumeClaim"] for volume in pod["spec"]["volumes"] if "persistentVolumeClaim" in volume
        ]
        assert claims == [{"claimName": "weights", "readOnly": True}]
        mounts = [mount for mount in pod["spec"]["containers"][0]["volumeMounts"] if mount["mountPath"] == "/weights"]
        assert [(mount["subPath"], mount["readOnly"]) for mount in mounts] == [(FOLDER, True)]
    assert condition(task, "Succeeded")["status"] == "True", task["status"]["message"]
    assert task["status"]["created"]["baseModel"].startswith("llama-3-2-1b-instruct-")


async def test_a_folder_that_is_not_on_the_claim(story: Story, tmp_path: Path) -> None:
    await story.make_runtime()
    await make_claim(story, tmp_path)
    await story.create_experiment("misled-1", {"spec.service.volume": {**VOLUME, "subPath": "meta/llama-3"}})
    await story.create_experiment("early-1", {"spec.service.volume": {"claimName": "absent"}})

    early, misled = [await story.experiment_finished(name) for name in ("early-1", "misled-1")]

    assert early["status"]["reason"] == misled["status"]["reason"] == "ModelNotReady"
    assert "PersistentVolumeClaim absent does not exist" in early["status"]["message"]
    assert "scheduled" not in early["status"]["times"]
    assert "check that folder meta/llama-3 of PersistentVolumeClaim weights has" in misled["status"]["message"]
