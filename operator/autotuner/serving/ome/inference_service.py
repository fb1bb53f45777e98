"""InferenceServices: how one is written, and what OME's events and Deployment say about it.

OME's own status is not used: it stays empty on most failures and stays Ready through some.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from autotuner.api.common import Volume
from autotuner.api.experiment import Service
from autotuner.objects import Object
from autotuner.ownership import labels, owner_reference
from autotuner.rendering import render
from autotuner.serving.volumes import claim_mount, claim_volume

CONTAINER = "ome-container"
GRACE_SECONDS = 10
MODEL_PATH = "MODEL_PATH"  # by which OME, and we in its place, tell the engine where the weights are
MODEL_VOLUME = "autotuner-model"
# Warnings that mean "this can never be deployed". Healthy starts emit other warnings (InternalError, UpdateFailed),
# and even these are believed only once they repeat.
_DOOMED = (
    "RuntimeValidationError",
    "RuntimeFetchError",
    "RuntimeSelectionError",
    "DeploymentModeError",
    "ModelReconcileError",
    "MergeSpecsError",
)
_DOOMED_COUNT = 3


def inference_service(experiment: Mapping[str, Any], service: Service) -> Object:
    """The InferenceService of an experiment, as it is created and never touched again."""
    meta, accelerator = experiment["metadata"], service.accelerator
    selector = dict(service.node_selector or {})
    if accelerator.product:
        selector["nvidia.com/gpu.product"] = accelerator.product
    resources = {accelerator.resource: str(accelerator.count)} if accelerator.resource else {}
    volume = service.volume
    return render(
        "inferenceservice.yaml.j2",
        name=meta["name"],
        namespace=meta["namespace"],
        labels=labels(meta["name"], meta["uid"]),
        owner=owner_reference(experiment),
        model=service.model.dump(),
        runtime=service.runtime.dump(),
        grace_seconds=GRACE_SECONDS,
        node_selector=selector,
        tolerations=[toleration.dump() for toleration in service.tolerations or []],
        container=CONTAINER,
        args=list(service.args),
        image=service.image,
        env=_environment(service),
        resources=resources,
        annotations=_annotations(volume) if volume and volume.annotations else {},
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


@dataclass(frozen=True)
class ServingEvent:
    """An event about an InferenceService."""

    kind: str  # Normal | Warning
    reason: str
    message: str
    count: int


def read_events(events: Iterable[Mapping[str, Any]]) -> list[ServingEvent]:
    """Events as decisions use them, oldest first."""
    ordered = sorted(events, key=lambda e: e.get("lastTimestamp") or e.get("eventTime") or "")
    return [
        ServingEvent(e.get("type", ""), e.get("reason", ""), e.get("message", ""), e.get("count") or 1) for e in ordered
    ]


def incompatible(events: Iterable[ServingEvent]) -> str | None:
    """OME's words when it will never deploy this; None while it may."""
    for event in events:
        if event.kind == "Warning" and event.reason in _DOOMED and event.count >= _DOOMED_COUNT:
            return f"{event.reason}: {event.message}"
    return None


def replica_failure(deployment: Mapping[str, Any] | None) -> str | None:
    """Why the Deployment cannot make pods (quota, Pod Security), in the API server's words."""
    for condition in ((deployment or {}).get("status") or {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return f"{condition.get('reason', '')}: {condition.get('message', '')}"
    return None
