"""InferenceServices: of an experiment, and of what won."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotuner.api.common import Volume
from autotuner.api.experiment import Service
from autotuner.kubernetes_object import Object
from autotuner.manifest_rendering import render
from autotuner.ownership import labels, owner_reference
from autotuner.serving import accelerators, kueue
from autotuner.serving.backend import MODEL_PATH, Winner
from autotuner.serving.volumes import claim_mount, claim_volume

CONTAINER = "ome-container"
# Of OME's controller, which removes it as soon as the deletion begins.
FINALIZER = "inferenceservice.finalizers"
GRACE_SECONDS = 10
MODEL_VOLUME = "autotuner-model"
# Of one engine that is measured alone and thrown away; a service that stays has OME's own defaults.
_ONLY_MEASURED = ("minReplicas", "maxReplicas", "terminationGracePeriodSeconds", "priorityClassName")
_AUTOSCALER = "ome.io/autoscalerClass"


def engine_name(name: str) -> str:
    """The name of the Deployment and the Service that OME makes for the engine of an InferenceService."""
    return f"{name}-engine"


def inference_service(experiment: Mapping[str, Any], service: Service) -> Object:
    """The InferenceService of an experiment, as it is created and never touched again."""
    meta, accelerator = experiment["metadata"], service.accelerator
    selector = {**(service.node_selector or {}), **accelerators.pinning(accelerator)}
    resources = {accelerator.resource: str(accelerator.count)} if accelerator.resource else {}
    volume = service.volume
    assert service.model is not None, "the API demands it where OME serves"
    return render(
        "inferenceservice.yaml.j2",
        name=meta["name"],
        namespace=meta["namespace"],
        # OME writes them into the metadata of the Deployment too, where Kueue looks for its own.
        labels={**(service.labels or {}), **labels(meta["name"], meta["uid"]), **kueue.labels(service)},
        owner=owner_reference(experiment),
        model=service.model.dump(),
        runtime=service.runtime.dump(),
        grace_seconds=GRACE_SECONDS,
        node_selector=selector,
        tolerations=[toleration.dump() for toleration in service.tolerations or []],
        priority_class=service.priority_class_name,
        container=CONTAINER,
        args=list(service.args),
        image=service.image,
        env=_environment(service),
        resources=resources,
        annotations={
            **(service.annotations or {}),
            **(_annotations(volume) if volume and volume.annotations else {}),
        },
        volumes=[claim_volume(MODEL_VOLUME, volume)] if volume and not volume.annotations else [],
        mounts=[claim_mount(MODEL_VOLUME, volume)] if volume and not volume.annotations else [],
    )


def _environment(service: Service) -> list[Object]:
    """The experiment's variables; where the weights are on a claim, also their path, unless it is given."""
    env: list[Object] = [variable.dump() for variable in service.env or []]
    if service.volume and not any(variable["name"] == MODEL_PATH for variable in env):
        env.append({"name": MODEL_PATH, "value": service.volume.mount_path})
    return env


def _annotations(volume: Volume) -> dict[str, str]:
    """What the OME fork reads that mounts the claim itself; it mounts a second time what is mounted already."""
    return {
        "ome.io/storage-type": "pvc",
        "ome.io/pvc-name": volume.claim_name,
        **({"ome.io/pvc-subpath": volume.sub_path} if volume.sub_path else {}),
        "ome.io/mount-path": volume.mount_path,
    }


def winner(experiment: Mapping[str, Any], service: Service, name: str) -> Winner:
    """Ready to apply: no label, annotation or owner of ours, but those that the user gave to all that is made.

    It asks for the accelerator product that was measured: on another one the same flags may be slow, or not fit.
    """
    body = inference_service(experiment, service)
    meta, engine = body["metadata"], body["spec"]["engine"]
    meta["name"] = name
    for key in ("labels", "ownerReferences"):
        del meta[key]
    if service.labels:
        meta["labels"] = dict(service.labels)
    del meta["annotations"][_AUTOSCALER]
    for key in _ONLY_MEASURED:
        engine.pop(key, None)
    return Winner(body, "Without engine.minReplicas and engine.maxReplicas, OME's defaults hold.")
