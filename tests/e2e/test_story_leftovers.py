"""Objects that bear an experiment's labels: what it owns is deleted, what is another's survives and is told."""

from __future__ import annotations

import asyncio

from autotuner.kubernetes_object import Object
from testbed.api import ApiError
from tests.e2e.story import OME, SOME, Story, condition, traffic
from tests.e2e.test_story_restart import restart
from tests.support.waiting import wait_for


def labels(experiment: Object) -> Object:
    meta = experiment["metadata"]
    return {"autotuner.io/experiment": meta["name"], "autotuner.io/experiment-uid": meta["uid"]}


def service(story: Story, experiment: Object, name: str, *, owned: bool = False) -> Object:
    """An InferenceService with the experiment's labels that no OME deploys."""
    owner = {
        **{key: experiment[key] for key in ("apiVersion", "kind")},
        **{key: experiment["metadata"][key] for key in ("name", "uid")},
        "controller": True,
    }
    metadata = {"name": name, "labels": labels(experiment), **({"ownerReferences": [owner]} if owned else {})}
    model = {"model": {"name": story.namespace}}
    return {"apiVersion": "ome.io/v1beta1", "kind": "InferenceService", "metadata": metadata, "spec": model}


def pod(experiment: Object, name: str) -> Object:
    sleeper = {"name": "main", "image": "testbed/shell", "command": ["sh", "-c", "exec sleep 600"]}
    spec = {"containers": [sleeper], "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels(experiment)}, "spec": spec}


def job(experiment: Object, name: str) -> Object:
    template = {"spec": {**pod(experiment, name)["spec"], "restartPolicy": "Never"}}
    metadata = {"name": name, "labels": labels(experiment)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {"suspend": True, "template": template},
    }


async def test_what_only_bears_the_labels_survives_and_is_told(story: Story) -> None:
    await story.make_runtime()
    await story.create_experiment("alone-1", {"spec.benchmark": traffic(SOME), "spec.timeouts.teardownSeconds": 3})
    await story.mid_benchmark("alone-1")
    experiment = await story.experiment("alone-1")
    assert experiment is not None
    services = f"{OME}/namespaces/{story.namespace}/inferenceservices"
    jobs = f"/apis/batch/v1/namespaces/{story.namespace}/jobs"
    pods = f"/api/v1/namespaces/{story.namespace}/pods"
    copies = {
        "InferenceService": f"{services}/copy",
        "Job": f"{jobs}/copy",
        "Pod": f"{pods}/copy",
    }
    await story.api.create(services, service(story, experiment, "copy"))
    await story.api.create(jobs, job(experiment, "copy"))
    await story.api.create(pods, pod(experiment, "copy"))

    async def stuck() -> bool:
        released = condition(await story.experiment("alone-1") or {}, "Released")
        return released.get("reason") == "TeardownStuck" and "pod copy on node-" in released["message"]

    await wait_for(stuck, "a pod that bears the label holds the slot, and is named", 90)
    await restart(story)  # it looks at its start, and then as often as it compares its watches
    await asyncio.gather(*(story.event_seen(kind, "copy", "ForeignObject") for kind in copies))

    async def counted() -> bool:
        samples = [
            await asyncio.to_thread(
                story.operator.sample, f'autotuner_foreign_objects{{kind="{kind}",namespace="{story.namespace}"}}'
            )
            for kind in copies
        ]
        return samples == [1, 1, 1]

    await wait_for(counted, "each copy is counted")
    await story.api.delete(copies["Pod"])
    finished = await story.experiment_finished("alone-1", 30)
    assert finished["status"]["reason"] == "Completed"
    await story.api.create(services, service(story, experiment, "restored", owned=True))

    async def swept() -> bool:
        return await story.found(f"{services}/restored") is None

    await restart(story)
    await wait_for(swept, "what the ended experiment owns again is deleted")
    for kind in ("InferenceService", "Job"):
        survivor = await story.api.get(copies[kind])
        assert "deletionTimestamp" not in survivor["metadata"]
        assert len([event for event in await story.events(kind, "copy") if event["reason"] == "ForeignObject"]) == 1
        await story.api.delete(copies[kind])

    async def nothing_left() -> bool:
        return await story.left() == []

    await wait_for(nothing_left, "its user deletes the rest")


async def test_a_model_that_a_task_made_is_made_again(story: Story) -> None:
    name = f"{story.namespace}-own"
    path = f"{OME}/clusterbasemodels/{name}"
    made = await story.api.get(f"{OME}/clusterbasemodels/{story.namespace}")
    custom = {"name": name, "spec": made["spec"], "annotations": made["metadata"]["annotations"]}
    one = {"strategy": "Grid", "maxExperiments": 1, "confirm": {"maxRepeats": 0}}
    edits = {"spec.model": {"custom": custom}, "spec.benchmark": traffic(SOME), "spec.search": one}
    await story.create_task(edits)
    await story.mid_benchmark("chat-0")
    first = await delete_model(story, path)

    async def made_again() -> bool:
        found = await story.found(path)
        return found is not None and found["metadata"]["uid"] != first

    await wait_for(made_again, "it is made again at once: OME cannot let go of the engine without it", 5)
    measured = await story.experiment_finished("chat-0", 120)
    assert measured["status"]["reason"] == "Completed"
    await story.event_seen("TuningTask", "chat", "Recreated")
    await story.mid_benchmark("chat-1")
    await story.patch_task({"suspend": True})
    assert (await story.experiment_finished("chat-1"))["status"]["reason"] == "Cancelled"
    assert await story.left() == []
    await delete_model(story, path)

    async def gone() -> bool:
        return await story.found(path) is None

    await wait_for(gone, "the model is gone between two experiments")
    await story.patch_task({"suspend": False})
    task = await story.task_finished()
    assert task["status"]["phase"] == "Succeeded", task["status"]["message"]
    assert task["status"]["created"]["clusterBaseModel"] == name
    told = [event for event in await story.events("TuningTask", "chat") if event["reason"] == "Recreated"]
    assert len(told) == 2
    assert await story.left() == []


async def delete_model(story: Story, path: str) -> str:
    """Deletes a model, as somebody does by mistake; returns its uid."""
    uid = str((await story.api.get(path))["metadata"]["uid"])
    try:
        await story.api.delete(path)
    except ApiError as problem:
        assert problem.status == 404
    return uid
